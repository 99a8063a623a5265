// Floods one node of a running network and measures what the others notice: the intervals between their final blocks
// and the CPU of every node.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./kora.ts";
import { processOf, type TestNetwork, type TestNode } from "./network.ts";

/** Who floods: a stranger, or a member of the committee whose own process is down. */
export type Flooder = "stranger" | "member";
/** Frames that nobody is blamed for; bytes that are nothing; bodies that cost much to open. */
export type FloodKind = "well-formed" | "garbage" | "bodies";

export interface Flood extends AsyncDisposable {
  /** What was sent, once it has ended. */
  readonly end: () => Promise<{ readonly sent: number; readonly connections: number }>;
}

const GENESIS_DIGITS = 16;

/** Starts flooding `victim`; with `member`, in its name. */
export async function startFlood(
  victim: TestNode,
  genesisHash: string,
  kind: FloodKind,
  member?: TestNode,
): Promise<Flood> {
  const toml = readFileSync(join(victim.folder, "node.toml"), "utf8");
  const listen = /listen_addr = "[^"]*:(\d+)"/.exec(toml)?.[1];
  // Every other node names the victim.
  const witness = victim.index === 0 ? "node1" : "node0";
  const others = readFileSync(join(victim.folder, "..", witness, "node.toml"), "utf8");
  const found = new RegExp(`"([0-9a-f]{64})@127\\.0\\.0\\.1:${listen}"`).exec(others);
  if (found?.[1] === undefined) throw new Error("no configuration names the victim");
  const seed =
    member === undefined
      ? crypto.getRandomValues(new Uint8Array(32)).toHex()
      : readFileSync(join(member.folder, "validator.key"), "utf8").trim();
  const child = Bun.spawn(
    [
      ...["nice", "-n", "19", process.execPath, join(import.meta.dir, "flooder.ts")],
      ...["--seed", seed.replace(/^0x/, ""), "--network", genesisHash.slice(2, 2 + GENESIS_DIGITS)],
      ...["--target", `${found[1]}@127.0.0.1:${listen}`, "--kind", kind],
      ...["--rpc", processOf(victim).url],
    ],
    { stdout: "pipe", stderr: "inherit" },
  );
  let out = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) out += decoder.decode(chunk, { stream: true });
  })();
  await until("the flood", () => out.includes("flooding"));
  return {
    async end() {
      child.kill("SIGTERM");
      await child.exited;
      await reading;
      return JSON.parse(out.trim().split("\n").at(-1) as string);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Milliseconds between one final block and the next, as `node` has logged them since `from` (characters of its log). */
export function blockIntervals(node: TestNode, from: number): number[] {
  const times = processOf(node)
    .err()
    .slice(from)
    .split("\n")
    .flatMap((line) => {
      const at = line.includes('"block final"') ? /"time":"?([^",}]+)/.exec(line)?.[1] : undefined;
      if (at === undefined) return [];
      return [/^\d+$/.test(at) ? Number(at) : Date.parse(at)];
    });
  return times.slice(1).map((time, i) => time - (times[i] as number));
}

/** Seconds of CPU that a node's process has used. */
export function cpuSeconds(node: TestNode): number {
  const fields =
    readFileSync(`/proc/${processOf(node).pid}/stat`, "utf8")
      .split(") ")[1]
      ?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export interface Quiet {
  /** Milliseconds between final blocks. */
  readonly median: number;
  readonly p99: number;
  /** CPU seconds a second, of the node that is flooded and of the busiest other. */
  readonly victimCpu: number;
  readonly otherCpu: number;
}

/** Watches `nodes` for as long as `blocks` blocks take; the first of them is the one that is flooded. */
export async function watchPace(network: TestNetwork, blocks: number): Promise<Quiet> {
  const nodes = network.running();
  const marks = nodes.map((node) => processOf(node).err().length);
  const before = nodes.map(cpuSeconds);
  const started = performance.now();
  const intervals = (): number[] =>
    nodes.slice(1).flatMap((node, i) => blockIntervals(node, marks[i + 1] ?? 0));
  await until("the blocks", () => intervals().length >= blocks * (nodes.length - 1), 240_000);
  const seconds = (performance.now() - started) / 1000;
  const sorted = intervals().toSorted((a, b) => a - b);
  const used = nodes.map((node, i) => (cpuSeconds(node) - (before[i] as number)) / seconds);
  return {
    median: sorted[sorted.length >> 1] as number,
    p99: sorted[Math.floor(sorted.length * 0.99)] as number,
    victimCpu: used[0] as number,
    otherCpu: Math.max(...used.slice(1)),
  };
}
