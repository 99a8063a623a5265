// A network of real validators for tests: the files that kora testnet writes, each node a process of the compiled
// binary, killed and started at will, and what has to hold of them whatever happened.
import { Database } from "bun:sqlite";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  post,
  type RunningKora,
  runKora,
  type StartOptions,
  startKora,
  temporaryFolder,
  until,
} from "./kora.ts";

/** A machine that a node runs on as if it were its own. */
export interface TestHost {
  /** Address that the others reach it at. */
  readonly address: string;
  /** Words before a command that run it there. */
  readonly prefix: readonly string[];
}

export interface NetworkOptions {
  readonly validators: number;
  /** Seconds. */
  readonly blockTime: number;
  /** Gas limit of blocks from genesis on. */
  readonly gasLimit?: number;
  /** Flags of every node beside its configuration. */
  readonly flags?: readonly string[];
  /** One for each node; without them all share this machine's loopback. */
  readonly hosts?: readonly TestHost[];
  /** That loopback is IPv6's, and nothing is reached otherwise. */
  readonly ipv6?: boolean;
}

export interface TestNode {
  readonly index: number;
  readonly folder: string;
  /** Undefined while it is down. */
  process: RunningKora | undefined;
}

export interface TestNetwork extends AsyncDisposable {
  readonly folder: string;
  readonly nodes: readonly TestNode[];
  start(node: TestNode): Promise<void>;
  /** Runs another program in the node's place, or the product with this environment. */
  startAs(node: TestNode, program: Pick<StartOptions, "env" | "executable">): Promise<void>;
  /** Sends the signal and waits for the end. */
  stop(node: TestNode, signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  readonly running: () => TestNode[];
}

/** A run of `count` ports that nobody listens on now. */
export function freePorts(count: number): number {
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = 20_000 + Math.floor(Math.random() * 40_000);
    const probes: { stop(force?: boolean): void }[] = [];
    try {
      for (let i = 0; i < count; i++) {
        probes.push(Bun.listen({ hostname: "127.0.0.1", port: first + i, socket: { data() {} } }));
      }
      return first;
    } catch {
      // One of them is taken: elsewhere.
    } finally {
      for (const probe of probes) probe.stop(true);
    }
  }
  throw new Error("no free ports");
}

/** Moves a node from 127.0.0.1 to ::1, with the others as it knows them. */
function moveToIpv6({ folder }: TestNode): void {
  const config = join(folder, "node.toml");
  writeFileSync(config, readFileSync(config, "utf8").replaceAll("127.0.0.1:", "[::1]:"));
}

/** Writes the files of a network and starts none of it. */
export function makeNetwork(options: NetworkOptions): TestNetwork {
  const { validators, blockTime, gasLimit, hosts } = options;
  const root = temporaryFolder();
  const folder = join(root.path, "net");
  const made = runKora([
    ...["testnet", "--out", folder, "--trusted-dealer", "--validators", String(validators)],
    ...["--block-time", String(blockTime), "--p2p-port", String(freePorts(validators))],
    ...(gasLimit === undefined ? [] : ["--gas-limit", String(gasLimit)]),
    ...(hosts === undefined ? [] : ["--hosts", hosts.map(({ address }) => address).join(",")]),
  ]);
  if (made.code !== 0) throw new Error(`kora testnet failed: ${made.err}`);
  const nodes = Array.from({ length: validators }, (_, index): TestNode => {
    return { index, folder: join(folder, `node${index}`), process: undefined };
  });
  if (options.ipv6 === true) for (const node of nodes) moveToIpv6(node);
  const loopback = options.ipv6 === true ? "[::1]" : "127.0.0.1";
  const network: TestNetwork = {
    folder,
    nodes,
    start: (node) => network.startAs(node, {}),
    async startAs(node, program) {
      const { address = loopback, prefix = [] } = hosts?.[node.index] ?? {};
      const ports = ["--rpc-http-addr", `${address}:0`, "--metrics-addr", `${loopback}:0`];
      const config = ["--config", join(node.folder, "node.toml"), "--log-format", "json"];
      node.process = await startKora([...config, ...ports, ...(options.flags ?? [])], { ...program, prefix });
    },
    async stop(node, signal = "SIGKILL") {
      const { process } = node;
      node.process = undefined;
      await process?.stop(signal);
      await process?.[Symbol.asyncDispose]();
    },
    running: () => nodes.filter(({ process }) => process !== undefined),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => network.stop(node)));
      root[Symbol.dispose]();
    },
  };
  return network;
}

