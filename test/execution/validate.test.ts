// Why transactions are refused: the code and geth's text of each reason, and that a refused one leaves no trace.
import { describe, expect, test } from "bun:test";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import type { BlockEnv, RejectionCode } from "#execution/types.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { type Address, address, hash } from "#types/ids.ts";
import type { SignedTransaction, Transaction } from "#types/transaction.ts";
import { memoryState, type PlainAccount } from "../support/memory-state.ts";
import { blockEnv, CHAIN_ID, dynamicFee, ETHER, GWEI, SENDER, sign } from "./support.ts";

const TO = address(`0x${"22".repeat(20)}`);
const BLOB = hash(`0x01${"ab".repeat(31)}`);
const MAX_NONCE = (1n << 64n) - 1n;
const EOA: PlainAccount = { nonce: 5n, balance: ETHER, code: EMPTY_BYTES, storage: new Map() };

const base = { ...dynamicFee({ nonce: 5n }) };
const { maxFeePerGas: _cap, maxPriorityFeePerGas: _tip, type: _type, ...rest } = base;
const blobTx = (hashes = [BLOB], maxFeePerBlobGas = GWEI): Transaction => ({
  ...base,
  type: 3,
  to: TO,
  maxFeePerBlobGas,
  blobVersionedHashes: hashes,
});

interface Case {
  readonly name: string;
  readonly tx: Transaction;
  readonly code: RejectionCode;
  readonly message: string;
  readonly account?: Partial<PlainAccount>;
  readonly env?: Partial<BlockEnv>;
  readonly fork?: string;
}

const CASES: readonly Case[] = [
  {
    name: "a used nonce",
    tx: { ...base, nonce: 4n },
    code: "NONCE_TOO_LOW",
    message: "nonce too low: next nonce 5, tx nonce 4",
  },
  {
    name: "a nonce ahead",
    tx: { ...base, nonce: 9n },
    code: "NONCE_TOO_HIGH",
    message: "nonce too high: next nonce 5, tx nonce 9",
  },
  {
    name: "the last nonce",
    tx: { ...base, nonce: MAX_NONCE },
    account: { nonce: MAX_NONCE },
    code: "NONCE_MAX",
    message: `nonce has max value: address ${SENDER}, nonce: ${MAX_NONCE}`,
  },
  {
    name: "more value than the sender has",
    tx: { ...base, value: ETHER },
    code: "INSUFFICIENT_FUNDS",
    message: `insufficient funds for gas * price + value: balance ${ETHER}, tx cost ${ETHER + 63_000n * GWEI}, overshot ${63_000n * GWEI}`,
  },
  {
    name: "less gas than the transaction costs by itself",
    tx: { ...base, gasLimit: 20_999n },
    code: "INTRINSIC_GAS",
    message: "intrinsic gas too low: gas 20999, minimum needed 21000",
  },
  {
    name: "less gas than its calldata's floor",
    tx: { ...base, data: new Uint8Array(1000).fill(1), gasLimit: 40_000n },
    code: "FLOOR_GAS",
    message: "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000",
  },
  {
    name: "more gas than is left in the block",
    tx: { ...base, gasLimit: 60_000n },
    env: { gasLimit: 50_000n },
    code: "BLOCK_GAS_LIMIT",
    message: "gas limit reached",
  },
  {
    name: "more gas than one transaction may have",
    tx: { ...base, gasLimit: 16_777_217n },
    code: "TX_GAS_CAP",
    message: "transaction gas limit too high (cap: 16777216, tx: 16777217)",
  },
  {
    name: "a fee cap below the base fee",
    tx: { ...base, maxFeePerGas: GWEI - 1n, maxPriorityFeePerGas: 0n },
    code: "FEE_BELOW_BASE_FEE",
    message: `max fee per gas less than block base fee: address ${SENDER}, maxFeePerGas: 999999999, baseFee: 1000000000`,
  },
  {
    name: "a gas price below the base fee",
    tx: { ...rest, type: 1, gasPrice: 7n },
    code: "FEE_BELOW_BASE_FEE",
    message: `max fee per gas less than block base fee: address ${SENDER}, maxFeePerGas: 7, baseFee: 1000000000`,
  },
  {
    name: "a tip above the cap",
    tx: { ...base, maxPriorityFeePerGas: 4n * GWEI },
    code: "TIP_ABOVE_FEE_CAP",
    message: `max priority fee per gas higher than max fee per gas: address ${SENDER}, maxPriorityFeePerGas: 4000000000, maxFeePerGas: 3000000000`,
  },
  {
    name: "a type that the fork does not know",
    tx: { ...base, type: 4, to: TO, authorizationList: [] },
    fork: "cancun",
    code: "TYPE_NOT_SUPPORTED",
    message: "transaction type not supported: 4",
  },
  {
    name: "another chain",
    tx: { ...base, chainId: 1n },
    code: "WRONG_CHAIN",
    message: "invalid chain id for signer: have 1 want 1337",
  },
  {
    name: "a sender with code",
    tx: base,
    account: { code: Uint8Array.of(0x60, 0x00) },
    code: "SENDER_NOT_EOA",
    message: `sender not an eoa: address ${SENDER}, len(code): 2`,
  },
  {
    name: "initcode that is too long",
    tx: { ...base, to: undefined, data: new Uint8Array(49_153), gasLimit: 5_000_000n },
    code: "INITCODE_TOO_LARGE",
    message: "max initcode size exceeded: code size 49153 limit 49152",
  },
  {
    name: "a blob transaction without blobs",
    tx: blobTx([]),
    code: "BLOB_COUNT",
    message: "blob transaction missing blob hashes",
  },
  {
    name: "too many blobs in one transaction",
    tx: blobTx(Array.from({ length: 7 }, () => BLOB)),
    code: "BLOB_COUNT",
    message: "blob transaction has too many blobs (max 6, have 7)",
  },
  {
    name: "a blob hash of another kind",
    tx: blobTx([BLOB, hash(`0x02${"ab".repeat(31)}`)]),
    code: "BLOB_HASH",
    message: "blob 1 has invalid hash version",
  },
  {
    name: "a blob fee cap below the blob base fee",
    tx: blobTx([BLOB], 0n),
    code: "BLOB_FEE_TOO_LOW",
    message: `max fee per blob gas less than block blob gas fee: address ${SENDER} blobGasFeeCap: 0, blobBaseFee: 1`,
  },
  {
    name: "a delegation without authorizations",
    tx: { ...base, type: 4, to: TO, authorizationList: [] },
    code: "AUTHORIZATION_LIST_EMPTY",
    message: `EIP-7702 transaction with empty auth list (sender ${SENDER})`,
  },
];

