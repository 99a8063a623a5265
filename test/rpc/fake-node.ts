// A node of plain maps behind the RPC ports: blocks with transactions of every type, a state, a pool, and calls that
// answer what the test says. What the handlers do with them is what is tested.

import type { LocatedLog } from "#chain/history.ts";
import { overlayReader } from "#chain/overlay.ts";
import { headerHash, recoverSender } from "#crypto/digest.ts";
import { keccak256, keccakHash } from "#crypto/hash.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import type { CallResult } from "#execution/types.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { longCallTask } from "#rpc/call-task.ts";
import { foundLogs } from "#rpc/log-query.ts";
import type { CallsPort, ChainPort, FinalizedBlock, PoolPort, RpcPorts } from "#rpc/ports.ts";
import type { StateChanges } from "#types/account.ts";
import type { Block } from "#types/block.ts";
import { type Header, ZERO_NONCE } from "#types/header.ts";
import {
  type Address,
  address,
  EMPTY_OMMERS_HASH,
  EMPTY_REQUESTS_HASH,
  EMPTY_TRIE_ROOT,
  type Hash,
  hash,
  height,
  ZERO_ADDRESS,
  ZERO_HASH,
} from "#types/ids.ts";
import type { Receipt } from "#types/receipt.ts";
import {
  encodeTransaction,
  type SignedTransaction,
  signingPayload,
  type Transaction,
} from "#types/transaction.ts";
import { memoryState } from "../support/memory-state.ts";

export const SECRET: Uint8Array = new Uint8Array(32).fill(1);
export const SENDER: Address = secretToAddress(SECRET);
export const TOKEN: Address = address(`0x${"70".repeat(20)}`);
export const TOPIC: Hash = hash(`0x${"aa".repeat(32)}`);
const SLOT = hash(`0x${"00".repeat(31)}07`);
const CHAIN_ID = 1337n;
const UNSIGNED = { yParity: 0, r: 0n, s: 0n };

/** Signs with SECRET. */
export function signed(tx: Transaction): SignedTransaction {
  const whole = { ...tx, signature: signDigest(keccak256(signingPayload(tx)), SECRET) } as Transaction;
  const raw = encodeTransaction(whole);
  return { tx: whole, raw, hash: keccakHash(raw), sender: recoverSender(whole) ?? ZERO_ADDRESS };
}

/** One transaction of each type, with nonces from `nonce` on. */
export function oneOfEach(nonce: bigint): SignedTransaction[] {
  const common = {
    gasLimit: 100_000n,
    to: TOKEN,
    value: 5n,
    data: Uint8Array.of(1, 2, 3),
    signature: UNSIGNED,
  };
  const accessList = [{ address: TOKEN, storageKeys: [SLOT] }];
  const typed = { ...common, chainId: CHAIN_ID, accessList };
  const fees = { maxFeePerGas: 20_000_000_000n, maxPriorityFeePerGas: 2_000_000_000n };
  const tuple = { chainId: CHAIN_ID, address: TOKEN, nonce: 0n, yParity: 1n, r: 5n, s: 6n };
  const gasPrice = 11_000_000_000n;
  const blob = hash(`0x01${"0b".repeat(31)}`);
  return [
    signed({ ...common, type: 0, chainId: CHAIN_ID, nonce, gasPrice }),
    signed({ ...common, type: 0, chainId: undefined, to: undefined, nonce: nonce + 1n, gasPrice }),
    signed({ ...typed, type: 1, nonce: nonce + 2n, gasPrice }),
    signed({ ...typed, type: 2, to: undefined, nonce: nonce + 3n, ...fees }),
    signed({
      ...typed,
      type: 3,
      nonce: nonce + 4n,
      ...fees,
      maxFeePerBlobGas: 9n,
      blobVersionedHashes: [blob],
    }),
    signed({ ...typed, type: 4, nonce: nonce + 5n, ...fees, authorizationList: [tuple] }),
  ];
}

function receiptsOf(transactions: readonly SignedTransaction[]): Receipt[] {
  return transactions.map(({ tx }, index) => ({
    type: tx.type,
    status: index !== 1,
    cumulativeGasUsed: 50_000n * BigInt(index + 1),
    logsBloom: new Uint8Array(256),
    logs: index % 2 === 0 ? [{ address: TOKEN, topics: [TOPIC, SLOT], data: Uint8Array.of(index) }] : [],
    gasUsed: 50_000n,
    effectiveGasPrice: 11_000_000_000n,
    ...(tx.to === undefined && { contractAddress: TOKEN }),
    ...(tx.type === 3 && { blobGasUsed: 131_072n, blobGasPrice: 1n }),
  }));
}

