// Prepares a chain for a load run: reads its prices, funds the senders, deploys what the kind of load needs.

import type { RpcClient } from "#cli/rpc-client.ts";
import { fromHex, type Hex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, address } from "#types/ids.ts";
import { type Fees, type Operation, type Sender, type Signed, signOperation } from "./accounts.ts";
import { addLiquidity, approve, pairCreation, swap, tokenCreation, tokenTransfer } from "./contracts.ts";
import { firstOffer, openPrices, type Prices } from "./prices.ts";

export type LoadKind = "transfer" | "erc20" | "swap";

export interface Plan {
  readonly prices: Prices;
  /** Whether a transaction of this load that is included cannot have failed. */
  readonly certain: boolean;
  /** The operation that `sender` (its index) sends as the run's `index`th. */
  readonly operation: (sender: number, index: number) => Operation;
}

const TRANSFER_GAS = 21_000n;
const TOKEN_GAS = 80_000n;
const SWAP_GAS = 220_000n;
const DEPLOY_GAS = 1_500_000n;
/** Setup transactions that a sender makes itself, at most. */
const OWN_SETUP = 2n;
const SUPPLY = 10n ** 30n;
const TOKENS_EACH = 10n ** 24n;
const LIQUIDITY = 10n ** 27n;
const SWAP_AMOUNT = 1_000_000n;
const UNLIMITED = 2n ** 256n - 1n;
const BATCH = 100;
const POLL_MS = 50;
/** A chain that includes nothing for so long is given up. */
const STALL_MS = 60_000;

const GAS: Record<LoadKind, bigint> = { transfer: TRANSFER_GAS, erc20: TOKEN_GAS, swap: SWAP_GAS };

interface Receipt {
  readonly status: Hex;
  readonly contractAddress: Hex | null;
}

const chunks = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(items.length / BATCH) }, (_, at) =>
    items.slice(at * BATCH, (at + 1) * BATCH),
  );

function failed(why: string): KoraError {
  return new KoraError("preparing the load failed", {
    code: "LOAD_SETUP",
    why,
    hint: "start it again; kora status shows how the node is",
  });
}

function stalled(client: RpcClient, open: number): KoraError {
  return new KoraError("the chain includes nothing", {
    code: "LOAD_STALLED",
    why: `${open} transactions that prepare the load have waited for ${STALL_MS / 1_000} s`,
    hint: `does it make blocks? kora status --rpc-url ${client.url}`,
  });
}

const inEther = (wei: bigint): string => `${Number((Number(wei) / 1e18).toPrecision(4))} ETH`;

function tooPoor(payer: Sender, held: bigint, cost: bigint): KoraError {
  return new KoraError(`${payer.address} cannot pay for this load`, {
    code: "LOAD_FUNDS",
    why: `it holds ${inEther(held)} on this chain, and the load may cost it ${inEther(cost)}`,
    hint: "fund it, name another with --funder-key FILE, or send less: --total-txs, --accounts",
  });
}

/** Sends `signed` and waits for every receipt; throws if one is refused or fails. */
async function settle(client: RpcClient, signed: readonly Signed[], signal: AbortSignal): Promise<Receipt[]> {
  for (const chunk of chunks(signed)) {
    const calls = chunk.map(({ raw }) => ({ method: "eth_sendRawTransaction", params: [raw] }));
    for (const answer of await client.batch(calls)) {
      if ("error" in answer && !/already known/.test(answer.error.message))
        throw failed(answer.error.message);
    }
  }
  const receipts: Receipt[] = [];
  for (const chunk of chunks(signed)) {
    let open = chunk;
    let progressed = performance.now();
    const found = new Map<string, Receipt>();
    while (open.length > 0) {
      signal.throwIfAborted();
      const calls = open.map(({ hash }) => ({ method: "eth_getTransactionReceipt", params: [hash] }));
      const answers = await client.batch(calls);
      for (const [at, answer] of answers.entries()) {
        const receipt = "result" in answer ? (answer.result as Receipt | null) : null;
        if (receipt !== null) found.set((open[at] as Signed).hash, receipt);
      }
      const left = open.filter(({ hash }) => !found.has(hash));
      if (left.length < open.length) progressed = performance.now();
      open = left;
      if (performance.now() - progressed > STALL_MS) throw stalled(client, open.length);
      if (open.length > 0) await Bun.sleep(POLL_MS);
    }
    receipts.push(...chunk.map(({ hash }) => found.get(hash) as Receipt));
  }
  if (receipts.some(({ status }) => status !== "0x1")) throw failed("a preparing transaction was reverted");
  return receipts;
}

async function readNonces(client: RpcClient, senders: readonly Sender[]): Promise<void> {
  for (const chunk of chunks(senders)) {
    const calls = chunk.map((sender) => ({
      method: "eth_getTransactionCount",
      params: [sender.address, "pending"],
    }));
    for (const [at, answer] of (await client.batch(calls)).entries()) {
      if ("error" in answer) throw failed(answer.error.message);
      (chunk[at] as Sender).nonce = BigInt(answer.result as Hex);
    }
  }
}

interface Stage {
  readonly client: RpcClient;
  readonly payer: Sender;
  readonly senders: readonly Sender[];
  readonly fees: Fees;
  readonly signal: AbortSignal;
}

/** Gas that the paying account spends on preparing a kind of load, the funding of the senders included. */
function preparingGas(kind: LoadKind, senders: bigint): bigint {
  const token = DEPLOY_GAS + senders * TOKEN_GAS;
  const funding = senders * TRANSFER_GAS;
  if (kind === "transfer") return funding;
  if (kind === "erc20") return funding + token;
  return funding + 2n * token + DEPLOY_GAS + OWN_SETUP * TOKEN_GAS + SWAP_GAS;
}

