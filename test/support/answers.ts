// What two nodes of one chain say when they are asked the same: every read method that clients depend on, at one height.
import { ask } from "./network.ts";

interface Asked {
  readonly url: string;
  readonly wsUrl: string;
}

/** Something to ask about: a contract, and the transaction that created it and logged one entry. */
export interface Subjects {
  readonly contract: string;
  readonly creation: string;
}

interface Place {
  readonly blockNumber: string;
  readonly blockHash: string;
  readonly transactionIndex: string;
  readonly from: string;
}

/** Calls whose answers depend on nothing but the chain up to the block of `place`. */
function callsAt({ contract, creation }: Subjects, place: Place): [method: string, ...params: unknown[]][] {
  const { blockNumber: at, blockHash, transactionIndex, from } = place;
  const call = { from, to: contract };
  const logs = { address: contract, fromBlock: "0x0", toBlock: at };
  return [
    ["eth_chainId"],
    ["net_version"],
    ["web3_clientVersion"],
    ["web3_sha3", "0x00"],
    ["eth_accounts"],
    ["eth_requestAccounts"],
    ["eth_syncing"],
    ["eth_blobBaseFee"],
    ["eth_call", call, at],
    ["eth_call", call, { blockHash }],
    ["eth_createAccessList", call, at],
    ["eth_estimateGas", call, at],
    ["eth_feeHistory", "0x4", at, [10, 50]],
    ["eth_getBalance", from, at],
    ["eth_getCode", contract, at],
    ["eth_getStorageAt", contract, "0x0", at],
    ["eth_getTransactionCount", from, at],
    ["eth_getBlockByHash", blockHash, true],
    ["eth_getBlockByNumber", at, true],
    ["eth_getBlockByNumber", "earliest", false],
    ["eth_getBlockReceipts", at],
    ["eth_getBlockTransactionCountByHash", blockHash],
    ["eth_getBlockTransactionCountByNumber", at],
    ["eth_getLogs", logs],
    ["eth_getTransactionByBlockHashAndIndex", blockHash, transactionIndex],
    ["eth_getTransactionByBlockNumberAndIndex", at, transactionIndex],
    ["eth_getTransactionByHash", creation],
    ["eth_getTransactionReceipt", creation],
    ["eth_getProof", contract, [], at],
  ];
}

/** Calls that ask about now: they have to be answered, whatever the answer. */
const CALLS_NOW: readonly [method: string, ...params: unknown[]][] = [
  ["eth_blockNumber"],
  ["eth_gasPrice"],
  ["eth_maxPriorityFeePerGas"],
  ["net_listening"],
  ["net_peerCount"],
  ["kora_nodeStatus"],
  ["txpool_status"],
  ["eth_getBlockByNumber", "latest", false],
  ["eth_getBlockByNumber", "pending", false],
];

/** The answer, or what the error says: two nodes refuse alike, too. */
async function answerOf(node: Asked, method: string, params: readonly unknown[]): Promise<string> {
  return await ask(node, method, ...params).then(
    (result) => JSON.stringify(result),
    (error: Error) => error.message,
  );
}

async function filtered(node: Asked, { contract }: Subjects, { blockNumber }: Place): Promise<unknown> {
  const range = { address: contract, fromBlock: "0x0", toBlock: blockNumber };
  const logs = await ask<string>(node, "eth_newFilter", range);
  const blocks = await ask<string>(node, "eth_newBlockFilter");
  const pending = await ask<string>(node, "eth_newPendingTransactionFilter");
  const found = await ask(node, "eth_getFilterLogs", logs);
  for (const filter of [logs, blocks, pending]) await ask(node, "eth_getFilterChanges", filter);
  const removed: boolean[] = [];
  for (const filter of [logs, blocks, pending]) removed.push(await ask(node, "eth_uninstallFilter", filter));
  return [found, removed];
}

/** The first head that a subscription brings, then the answer to its end. */
async function subscribed({ wsUrl }: Asked): Promise<{ readonly number: string; readonly hash: string }> {
  const socket = new WebSocket(wsUrl);
  const { promise, resolve, reject } = Promise.withResolvers<{ number: string; hash: string }>();
  const call = (id: number, method: string, params: unknown[]): void =>
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  let head: { number: string; hash: string } | undefined;
  socket.onopen = () => call(1, "eth_subscribe", ["newHeads"]);
  socket.onerror = () => reject(new Error(`no WebSocket at ${wsUrl}`));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data));
    if (message.method === "eth_subscription" && head === undefined) {
      head = message.params.result;
      call(2, "eth_unsubscribe", [message.params.subscription]);
    }
    if (message.id === 2 && head !== undefined) {
      if (message.result === true) resolve(head);
      else reject(new Error("a subscription did not end"));
    }
  };
  try {
    return await promise;
  } finally {
    socket.close();
  }
}

function differ(what: string, here: string, there: string): Error {
  return new Error(`${what}: ${here.slice(0, 300)} here, ${there.slice(0, 300)} there`);
}

/** Throws unless both nodes answer alike; the contract's transaction must be final on both. */
export async function checkSameAnswers(here: Asked, there: Asked, subjects: Subjects): Promise<void> {
  const place = await ask<Place>(here, "eth_getTransactionByHash", subjects.creation);
  for (const [method, ...params] of callsAt(subjects, place)) {
    const [first, second] = [await answerOf(here, method, params), await answerOf(there, method, params)];
    if (first !== second) throw differ(`${method}(${JSON.stringify(params)})`, first, second);
  }
  const request = { from: place.from, to: subjects.contract };
  for (const node of [here, there]) {
    for (const [method, ...params] of CALLS_NOW) await ask(node, method, ...params);
    await ask(node, "eth_fillTransaction", request);
  }
  const [logs, others] = [await filtered(here, subjects, place), await filtered(there, subjects, place)];
  if (JSON.stringify(logs) !== JSON.stringify(others))
    throw differ("filters", JSON.stringify(logs), JSON.stringify(others));
  const head = await subscribed(there);
  const same = await ask<{ hash: string } | null>(here, "eth_getBlockByNumber", head.number, false);
  if (same?.hash !== head.hash) throw differ("a new head", String(same?.hash), head.hash);
}