function headerAt(number: number, parentHash: Hash, transactions: readonly SignedTransaction[]): Header {
  return {
    parentHash,
    ommersHash: EMPTY_OMMERS_HASH,
    coinbase: ZERO_ADDRESS,
    stateRoot: ZERO_HASH,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    logsBloom: new Uint8Array(256),
    difficulty: 0n,
    number: height(number),
    gasLimit: 30_000_000n,
    gasUsed: 50_000n * BigInt(transactions.length),
    timestamp: 1_700_000_000 + number,
    extraData: EMPTY_BYTES,
    mixHash: ZERO_HASH,
    nonce: ZERO_NONCE,
    baseFeePerGas: 1_000_000_000n,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
    blobGasUsed: 0n,
    excessBlobGas: 0n,
    parentBeaconBlockRoot: ZERO_HASH,
    requestsHash: EMPTY_REQUESTS_HASH,
  };
}

/** A call that returned `output`. */
export function succeeded(output: Uint8Array): Extract<CallResult, { status: "success" | "revert" }> {
  return { status: "success", output, gasUsed: 1n, gasRefunded: 0n, logs: [] };
}

export interface FakeNode {
  readonly ports: RpcPorts;
  readonly blocks: readonly Block[];
  /** Finalizes a block with these transactions. */
  mine(transactions: readonly SignedTransaction[]): Block;
  /** Puts a transaction into the pool. */
  wait(transaction: SignedTransaction): void;
  /** Takes a transaction out of the pool. */
  drop(hash: Hash): void;
  /** Unexpected errors that were reported. */
  readonly reported: readonly unknown[];
  /** Listeners that are attached. */
  listeners(): number;
  syncing: boolean;
  /** What the pending block changes. */
  above: StateChanges | undefined;
  calls: Omit<CallsPort, "long">;
}

const refused = async (): Promise<never> => {
  throw new KoraError("the test did not say what calls answer", { code: "UNEXPECTED" });
};