/** What each sender should hold, wei: `least` covers its part at the first offer, `most` all that it may ever cost. */
interface Need {
  readonly least: bigint;
  readonly most: bigint;
}

async function balancesOf({ client, senders }: Stage): Promise<bigint[]> {
  const balances: bigint[] = [];
  for (const chunk of chunks(senders)) {
    const calls = chunk.map(({ address }) => ({ method: "eth_getBalance", params: [address, "latest"] }));
    for (const answer of await client.batch(calls))
      balances.push("result" in answer ? BigInt(answer.result as Hex) : 0n);
  }
  return balances;
}

/**
 * Tops every sender up to the same amount and answers it: `most`, or what the payer can give beside everything else it
 * has to pay. Throws LOAD_FUNDS where that is below `least`.
 */
async function fund(stage: Stage, kind: LoadKind, { least, most }: Need): Promise<bigint> {
  const { client, payer, senders, fees, signal } = stage;
  const balances = await balancesOf(stage);
  const held = BigInt((await client.call("eth_getBalance", payer.address, "latest")) as Hex);
  const count = BigInt(senders.length);
  const preparing = preparingGas(kind, count) * fees.maxFeePerGas;
  const costOf = (each: bigint): bigint =>
    balances.reduce((sum, balance) => sum + (balance < each ? each - balance : 0n), preparing);
  const cost = costOf(least);
  if (held < cost) throw tooPoor(payer, held, cost);
  // Half of what is left stays: the next load may be of other senders.
  const each = held >= costOf(most) ? most : least + (held - cost) / (2n * count);
  const operations = senders.flatMap(({ address: to }, at): Operation[] => {
    const value = each - (balances[at] as bigint);
    return value > 0n ? [{ to, value, data: new Uint8Array(), gasLimit: TRANSFER_GAS }] : [];
  });
  await settle(
    client,
    operations.map((operation) => signOperation(payer, operation, fees)),
    signal,
  );
  return each;
}

const invoke = (to: Address | undefined, data: Uint8Array, gasLimit: bigint): Operation => ({
  to,
  value: 0n,
  data,
  gasLimit,
});

function createdBy(receipt: Receipt | undefined): Address {
  if (receipt?.contractAddress == null) throw failed("a deployment created no contract");
  return address(fromHex(receipt.contractAddress));
}

async function deployToken({ client, payer, senders, fees, signal }: Stage): Promise<Address> {
  const creation = signOperation(payer, invoke(undefined, tokenCreation(SUPPLY), DEPLOY_GAS), fees);
  const token = createdBy((await settle(client, [creation], signal))[0]);
  const gifts = senders.map(({ address }) =>
    signOperation(payer, invoke(token, tokenTransfer(address, TOKENS_EACH), TOKEN_GAS), fees),
  );
  await settle(client, gifts, signal);
  return token;
}

async function deployPair(stage: Stage): Promise<Address> {
  const { client, payer, senders, fees, signal } = stage;
  const tokens = [await deployToken(stage), await deployToken(stage)] as const;
  const creation = signOperation(payer, invoke(undefined, pairCreation(...tokens), DEPLOY_GAS), fees);
  const pair = createdBy((await settle(client, [creation], signal))[0]);
  const approvals = [payer, ...senders].flatMap((owner) =>
    tokens.map((token) => signOperation(owner, invoke(token, approve(pair, UNLIMITED), TOKEN_GAS), fees)),
  );
  await settle(client, approvals, signal);
  const liquidity = invoke(pair, addLiquidity(LIQUIDITY, LIQUIDITY), SWAP_GAS);
  await settle(client, [signOperation(payer, liquidity, fees)], signal);
  return pair;
}

/** Makes the chain ready for `total` operations of `kind` by `senders`, paid by `payer`. */
export async function prepare(
  client: RpcClient,
  kind: LoadKind,
  payer: Sender,
  senders: readonly Sender[],
  total: number,
  signal: AbortSignal,
): Promise<Plan> {
  const { fees, ceiling } = await firstOffer(client);
  await readNonces(client, [payer, ...senders]);
  const share = BigInt(Math.ceil(total / senders.length));
  const gasOf = (operations: bigint): bigint => operations * GAS[kind] + OWN_SETUP * TOKEN_GAS;
  // Senders take turns, but who waits for a block is passed over: one may send more than another.
  const most = 2n * share;
  const stage = { client, payer, senders, fees, signal };
  const funds = await fund(stage, kind, {
    least: gasOf(share) * fees.maxFeePerGas + share,
    most: gasOf(most) * ceiling + most,
  });
  const paid = (funds - most) / gasOf(most);
  const prices = openPrices(client, {
    fees,
    ceiling: paid > fees.maxFeePerGas ? paid : fees.maxFeePerGas,
  });
  const gasLimit = GAS[kind];
  const next = (sender: number): Address => (senders[(sender + 1) % senders.length] as Sender).address;
  if (kind === "transfer") {
    const data = new Uint8Array();
    const operation = (sender: number) => ({ to: next(sender), value: 1n, data, gasLimit });
    return { prices, certain: true, operation };
  }
  if (kind === "erc20") {
    const token = await deployToken(stage);
    const operation = (sender: number) => invoke(token, tokenTransfer(next(sender), 1n), gasLimit);
    return { prices, certain: false, operation };
  }
  const pair = await deployPair(stage);
  const operation = (_: number, index: number) => invoke(pair, swap(SWAP_AMOUNT, index % 2 === 0), gasLimit);
  return { prices, certain: false, operation };
}