async function attempt(
  transaction: SignedTransaction,
  { fork = "osaka", account = {}, env = {} }: Pick<Case, "fork" | "account" | "env">,
) {
  const rules = chainRules({ chainId: CHAIN_ID, forks: [{ fork, block: 0 }] });
  const accounts: [Address, PlainAccount][] = [[SENDER, { ...EOA, ...account }]];
  const block = await createExecutor(rules).open(memoryState(accounts), blockEnv(env), () => undefined);
  const outcome = await block.apply(transaction);
  return { outcome, done: await block.finish() };
}

describe("refused transactions", () => {
  for (const item of CASES) {
    test(item.name, async () => {
      const { outcome, done } = await attempt(sign(item.tx), item);
      expect(outcome).toEqual({
        kind: "rejected",
        rejection: { code: item.code, message: item.message },
      });
      expect([done.changes.accounts.size, done.receipts.length, done.gasUsed]).toEqual([0, 0, 0n]);
    });
  }

  test("a high s is refused although it recovers the sender", async () => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const good = sign(base);
    const { r, s, yParity } = good.tx.signature;
    const tx = { ...good.tx, signature: { r, s: order - s, yParity: 1 - yParity } };
    const { outcome } = await attempt({ ...good, tx }, {});
    expect(outcome).toMatchObject({ kind: "rejected", rejection: { code: "BAD_SIGNATURE" } });
  });

  test("a delegated sender is welcome", async () => {
    const code = Uint8Array.from([0xef, 0x01, 0x00, ...new Uint8Array(20).fill(7)]);
    const { outcome } = await attempt(sign(base), { account: { code } });
    expect(outcome.kind).toBe("included");
  });

  test("limits of size and gas are the chain's to switch off", async () => {
    const rules = chainRules({ chainId: CHAIN_ID, transactionGasCap: false, codeSizeLimit: false });
    const env = blockEnv({ gasLimit: 100_000_000n });
    const block = await createExecutor(rules).open(memoryState([[SENDER, EOA]]), env, () => undefined);
    const data = new Uint8Array(49_153);
    const outcome = await block.apply(sign({ ...base, to: undefined, data, gasLimit: 17_000_000n }));
    expect(outcome).toMatchObject({ kind: "included", receipt: { status: true } });
  });

  test("blobs beyond the block's are refused, and the rest of the block goes on", async () => {
    const rules = chainRules({ chainId: CHAIN_ID });
    const block = await createExecutor(rules).open(memoryState([[SENDER, EOA]]), blockEnv(), () => undefined);
    const six = Array.from({ length: 6 }, () => BLOB);
    expect(await block.apply(sign(blobTx(six)))).toMatchObject({ kind: "included" });
    const more = { ...blobTx(six), nonce: 6n } as Transaction;
    expect(await block.apply(sign(more))).toMatchObject({ rejection: { code: "BLOB_GAS_LIMIT" } });
    const fewer = { ...blobTx(six.slice(3)), nonce: 6n } as Transaction;
    expect(await block.apply(sign(fewer))).toMatchObject({
      kind: "included",
      receipt: { blobGasUsed: 3n << 17n, blobGasPrice: 1n },
    });
    expect((await block.finish()).blobGasUsed).toBe(9n << 17n);
  });
});