export function fakeNode(dev: RpcPorts["dev"] = undefined): FakeNode {
  const blocks: Block[] = [];
  const receipts: Receipt[][] = [];
  const waiting = new Map<Hash, SignedTransaction>();
  const blockListeners = new Set<(finalized: FinalizedBlock) => void>();
  const poolListeners = new Set<(transaction: SignedTransaction) => void>();
  const code = Uint8Array.of(0x60, 0x00);
  const state = memoryState([
    [SENDER, { nonce: 6n, balance: 10n ** 18n, code: new Uint8Array(0), storage: new Map() }],
    [TOKEN, { nonce: 1n, balance: 0n, code, storage: new Map([[SLOT, Uint8Array.of(0x2a)]]) }],
  ]);
  const reported: unknown[] = [];
  const head = (): Block => blocks[blocks.length - 1] as Block;

  const logsAt = (at: number): LocatedLog[] => {
    const block = blocks[at] as Block;
    const found: LocatedLog[] = [];
    block.transactions.forEach((transaction, transactionIndex) => {
      for (const log of receipts[at]?.[transactionIndex]?.logs ?? []) {
        const where = { hash: block.hash, height: block.header.number, timestamp: block.header.timestamp };
        const logIndex = found.length;
        found.push({ log, block: where, transactionHash: transaction.hash, transactionIndex, logIndex });
      }
    });
    return found;
  };

  const logs: ChainPort["logs"] = (query) => {
    const found: LocatedLog[] = [];
    for (let at = query.from as number; at <= query.to; at++) found.push(...logsAt(at));
    const fits = ({ log }: LocatedLog): boolean =>
      (query.addresses.length === 0 || query.addresses.includes(log.address)) &&
      query.topics.every((any, i) => any.length === 0 || any.includes(log.topics[i] as Hash));
    return found.filter(fits).slice(0, query.limit + 1);
  };
  const node: FakeNode = {
    blocks,
    reported,
    syncing: false,
    above: undefined,
    calls: {
      call: refused,
      estimateGas: refused,
      createAccessList: refused,
      logs: async (query) => foundLogs(query, logs(query)),
    },
    listeners: () => blockListeners.size + poolListeners.size,
    mine(transactions) {
      const parent = blocks.length === 0 ? ZERO_HASH : head().hash;
      const header = headerAt(blocks.length, parent, transactions);
      const block = { header, hash: headerHash(header), transactions };
      blocks.push(block);
      receipts.push(receiptsOf(transactions));
      for (const { hash } of transactions) waiting.delete(hash);
      for (const listen of blockListeners) listen({ block, receipts: receipts[blocks.length - 1] ?? [] });
      return block;
    },
    wait(transaction) {
      waiting.set(transaction.hash, transaction);
      for (const listen of poolListeners) listen(transaction);
    },
    drop: (hash) => void waiting.delete(hash),
    get ports() {
      return ports;
    },
  };
  const listener =
    <T>(set: Set<T>) =>
    (listen: T): (() => void) => {
      set.add(listen);
      return () => set.delete(listen);
    };
  const chain: ChainPort = {
    head,
    block: (at) => blocks[at],
    hashAt: (at) => blocks[at]?.hash,
    heightOf: (wanted) => blocks.find((block) => block.hash === wanted)?.header.number,
    receipts: (at) => receipts[at],
    receipt: (at, index) => receipts[at]?.[index],
    transaction(wanted) {
      for (const block of blocks) {
        const index = block.transactions.findIndex((transaction) => transaction.hash === wanted);
        if (index >= 0) return { height: block.header.number, index };
      }
      return undefined;
    },
    transactionBySender: (sender, nonce) =>
      blocks
        .flatMap((block) => block.transactions)
        .find((transaction) => transaction.sender === sender && transaction.tx.nonce === nonce)?.hash,
    logs,
    certificate: (at) => (at === 0 ? undefined : Uint8Array.of(at)),
    oldestState: () => height(0),
    blobBaseFee: () => 1n,
    maxBlobGas: () => 786_432n,
    nextHeader: (parent = head().header) => headerAt(parent.number + 1, headerHash(parent), []),
    async pending() {
      const transactions = [...waiting.values()];
      const header = headerAt(blocks.length, head().hash, transactions);
      const receipts = receiptsOf(transactions);
      const { base } = chain.view("latest");
      return {
        header,
        transactions,
        receipts,
        ancestors: [],
        view: { header, hash: ZERO_HASH, base, overlay: node.above, above: [] },
      };
    },
    stateOf: ({ overlay }) => (overlay === undefined ? state : overlayReader(state, overlay)),
    sendingView: async () => (await chain.pending()).view,
    state(at) {
      if (at === 1) {
        throw new KoraError("state of block 1 is pruned, the oldest held is 2", { code: "STATE_PRUNED" });
      }
      return state;
    },
    view: (at) => {
      const block = typeof at === "number" ? (blocks[at] as Block) : head();
      const { header, hash } = block;
      return { header, hash, base: header.number, overlay: undefined, above: [] };
    },
    proof: (address, slots, at) => ({ address, slots, height: at }),
    onFinalized: listener(blockListeners),
  };
  const pool: PoolPort = {
    async submit(raw) {
      if (raw.length < 10)
        return { kind: "rejected", message: "rlp: value size exceeds available input length" };
      return { kind: "accepted", hash: keccakHash(raw) };
    },
    get: (wanted) => waiting.get(wanted),
    nextNonce: () => 6n + BigInt(waiting.size),
    content: () => ({
      pending: waiting.size === 0 ? new Map() : new Map([[SENDER, [...waiting.values()]]]),
      queued: new Map(),
    }),
    contentFrom: (sender) => ({ pending: sender === SENDER ? [...waiting.values()] : [], queued: [] }),
    status: () => ({
      pending: waiting.size,
      queued: 0,
      bytes: [...waiting.values()].reduce((sum, { raw }) => sum + raw.length, 0),
    }),
    onPending: listener(poolListeners),
  };
  const ports: RpcPorts = {
    identity: { clientVersion: "anvil/kora-v0.1.0", chainId: CHAIN_ID },
    status: {
      nodeStatus: () => ({
        currentView: 3,
        leader: undefined,
        isLeader: true,
        epoch: 0,
        finalizedHeight: head().header.number,
        finalizedCount: 2,
        nullifiedCount: 0,
        proposedCount: 2,
        peerCount: 0,
        uptime: 5,
      }),
      syncing: () =>
        node.syncing
          ? { startingBlock: height(0), currentBlock: height(1), highestBlock: height(9) }
          : undefined,
    },
    peers: { count: () => 3, listening: () => true },
    pool,
    chain,
    calls: {
      call: (task) => node.calls.call(task),
      estimateGas: (task) => node.calls.estimateGas(task),
      createAccessList: (task) => node.calls.createAccessList(task),
      logs: (query) => node.calls.logs(query),
      long: {
        call: async (long) => node.calls.call(longCallTask(long)),
        estimateGas: async (long) => node.calls.estimateGas(longCallTask(long)),
        createAccessList: async (long) => node.calls.createAccessList(longCallTask(long)),
      },
    },
    dev,
    report: (error) => reported.push(error),
  };
  node.mine([]);
  node.mine([]);
  node.mine(oneOfEach(0n));
  return node;
}
