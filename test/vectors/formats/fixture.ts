// Pieces that the fixture formats share: accounts, environments, transactions, and comparing states.
import { blockEnv } from "#chain/execute.ts";
import { keccak256, keccakHash } from "#crypto/hash.ts";
import { publicKeyToAddress, recoverPublicKey } from "#crypto/secp256k1.ts";
import { trieRoot } from "#execution/tries.ts";
import type { BlockEnv, Withdrawal } from "#execution/types.ts";
import { bigintToBytes, fromHex, padLeft, toHex } from "#lib/bytes.ts";
import { encodeRlp, rlpUint } from "#lib/rlp.ts";
import type { Header } from "#types/header.ts";
import { type Address, address, bytesOf, type Hash, hash, ZERO_HASH } from "#types/ids.ts";
import {
  decodeTransaction,
  type SignedTransaction,
  signingPayload,
  type Transaction,
} from "#types/transaction.ts";
import { type MemoryState, memoryState, type PlainAccount } from "../../support/memory-state.ts";
import { Mismatch } from "./case.ts";

export interface FixtureAccount {
  readonly nonce: string;
  readonly balance: string;
  readonly code: string;
  readonly storage: Readonly<Record<string, string>>;
}
export type Alloc = Readonly<Record<string, FixtureAccount>>;

/** A slot number in any hex form as 32 bytes. */
export function slotOf(text: string): Hash {
  return hash(padLeft(bigintToBytes(BigInt(text)), 32));
}

export function accountsOf(alloc: Alloc): Map<Address, PlainAccount> {
  const accounts = new Map<Address, PlainAccount>();
  for (const [at, account] of Object.entries(alloc)) {
    const storage = new Map<Hash, Uint8Array>();
    for (const [slot, value] of Object.entries(account.storage ?? {})) {
      const bytes = bigintToBytes(BigInt(value));
      if (bytes.length > 0) storage.set(slotOf(slot), bytes);
    }
    accounts.set(address(at), {
      nonce: BigInt(account.nonce),
      balance: BigInt(account.balance),
      code: fromHex(account.code),
      storage,
    });
  }
  return accounts;
}

export function stateOf(alloc: Alloc): MemoryState {
  return memoryState(accountsOf(alloc));
}

function describeAccount(account: PlainAccount | undefined): string {
  if (account === undefined) return "absent";
  const storage = [...account.storage].map(([slot, value]) => `${slot}=${toHex(value)}`).sort();
  return `nonce ${account.nonce} balance ${account.balance} code ${keccakHash(account.code)} [${storage.join(" ")}]`;
}

/** Throws unless both states hold exactly the same accounts. */
export function expectAccounts(
  actual: Map<Address, PlainAccount>,
  expected: Map<Address, PlainAccount>,
): void {
  for (const at of new Set([...actual.keys(), ...expected.keys()])) {
    const have = describeAccount(actual.get(at));
    const want = describeAccount(expected.get(at));
    if (have !== want) throw new Mismatch(`account ${at}: got ${have}, expected ${want}`);
  }
}

/** Ethereum's own state root of a dump: for comparison with fixtures only. */
export function mptStateRoot(accounts: Map<Address, PlainAccount>): Hash {
  return trieRoot(
    Array.from(accounts, ([at, account]) => {
      const slots = Array.from(
        account.storage,
        ([slot, value]) => [keccak256(bytesOf(slot)), encodeRlp(value)] as const,
      );
      const body = [
        rlpUint(account.nonce),
        rlpUint(account.balance),
        bytesOf(trieRoot(slots)),
        keccak256(account.code),
      ];
      return [keccak256(bytesOf(at)), encodeRlp(body)] as const;
    }),
  );
}

/** Sender by recovery alone, with high s allowed as before Homestead; undefined if nothing is recovered. */
export function senderOf(tx: Transaction): Address | undefined {
  const key = recoverPublicKey(keccak256(signingPayload(tx)), tx.signature);
  return key === undefined ? undefined : publicKeyToAddress(key);
}

/** Opens a wire form under any fork's signature rules; throws for malformed ones, undefined without a sender. */
export function openAny(raw: Uint8Array): SignedTransaction | undefined {
  const tx = decodeTransaction(raw);
  const sender = senderOf(tx);
  return sender === undefined ? undefined : { tx, raw, hash: keccakHash(raw), sender };
}

/** The environment that the header of a block of Ethereum gives it. */
export function headerEnv(header: Header, withdrawals: readonly Withdrawal[] | undefined): BlockEnv {
  return {
    ...blockEnv(header),
    parentBeaconBlockRoot: header.parentBeaconBlockRoot ?? ZERO_HASH,
    difficulty: header.difficulty,
    ...(withdrawals !== undefined && { withdrawals }),
  };
}