interface RpcAnswer<T> {
  readonly result?: T;
  readonly error?: { readonly message: string };
}

/** How long a node may take to answer a call. */
const ANSWER_MS = 10_000;

function resultOf<T>(method: string, { result, error }: RpcAnswer<T>): T {
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result as T;
}

/** One JSON-RPC call; rejects for an error and when nobody answers. */
export async function ask<T>(
  node: { readonly url: string },
  method: string,
  ...params: unknown[]
): Promise<T> {
  const answer: RpcAnswer<T> = await post(node.url, { jsonrpc: "2.0", id: 1, method, params }, ANSWER_MS);
  return resultOf(method, answer);
}

/** Calls in one batch: few enough for any node. */
const BATCH = 100;

/** The same call with each of `params`, a batch at a time; answers in their order. */
export async function askEach<T>(
  node: { readonly url: string },
  method: string,
  params: readonly (readonly unknown[])[],
): Promise<T[]> {
  const results: T[] = [];
  for (let at = 0; at < params.length; at += BATCH) {
    const batch = params.slice(at, at + BATCH).map((of, id) => ({ jsonrpc: "2.0", id, method, params: of }));
    const answers: (RpcAnswer<T> & { readonly id: number })[] = await post(node.url, batch, ANSWER_MS);
    const byId = new Map(answers.map((answer) => [answer.id, answer]));
    results.push(
      ...batch.map(({ id }) => resultOf(method, byId.get(id) ?? { error: { message: "no answer" } })),
    );
  }
  return results;
}

interface BlockView {
  readonly hash: string;
  readonly stateRoot: string;
  readonly number: string;
}

/** The running process of a node. */
export function processOf(node: TestNode): RunningKora {
  if (node.process === undefined) throw new Error(`node${node.index} is down`);
  return node.process;
}

/** Height of a node's finalized tip. */
export async function heightOf(node: TestNode): Promise<number> {
  return Number(await ask<string>(processOf(node), "eth_blockNumber"));
}

/** Waits until every one of `nodes` has a final block above `height`. */
export async function untilAbove(
  nodes: readonly TestNode[],
  height: number,
  patienceMs?: number,
): Promise<void> {
  for (const node of nodes) {
    await until(
      `node${node.index} passes height ${height}`,
      async () => (await heightOf(node)) > height,
      patienceMs,
    );
  }
}

/** Throws unless all nodes hold the same chain, as far as each has come, from height `from` on; answers the lowest tip. */
export async function checkSameChain(nodes: readonly TestNode[], from = 0): Promise<number> {
  const common = Math.min(...(await Promise.all(nodes.map(heightOf))));
  const first = Math.max(0, Math.min(from, common));
  const wanted = Array.from({ length: common - first + 1 }, (_, at) => [
    `0x${(first + at).toString(16)}`,
    false,
  ]);
  const chains = await Promise.all(
    nodes.map((node) => askEach<BlockView | null>(processOf(node), "eth_getBlockByNumber", wanted)),
  );
  for (const [index, chain] of chains.entries()) {
    for (const [at, found] of chain.entries()) {
      const expected = chains[0]?.[at];
      if (found != null && found.hash === expected?.hash && found.stateRoot === expected.stateRoot) continue;
      const name = nodes[index]?.index;
      throw new Error(`fork at height ${first + at}: ${expected?.hash} here, ${found?.hash} on node${name}`);
    }
  }
  return common;
}

/** Evidence of somebody signing twice that this node's journal holds; the node must be down. */
export function evidenceIn(node: TestNode): readonly unknown[] {
  const path = join(node.folder, "data", "consensus.db");
  if (!existsSync(path)) return [];
  const database = new Database(path, { readonly: true });
  try {
    return database.query("SELECT view, kind, signer FROM faults").all();
  } finally {
    database.close();
  }
}

/** Loses a node's chain and votes; its keys and signing guard stay, and the folder, which may be a disk of its own. */
export function wipeData(node: TestNode): void {
  const data = join(node.folder, "data");
  for (const name of readdirSync(data)) rmSync(join(data, name), { recursive: true, force: true });
}
