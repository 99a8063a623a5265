// A network under load while bad things are done to it: which of its nodes are to be believed, how they are started,
// and what each wrote. Does nothing bad and checks nothing by itself.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { quorumOf } from "#types/quorum.ts";
import type { RunningKora, StartOptions } from "../../../support/kora.ts";
import { ask, processOf, type TestNetwork, type TestNode } from "../../../support/network.ts";
import { createRng, type Rng } from "../../../support/rng.ts";
import { startTransfers, type Transfers } from "../../../support/transfers.ts";
import { type Ground, type GroundOptions, makeGround } from "./ground.ts";
import { variantBinary } from "./variant-binary.ts";

export interface Bench extends AsyncDisposable {
  readonly ground: Ground;
  readonly nodes: readonly TestNode[];
  readonly rng: Rng;
  readonly transfers: Transfers;
  /** Faults that the committee can bear. */
  readonly faulty: number;
  /** A quorum that writes down what it hears, so that most of it is up whoever is down; the others are the product. */
  readonly witnesses: readonly TestNode[];
  /** Misbehaves now: nothing it says counts. */
  culprit: TestNode | undefined;
  /** Nodes that may sign nothing yet, and up to which view (R18). */
  readonly silent: Map<TestNode, number>;
  /** Starts a node as the product, or as what the tests made where it is a witness or the environment says so. */
  start(node: TestNode, variant?: StartOptions["env"]): Promise<void>;
  kill(nodes: readonly TestNode[]): Promise<void>;
  /** Tells a node to end; throws unless it ends well. */
  end(node: TestNode): Promise<void>;
  /** Everything that its processes wrote. */
  outputOf(node: TestNode): string;
}

/** Exit codes of a process that such a signal ended. */
const EXIT_CODES = { SIGKILL: 137, SIGTERM: 0 } as const;

/** Stops a node; throws where it ends otherwise than by this signal, or had ended before. */
async function stopRunning(
  network: TestNetwork,
  node: TestNode,
  signal: keyof typeof EXIT_CODES,
): Promise<void> {
  const running = processOf(node);
  await network.stop(node, signal);
  const code = await running.exited;
  if (code === EXIT_CODES[signal]) return;
  throw new Error(`node${node.index} ended with ${code}, not by ${signal}: ${running.err().slice(-2_000)}`);
}

/** Where a witness writes what it hears. */
export function tapOf(node: TestNode): string {
  return join(node.folder, "heard");
}

function actsFile(node: TestNode): string {
  return join(node.folder, "acts");
}

/** What a node that is not as it should be has done since it was started, oldest first. */
export function actsOf(node: TestNode): readonly string[] {
  const path = actsFile(node);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

/** Its place among the signers, and its key as evidence names it. */
export function signerOf({ folder }: TestNode): { readonly signer: number; readonly participant: string } {
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const signer: number = read("share.key").index;
  const key: string = read("output.json").participants[signer];
  return { signer, participant: key.startsWith("0x") ? key : `0x${key}` };
}

/** Blocks come even while all that is sent waits at a node that the others do not hear. */
const PACE = { KORA_EXECUTION_EMPTY_BLOCK_INTERVAL: "0.5" } as const;

/** Starts all nodes and the load. */
export async function startBench(options: GroundOptions): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const ground = stack.use(await makeGround(options));
  const { network } = ground;
  const rng = createRng(options.rng.u32());
  const witnesses = rng.shuffle([...network.nodes]).slice(0, quorumOf(network.nodes.length));
  const processes = new Map<TestNode, RunningKora[]>(network.nodes.map((node) => [node, []]));
  const bench: Omit<Bench, "transfers" | typeof Symbol.asyncDispose> = {
    ground,
    nodes: network.nodes,
    rng,
    faulty: Math.floor((network.nodes.length - 1) / 3),
    witnesses,
    culprit: undefined,
    silent: new Map(),
    async start(node, variant = {}) {
      const tests = { ...variant, ...(witnesses.includes(node) && { VALIDATOR_TAP: tapOf(node) }) };
      const product = !Object.keys(tests).some((name) => name.startsWith("VALIDATOR_"));
      rmSync(actsFile(node), { force: true });
      const env = { ...PACE, ...tests, ...(!product && { VALIDATOR_ACTS: actsFile(node) }) };
      await network.startAs(node, product ? { env } : { env, executable: variantBinary() });
      processes.get(node)?.push(processOf(node));
    },
    async kill(nodes) {
      await Promise.all(nodes.map((node) => stopRunning(network, node, "SIGKILL")));
    },
    end: (node) => stopRunning(network, node, "SIGTERM"),
    outputOf: (node) => (processes.get(node) ?? []).map((one) => one.out() + one.err()).join("\n"),
  };
  await Promise.all(network.nodes.map((node) => bench.start(node)));
  const believed = (): TestNode[] => network.running().filter((node) => node !== bench.culprit);
  const transfers = startTransfers(believed, rng.fork());
  stack.defer(() => transfers.stop());
  const owned = stack.move();
  return Object.assign(bench, { transfers, [Symbol.asyncDispose]: () => owned.disposeAsync() });
}

/** A node's current view. */
export async function viewOf(node: TestNode): Promise<number> {
  return (await ask<{ currentView: number }>(processOf(node), "kora_nodeStatus")).currentView;
}

/** The view up to which a node may have signed, by the guard beside its key; 0 without one. */
export function guardedView(node: TestNode): number {
  return Number(/views up to (\d+)/.exec(readGuard(node))?.[1] ?? 0);
}

/** The text of a node's guard; empty where it was killed before it first signed. */
export function readGuard(node: TestNode): string {
  return existsSync(guardFile(node)) ? readFileSync(guardFile(node), "utf8") : "";
}

export function guardFile(node: TestNode): string {
  return join(node.folder, "signing.guard");
}

/** `count` nodes that the others may have to do without; those that may not sign anyway come first. */
export async function victims(bench: Bench, count: number): Promise<TestNode[]> {
  for (const [node, view] of bench.silent) {
    if (node.process !== undefined && (await viewOf(node)) > view) bench.silent.delete(node);
  }
  const others = bench.nodes.filter((node) => !bench.silent.has(node));
  return [...bench.silent.keys(), ...bench.rng.shuffle(others)].slice(0, count);
}
