// The first block of a chain: its state, its header and what follows from it for the rules. Deterministic: the same
// genesis gives the same hash on every node. Reading files is done in genesis-file.ts.
import { headerHash } from "#crypto/digest.ts";
import { keccak256, keccakHash } from "#crypto/hash.ts";
import { MIN_GAS_LIMIT } from "#execution/fees.ts";
import { forkOf } from "#execution/rules.ts";
import type { ChainRules } from "#execution/types.ts";
import { EMPTY_BYTES, equalBytes } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { encodeRlp, rlpUint } from "#lib/rlp.ts";
import type { StateDb } from "#state/types.ts";
import type { AccountChange, StateChanges } from "#types/account.ts";
import type { Block } from "#types/block.ts";
import type { BootstrapConfig, Genesis, GenesisAccount } from "#types/genesis.ts";
import type { Header } from "#types/header.ts";
import {
  type Address,
  bytesOf,
  EMPTY_CODE_HASH,
  EMPTY_OMMERS_HASH,
  EMPTY_TRIE_ROOT,
  type Hash,
  height,
  ZERO_HASH,
} from "#types/ids.ts";
import { forkFields } from "./header-rules.ts";
import { recordOf } from "./record.ts";

const GENESIS_HEIGHT = height(0);
/** Geth's bound: gas counts as a signed 64-bit integer in places. */
const MAX_GAS_LIMIT: bigint = 2n ** 63n - 1n;

/** `genesis` with the allocations of a bootstrap configuration merged in. */
export function withBootstrap(genesis: Genesis, bootstrap: BootstrapConfig): Genesis {
  if (bootstrap.allocations.size === 0) return genesis;
  const accounts = new Map<Address, GenesisAccount>(genesis.accounts);
  for (const [at, balance] of bootstrap.allocations) {
    const known = accounts.get(at) ?? { nonce: 0n, code: EMPTY_BYTES, storage: new Map() };
    accounts.set(at, { ...known, balance });
  }
  return { ...genesis, accounts };
}

/** The genesis accounts as the change set of block 0. */
export function genesisChanges(genesis: Genesis): StateChanges {
  const accounts = new Map<Address, AccountChange>();
  const code = new Map<Hash, Uint8Array>();
  for (const [at, account] of genesis.accounts) {
    const codeHash = account.code.length === 0 ? EMPTY_CODE_HASH : keccakHash(account.code);
    if (account.code.length > 0) code.set(codeHash, account.code);
    const { balance, nonce, storage } = account;
    accounts.set(at, { account: { balance, nonce, codeHash }, reset: false, storage });
  }
  return { accounts, code };
}

function genesisHeader(genesis: Genesis, rules: ChainRules, stateRoot: Hash): Header {
  return {
    parentHash: ZERO_HASH,
    ommersHash: EMPTY_OMMERS_HASH,
    coinbase: genesis.coinbase,
    stateRoot,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    logsBloom: new Uint8Array(256),
    difficulty: genesis.difficulty,
    number: GENESIS_HEIGHT,
    gasLimit: genesis.gasLimit,
    gasUsed: 0n,
    timestamp: genesis.timestamp,
    extraData: genesis.extraData,
    mixHash: genesis.mixHash,
    nonce: genesis.nonce,
    ...forkFields(forkOf(rules, GENESIS_HEIGHT, genesis.timestamp), {
      baseFeePerGas: genesis.baseFeePerGas,
      blobGasUsed: 0n,
      excessBlobGas: 0n,
    }),
  };
}

/** Where the digest of the genesis file that a store was made from is noted. */
const GENESIS_NOTE = "genesis";

/** Identity of what a genesis fixes for ever: everything but the fork schedule, which upgrades extend. */
function genesisDigest(genesis: Genesis): Uint8Array {
  const accounts = [...genesis.accounts].sort(([a], [b]) => (a < b ? -1 : 1));
  return keccak256(
    encodeRlp([
      rlpUint(genesis.chainId),
      rlpUint(genesis.timestamp),
      rlpUint(genesis.gasLimit),
      rlpUint(genesis.baseFeePerGas),
      bytesOf(genesis.coinbase),
      genesis.extraData,
      bytesOf(genesis.mixHash),
      genesis.nonce,
      rlpUint(genesis.difficulty),
      rlpUint(genesis.dev ? 1 : 0),
      accounts.map(([at, { balance, nonce, code, storage }]) => [
        bytesOf(at),
        rlpUint(balance),
        rlpUint(nonce),
        keccak256(code),
        [...storage].sort(([a], [b]) => (a < b ? -1 : 1)).map(([slot, value]) => [bytesOf(slot), value]),
      ]),
    ]),
  );
}

function writeGenesis(state: StateDb, genesis: Genesis, rules: ChainRules): Hash {
  if (genesis.gasLimit < MIN_GAS_LIMIT || genesis.gasLimit > MAX_GAS_LIMIT) {
    throw new KoraError(`no chain can begin with the gas limit ${genesis.gasLimit}`, {
      code: "BAD_GENESIS",
      kind: "usage",
      why: "it is outside what the rules of Ethereum allow",
      hint: `choose one from ${MIN_GAS_LIMIT} to ${MAX_GAS_LIMIT}`,
    });
  }
  const batch = state.prepare(undefined, GENESIS_HEIGHT, genesisChanges(genesis));
  const header = genesisHeader(genesis, rules, batch.root);
  const block: Block = { header, hash: headerHash(header), transactions: [] };
  const extras = { certificate: undefined, seed: undefined, inputs: undefined };
  state.notes.set(GENESIS_NOTE, genesisDigest(genesis));
  state.commit([{ batch, record: recordOf(block, [], extras) }]);
  return block.hash;
}

/**
 * Writes block 0 into an empty store, or checks that a store was made from this genesis. Returns the genesis hash.
 * Throws BAD_GENESIS for a gas limit that no chain can have, GENESIS_MISMATCH (exit code 3) when the directory belongs
 * to another chain.
 */
export function openGenesis(state: StateDb, genesis: Genesis, rules: ChainRules): Hash {
  const stored = state.archive.block(GENESIS_HEIGHT);
  if (stored === undefined) return writeGenesis(state, genesis, rules);
  const noted = state.notes.get(GENESIS_NOTE);
  if (noted === undefined || !equalBytes(noted, genesisDigest(genesis))) {
    throw new KoraError("the data directory belongs to another chain", {
      code: "GENESIS_MISMATCH",
      kind: "safety",
      why: `its first block is ${stored.hash}, which this genesis does not describe`,
      hint: "use the genesis this directory was made with, or another data directory",
    });
  }
  return stored.hash;
}
