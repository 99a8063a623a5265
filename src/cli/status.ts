// kora status: the network as its nodes tell it, over their RPC. A live table on a terminal; once, or as JSON, for scripts.
import type { Hex } from "#lib/bytes.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { hasFlag, numberFlag, textFlag } from "./args.ts";
import type { CommandContext, CommandRun } from "./command.ts";
import { createRpcClient, type RpcAnswer, rpcAddress, rpcAddresses } from "./rpc-client.ts";

const DEFAULT_SECONDS = 1;

/** What one node says of itself; `error` alone when it says nothing. Fields a node does not serve are null. */
export interface NodeView {
  readonly url: string;
  readonly error: string | null;
  readonly version: string | null;
  readonly chainId: number | null;
  readonly height: number | null;
  readonly hash: string | null;
  readonly view: number | null;
  readonly leader: string | null;
  readonly isLeader: boolean | null;
  readonly peers: number | null;
  readonly pending: number | null;
  readonly queued: number | null;
  readonly syncing: boolean | null;
  readonly uptime: number | null;
}

const CALLS = [
  { method: "web3_clientVersion", params: [] },
  { method: "eth_chainId", params: [] },
  { method: "eth_getBlockByNumber", params: ["latest", false] },
  { method: "net_peerCount", params: [] },
  { method: "txpool_status", params: [] },
  { method: "eth_syncing", params: [] },
  { method: "kora_nodeStatus", params: [] },
] as const;

const SILENT: Omit<NodeView, "url" | "error"> = {
  version: null,
  chainId: null,
  height: null,
  hash: null,
  view: null,
  leader: null,
  isLeader: null,
  peers: null,
  pending: null,
  queued: null,
  syncing: null,
  uptime: null,
};

interface KoraStatus {
  readonly currentView: number;
  readonly leader: string | null;
  readonly isLeader: boolean;
  readonly uptime: number;
}

const quantity = (value: unknown): number | null => (typeof value === "string" ? Number(value) : null);

function viewOf(url: string, answers: readonly RpcAnswer[]): NodeView {
  const results = answers.map((answer) => ("result" in answer ? answer.result : null));
  const [version, chainId, block, peers, pool, syncing, own] = results;
  const head = block as { number: Hex; hash: string } | null;
  const counts = pool as { pending: Hex; queued: Hex } | null;
  const status = own as KoraStatus | null;
  return {
    url,
    error: null,
    version: version as string | null,
    chainId: quantity(chainId),
    height: quantity(head?.number),
    hash: head?.hash ?? null,
    view: status?.currentView ?? null,
    leader: status?.leader ?? null,
    isLeader: status?.isLeader ?? null,
    peers: quantity(peers),
    pending: quantity(counts?.pending),
    queued: quantity(counts?.queued),
    syncing: syncing === null ? null : syncing !== false,
    uptime: status?.uptime ?? null,
  };
}

/** What the node at `address` says of itself; a node that gives no answer is a view too. */
export async function lookAt(address: string, signal: AbortSignal): Promise<NodeView> {
  const url = rpcAddress(address);
  try {
    return viewOf(url, await createRpcClient(url, signal).batch(CALLS));
  } catch (thrown) {
    const why = thrown instanceof KoraError ? thrown.why : undefined;
    return { ...SILENT, url, error: why ?? messageOf(thrown) };
  }
}

const COLUMNS = ["node", "height", "hash", "view", "leader", "peers", "pool", "state", "uptime", "version"];

const text = (value: unknown): string => (value === null ? "-" : String(value));

function stateOf(node: NodeView, highest: number): string {
  if (node.error !== null) return "no answer";
  const behind = node.height === null ? 0 : highest - node.height;
  if (node.syncing === true) return `syncing, ${behind} behind`;
  return behind > 1 ? `${behind} behind` : "ok";
}

function row(node: NodeView, highest: number): string[] {
  const leader = node.isLeader === true ? "self" : text(node.leader?.slice(0, 10) ?? null);
  return [
    node.url.replace(/^https?:\/\//, ""),
    text(node.height),
    text(node.hash?.slice(0, 12) ?? null),
    text(node.view),
    leader,
    text(node.peers),
    node.pending === null ? "-" : `${node.pending}+${text(node.queued)}`,
    stateOf(node, highest),
    node.uptime === null ? "-" : `${Math.floor(node.uptime)} s`,
    text(node.version),
  ];
}

/** The table of all nodes, columns aligned. */
export function statusTable(nodes: readonly NodeView[]): string {
  const highest = Math.max(0, ...nodes.map((node) => node.height ?? 0));
  const rows = [COLUMNS, ...nodes.map((node) => row(node, highest))];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] as string).length)),
  );
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Why nodes gave no answer, a line each, and what to do about it. */
function silences(nodes: readonly NodeView[]): string[] {
  const silent = nodes.filter(({ error }) => error !== null);
  if (silent.length === 0) return [];
  const reasons = silent.map(({ url, error }) => `no answer from ${url}: ${error}`);
  return [...reasons, "--rpc-url names other nodes; kora dev or kora devnet starts a chain here"];
}

/** `kora status`: with --once (or without a terminal) exit code 1 if a node gives no answer. */
export const status: CommandRun = async ({ args, out, err, terminal, signal }: CommandContext) => {
  const urls = rpcAddresses(textFlag(args, "rpc-url"));
  const json = hasFlag(args, "json");
  const seconds = numberFlag(args, "interval", { min: 0.1, max: 3_600 }) ?? DEFAULT_SECONDS;
  const once = hasFlag(args, "once") || !terminal.interactive;
  const stopped = aborted(signal);
  for (;;) {
    const nodes = await Promise.all(urls.map((url) => lookAt(url, signal)));
    const shown = json ? JSON.stringify(nodes) : statusTable(nodes);
    if (once) {
      out(shown);
      const complaints = silences(nodes);
      if (complaints.length === 0) return 0;
      err(complaints.join("\n"));
      return 1;
    }
    terminal.write(json ? `${shown}\n` : `\u001b[H\u001b[2J${shown}\n`);
    await Promise.race([Bun.sleep(seconds * 1000), stopped]);
    if (signal.aborted) return 0;
  }
};

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
