// Random and mutated JSON-RPC messages from a seed: well-formed calls of every method, calls with one thing wrong,
// batches, broken JSON and bytes that are nothing at all.
import { createRng, type Rng } from "../support/rng.ts";

/** What is known of the chain that is fuzzed, so that some requests hit. */
export interface Known {
  readonly addresses: readonly string[];
  readonly hashes: readonly string[];
}

type Make = (rng: Rng, known: Known) => unknown;

const hex = (rng: Rng, bytes: number): string => `0x${rng.bytes(bytes).toHex()}`;
const small: Make = (rng) => `0x${rng.below(64).toString(16)}`;
const address: Make = (rng, known) => (rng.chance(0.8) ? rng.pick(known.addresses) : hex(rng, 20));
const hash: Make = (rng, known) => (rng.chance(0.7) ? rng.pick(known.hashes) : hex(rng, 32));
const block: Make = (rng, known) => {
  if (rng.chance(0.6)) return rng.pick(["latest", "earliest", "pending", "safe", "finalized"]);
  if (rng.chance(0.7)) return small(rng, known);
  return rng.chance(0.5) ? { blockHash: hash(rng, known) } : { blockNumber: small(rng, known) };
};
const flag: Make = (rng) => rng.chance(0.5);
const bytes: Make = (rng) => hex(rng, rng.below(100));
const word: Make = (rng) => hex(rng, 32);
const amount: Make = (rng) => `0x${(BigInt(rng.u32()) << BigInt(rng.below(64))).toString(16)}`;

/** Opcodes that make short random programs do something: arithmetic, memory, storage, jumps, calls, logs, returns. */
const PROGRAM = [
  0x00, 0x01, 0x02, 0x0a, 0x20, 0x30, 0x31, 0x3b, 0x40, 0x50, 0x51, 0x52, 0x54, 0x55, 0x56, 0x57, 0x5b,
];
const CALLS = [
  0x5f, 0x60, 0x61, 0x80, 0x81, 0x90, 0xa0, 0xa1, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xfa, 0xfd, 0xfe, 0xff,
];
const program: Make = (rng) => {
  const code = Uint8Array.from({ length: 1 + rng.below(60) }, () =>
    rng.pick([...PROGRAM, ...CALLS, rng.below(256)]),
  );
  return `0x${code.toHex()}`;
};

const call: Make = (rng, known) => ({
  from: address(rng, known),
  ...(rng.chance(0.8) && { to: address(rng, known) }),
  ...(rng.chance(0.6) && {
    [rng.chance(0.5) ? "data" : "input"]: rng.chance(0.5) ? bytes(rng, known) : program(rng, known),
  }),
  ...(rng.chance(0.3) && { value: amount(rng, known) }),
  ...(rng.chance(0.3) && { gas: `0x${rng.below(1_000_000).toString(16)}` }),
  ...(rng.chance(0.1) && { gasPrice: amount(rng, known) }),
  ...(rng.chance(0.1) && { maxFeePerGas: amount(rng, known), maxPriorityFeePerGas: small(rng, known) }),
  ...(rng.chance(0.1) && { accessList: [{ address: address(rng, known), storageKeys: [word(rng, known)] }] }),
});
const overrides: Make = (rng, known) => ({
  [address(rng, known) as string]: {
    ...(rng.chance(0.5) && { code: program(rng, known) }),
    ...(rng.chance(0.5) && { balance: amount(rng, known) }),
    ...(rng.chance(0.3) && { nonce: small(rng, known) }),
    ...(rng.chance(0.3) && { stateDiff: { [word(rng, known) as string]: word(rng, known) } }),
  },
});
const blockFields: Make = (rng, known) => ({ number: small(rng, known), time: amount(rng, known) });
const logs: Make = (rng, known) => ({
  ...(rng.chance(0.7) && { fromBlock: block(rng, known) }),
  ...(rng.chance(0.7) && { toBlock: block(rng, known) }),
  ...(rng.chance(0.5) && {
    address: rng.chance(0.5) ? address(rng, known) : [address(rng, known), address(rng, known)],
  }),
  ...(rng.chance(0.5) && { topics: [null, [hash(rng, known)], hash(rng, known)].slice(rng.below(3)) }),
  ...(rng.chance(0.1) && { blockHash: hash(rng, known) }),
});

