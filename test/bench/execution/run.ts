// Transactions per second through the executor, beside the library's own VM (runTx over SimpleStateManager), in the
// same run and on the same transactions:
//   bun test/bench/execution/run.ts [--rounds N] [--transactions N]
import { parseArgs } from "node:util";
import { createBlock } from "@ethereumjs/block";
import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { SimpleStateManager } from "@ethereumjs/statemanager";
import { createTxFromRLP } from "@ethereumjs/tx";
import { Account, Address as LibraryAddress } from "@ethereumjs/util";
import { createVM, runTx } from "@ethereumjs/vm";
import { secretToAddress } from "#crypto/secp256k1.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import { concatBytes, EMPTY_BYTES, fromHex, padLeft } from "#lib/bytes.ts";
import { type Address, bytesOf } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { blockEnv, CHAIN_ID, dynamicFee, ETHER, SECRET, SENDER, sign } from "../../execution/support.ts";
import { contracts } from "../../support/contracts.ts";
import { type MemoryState, memoryState, type PlainAccount } from "../../support/memory-state.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, transactions: { type: "string", default: "2000" } },
});
const ROUNDS = Number(values.rounds);
const COUNT = Number(values.transactions);
/** The competitor runs this share of the transactions: it slows down with every account it holds. */
const COMPETITOR_SHARE = 10;
const SENDERS = 500;
const ENV = blockEnv({ gasLimit: 1n << 50n });

const executor = createExecutor(chainRules({ chainId: CHAIN_ID, forks: [{ fork: "prague", block: 0 }] }));
const noHashes = () => undefined;

function secretOf(index: number): Uint8Array {
  return padLeft(Uint8Array.of(1, index >> 8, index & 255), 32);
}
const senders = Array.from({ length: SENDERS }, (_, index) => {
  const secret = secretOf(index);
  return { secret, address: secretToAddress(secret) };
});
const rich: PlainAccount = { nonce: 0n, balance: 1000n * ETHER, code: EMPTY_BYTES, storage: new Map() };

type Call = (
  recipient: Address,
  index: number,
) => { to: Address; value: bigint; data: Uint8Array; gasLimit: bigint };

function batch(call: Call): SignedTransaction[] {
  return Array.from({ length: COUNT }, (_, index) => {
    const sender = senders[index % SENDERS]!;
    const recipient = senders[(index * 7 + 1) % SENDERS]!.address;
    const nonce = BigInt(Math.floor(index / SENDERS));
    return sign(dynamicFee({ nonce, ...call(recipient, index) }), sender.secret);
  });
}

/** Deploys the token with its supply to the first account, and gives every sender a share. */
async function tokenState(): Promise<{ state: MemoryState; token: Address }> {
  const state = memoryState([[SENDER, rich], ...senders.map(({ address }) => [address, rich] as const)]);
  const block = await executor.open(state, ENV, noHashes);
  const init = fromHex(contracts["coin"]!.bytecode);
  const deploy = await block.apply(
    sign(dynamicFee({ to: undefined, data: init, gasLimit: 5_000_000n }), SECRET),
  );
  if (deploy.kind !== "included" || !deploy.receipt.status) throw new Error("the token does not deploy");
  const token = deploy.receipt.contractAddress!;
  for (const [index, { address }] of senders.entries()) {
    const nonce = BigInt(index + 1);
    const tx = dynamicFee({ nonce, to: token, data: transferData(address, ETHER), gasLimit: 100_000n });
    const outcome = await block.apply(sign(tx, SECRET));
    if (outcome.kind !== "included" || !outcome.receipt.status) throw new Error("a share is not paid");
  }
  state.apply((await block.finish()).changes);
  return { state, token };
}

function transferData(to: Address, amount: bigint): Uint8Array {
  const value = fromHex(`0x${amount.toString(16).padStart(64, "0")}`);
  return concatBytes(fromHex("0xa9059cbb"), padLeft(bytesOf(to), 32), value);
}

async function runKora(state: MemoryState, transactions: readonly SignedTransaction[]): Promise<number> {
  const start = performance.now();
  const block = await executor.open(state, ENV, noHashes);
  for (const transaction of transactions) {
    const outcome = await block.apply(transaction);
    if (outcome.kind !== "included" || !outcome.receipt.status) throw new Error("a transaction fails");
  }
  await block.finish();
  return (transactions.length / (performance.now() - start)) * 1000;
}

const common = new Common({
  chain: { ...Mainnet, chainId: Number(CHAIN_ID) },
  hardfork: Hardfork.Prague,
});

async function runCompetitor(state: MemoryState, all: readonly SignedTransaction[]): Promise<number> {
  const transactions = all.slice(0, COUNT / COMPETITOR_SHARE);
  const stateManager = new SimpleStateManager({ common });
  for (const [at, account] of state.dump()) {
    const target = new LibraryAddress(bytesOf(at));
    await stateManager.putAccount(target, new Account(account.nonce, account.balance));
    if (account.code.length > 0) await stateManager.putCode(target, account.code);
    for (const [slot, value] of account.storage) await stateManager.putStorage(target, bytesOf(slot), value);
  }
  const vm = await createVM({ common, stateManager });
  const block = createBlock(
    { header: { gasLimit: ENV.gasLimit, baseFeePerGas: ENV.baseFeePerGas, number: 1n, timestamp: 1000n } },
    { common },
  );
  const decoded = transactions.map(({ raw }) => createTxFromRLP(raw, { common }));
  for (const tx of decoded) tx.getSenderAddress();
  const start = performance.now();
  for (const tx of decoded) {
    const result = await runTx(vm, { tx, block });
    if (result.execResult.exceptionError !== undefined)
      throw new Error("a transaction fails in the competitor");
  }
  return (transactions.length / (performance.now() - start)) * 1000;
}

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

async function compare(
  name: string,
  state: MemoryState,
  transactions: readonly SignedTransaction[],
): Promise<void> {
  const ours: number[] = [];
  const theirs: number[] = [];
  await runKora(state, transactions);
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await runKora(state, transactions));
    theirs.push(await runCompetitor(state, transactions));
  }
  const [fast, slow] = [median(ours), median(theirs)];
  const ratio = (fast / slow).toFixed(1);
  console.log(
    `${name}: Kora ${Math.round(fast)}/s, ethereumjs ${Math.round(slow)}/s, ratio ${ratio} (median of ${ROUNDS})`,
  );
}

const transfers = batch((to) => ({ to, value: 1n, data: EMPTY_BYTES, gasLimit: 21_000n }));
await compare(
  `transfers, blocks of ${COUNT}`,
  memoryState(senders.map(({ address }) => [address, rich])),
  transfers,
);
const { state, token } = await tokenState();
const payments = batch((to, index) => ({
  to: token,
  value: 0n,
  data: transferData(to, BigInt(index + 1)),
  gasLimit: 100_000n,
}));
await compare(`ERC-20 transfers, blocks of ${COUNT}`, state, payments);