/** Methods with what makes their parameters. */
const METHODS: readonly (readonly [method: string, ...parameters: Make[]])[] = [
  ["eth_accounts"],
  ["eth_baseFee"],
  ["eth_blobBaseFee"],
  ["eth_blockNumber"],
  ["eth_call", call, block],
  ["eth_call", call, block, overrides],
  ["eth_call", call, block, overrides, blockFields],
  ["eth_capabilities"],
  ["eth_chainId"],
  ["eth_coinbase"],
  ["eth_createAccessList", call, block],
  ["eth_estimateGas", call, block],
  ["eth_estimateGas", call, block, overrides],
  ["eth_feeHistory", small, block, () => [10, 50]],
  ["eth_fillTransaction", call],
  ["eth_gasPrice"],
  ["eth_getAccount", address, block],
  ["eth_getAccountInfo", address, block],
  ["eth_getBalance", address, block],
  ["eth_getBlockByHash", hash, flag],
  ["eth_getBlockByNumber", block, flag],
  ["eth_getBlockReceipts", block],
  ["eth_getBlockTransactionCountByHash", hash],
  ["eth_getBlockTransactionCountByNumber", block],
  ["eth_getCode", address, block],
  ["eth_getFilterChanges", small],
  ["eth_getFilterLogs", small],
  ["eth_getHeaderByHash", hash],
  ["eth_getHeaderByNumber", block],
  ["eth_getLogs", logs],
  ["eth_getProof", address, () => [], block],
  ["eth_getRawTransactionByHash", hash],
  ["eth_getStorageAt", address, word, block],
  ["eth_getStorageValues", (rng, known) => ({ [address(rng, known) as string]: [word(rng, known)] }), block],
  ["eth_getTransactionByBlockHashAndIndex", hash, small],
  ["eth_getTransactionByBlockNumberAndIndex", block, small],
  ["eth_getTransactionByHash", hash],
  ["eth_getTransactionBySenderAndNonce", address, small],
  ["eth_getTransactionCount", address, block],
  ["eth_getTransactionReceipt", hash],
  ["eth_getUncleCountByBlockNumber", block],
  ["eth_maxPriorityFeePerGas"],
  ["eth_newBlockFilter"],
  ["eth_newFilter", logs],
  ["eth_newPendingTransactionFilter"],
  ["eth_sendRawTransaction", bytes],
  ["eth_sendTransaction", call],
  ["eth_sign", address, bytes],
  ["eth_subscribe", () => "newHeads"],
  ["eth_syncing"],
  ["eth_uninstallFilter", small],
  ["kora_getFinalization", block],
  ["kora_getEvidence", block],
  ["kora_getProof", address, () => [], block],
  ["kora_nodeStatus"],
  ["net_listening"],
  ["net_peerCount"],
  ["net_version"],
  ["personal_sign", bytes, address],
  ["rpc_modules"],
  ["txpool_content"],
  ["txpool_contentFrom", address],
  ["txpool_inspect"],
  ["txpool_status"],
  ["web3_clientVersion"],
  ["web3_sha3", bytes],
  ["anvil_nodeInfo"],
  ["hardhat_metadata"],
  ["evm_mine"],
];

/** Values that are wrong, or at an edge, wherever they stand. */
const STRANGE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  "",
  "0x",
  "0x0",
  "0x00",
  "0x01",
  "-0x1",
  "0X1",
  "0xg",
  "0x1",
  `0x${"f".repeat(16)}`,
  `0x${"f".repeat(17)}`,
  `0x${"f".repeat(64)}`,
  `0x${"f".repeat(65)}`,
  "latest",
  "\u0000",
  "\ud800",
  "💥",
  "x".repeat(1_000),
  [],
  {},
  [[[[]]]],
  { toString: null },
  { blockHash: null, blockNumber: null },
  { length: 1e9 },
];

/** `value` with one part of it replaced, removed, doubled or wrapped. */
function mutate(rng: Rng, value: unknown): unknown {
  if (typeof value === "object" && value !== null && rng.chance(0.7)) {
    const copy = structuredClone(value) as Record<string, unknown>;
    const keys = Object.keys(copy);
    const key = keys.length === 0 ? "0" : rng.pick(keys);
    if (rng.chance(0.2)) delete copy[key];
    else copy[key] = mutate(rng, copy[key]);
    return copy;
  }
  if (typeof value === "string" && value.length > 0 && rng.chance(0.4)) {
    const at = rng.below(value.length);
    const cut = rng.chance(0.5) ? 1 : 0;
    return value.slice(0, at) + rng.pick(["", "0", "z", "\u0000", "-", "ff"]) + value.slice(at + cut);
  }
  return rng.chance(0.1) ? [value, value] : rng.pick(STRANGE);
}

function request(rng: Rng, known: Known): { readonly params: readonly unknown[] } {
  const [method, ...parameters] = rng.pick(METHODS);
  const params = parameters.map((make) => make(rng, known));
  return { jsonrpc: "2.0", id: rng.u32(), method, params } as { readonly params: readonly unknown[] };
}

/** Flips, drops, repeats or inserts a few characters. */
function damage(rng: Rng, text: string): string {
  let damaged = text;
  for (let i = 0; i <= rng.below(3); i++) {
    const at = rng.below(damaged.length + 1);
    const insert = rng.pick(["", "{", "}", "[", "]", '"', ",", ":", "\\", "0", "e9", "\u0000", "\ud800"]);
    damaged = damaged.slice(0, at) + insert + damaged.slice(at + rng.below(3));
  }
  return damaged;
}

function message(rng: Rng, known: Known): string {
  const kind = rng.unit();
  if (kind < 0.3) return JSON.stringify(request(rng, known));
  if (kind < 0.7) {
    const sound = request(rng, known);
    return JSON.stringify({ ...sound, params: mutate(rng, sound.params) });
  }
  if (kind < 0.75) return JSON.stringify(mutate(rng, request(rng, known)));
  if (kind < 0.85) return damage(rng, JSON.stringify(request(rng, known)));
  if (kind < 0.93) {
    const batch = Array.from({ length: rng.below(20) }, () => request(rng, known));
    return JSON.stringify(rng.chance(0.5) ? batch : mutate(rng, batch));
  }
  if (kind < 0.95) return rng.pick(["[", "{"]).repeat(1 + rng.below(2_000));
  return new TextDecoder().decode(rng.bytes(rng.below(200)));
}

/** Messages without end; the same for the same seed and what is known. */
export function createMessages(seed: number, known: Known): () => string {
  const rng = createRng(seed);
  return () => message(rng, known);
}
