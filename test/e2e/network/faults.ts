// Faults on real processes, for as long as wanted: npx bun test/e2e/network/faults.ts --rounds 200 --seed 7
// Each round does something bad to a network of validators under load, heals it, and checks what must hold: one chain,
// nothing acknowledged lost, nobody signed twice, blocks again soon. A leg does everything once, in a random order, to a
// new network; legs alternate between relays on one loopback and network namespaces. With relays, connections overtake
// one another, which is what a network that reorders packets does to those who speak TCP; what was overtaken is counted.
// Exit code 1 at a violation.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { useBinary } from "../../support/kora.ts";
import { ask, processOf } from "../../support/network.ts";
import { createRng, type Rng } from "../../support/rng.ts";
import { enterSandbox, insideSandbox, prepareSandbox, sandboxObstacle } from "../../support/sandbox.ts";
import { type Bench, startBench } from "./faults/bench.ts";
import { type Checks, createChecks } from "./faults/checks.ts";
import type { GroundName } from "./faults/ground.ts";
import { type Kind, kindsOf } from "./faults/kinds.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    validators: { type: "string", default: "4" },
    /** Seconds from a healed quorum to its next block. */
    within: { type: "string", default: "5" },
    /** relays, namespaces or both. */
    links: { type: "string", default: "both" },
    /** Kinds of faults by name, instead of all. */
    only: { type: "string" },
    /** First leg, and how many: a long run can be cut into legs and is the same. */
    leg: { type: "string", default: "0" },
    legs: { type: "string", default: "1000000" },
    /** Folder that gets the newest leg's logs of all nodes, at level debug. */
    logs: { type: "string" },
    /** The product, where it is not to be built from this tree. */
    binary: { type: "string" },
  },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
const validators = Number(values.validators);
if (values.binary !== undefined) useBinary(values.binary);
const withinMs = Number(values.within) * 1_000;
const only = values.only?.split(",");
/** Rounds after a node lost its votes, in which it may be one that cannot sign. */
const ROUNDS_AFTER_SILENCE = 3;
const MAX_PAUSE_MS = 700;

/** Kinds that a leg could have done. */
const offered = new Set<string>();

interface Round {
  readonly kind: string;
  readonly recovery: number;
}

interface Overtaken {
  readonly delivered: number;
  readonly overtaken: number;
}
const NONE: Overtaken = { delivered: 0, overtaken: 0 };

/** How much of what relays delivered since `before` was overtaken on its way by another connection's. */
function overtaking({ ground: { arrivals } }: Bench, before: Overtaken = NONE): Overtaken {
  const sum = (of: "delivered" | "overtaken"): number => arrivals.reduce((all, each) => all + each[of], 0);
  const [delivered, overtaken] = [sum("delivered"), sum("overtaken")];
  return { delivered: delivered - before.delivered, overtaken: overtaken - before.overtaken };
}

/**
 * Everything once in a random order; what silences a node comes late, after it only what does not need its vote, and at
 * last it votes again.
 */
function deckOf(bench: Bench, rng: Rng): readonly (readonly [string, Kind])[] {
  const { always, whole, silencing, last } = kindsOf(bench);
  const chosen = (kinds: Readonly<Record<string, Kind>>): [string, Kind][] =>
    rng.shuffle(Object.entries(kinds).filter(([name]) => only?.includes(name) ?? true));
  const harmless = chosen(always);
  const after = harmless.splice(0, Math.min(ROUNDS_AFTER_SILENCE, harmless.length));
  const before = rng.shuffle([...chosen(whole), ...harmless]);
  return [...before, ...chosen(silencing), ...after, ...chosen(last)];
}

function show(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
  else process.stderr.write(`${text}\n`);
}

/** What every node says of its consensus. */
async function describeViolation(bench: Bench, kind: string): Promise<void> {
  for (const node of bench.ground.network.running()) {
    const status = await ask<Record<string, unknown>>(processOf(node), "kora_nodeStatus").catch(String);
    console.error(`node${node.index} ${JSON.stringify(status)}`);
  }
  console.error(
    `during ${kind}; witnesses: ${bench.witnesses.map(({ index }) => `node${index}`).join(", ")}`,
  );
}

function keepLogs(bench: Bench, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const node of bench.nodes) {
    writeFileSync(join(folder, `node${node.index}.log`), bench.outputOf(node));
  }
}

/** Does `work` and ends when this process is told to stop. */
function onStop(work: () => void): Disposable {
  const stop = (): void => {
    work();
    process.exit(1);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  return {
    [Symbol.dispose]() {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
    },
  };
}

/** One leg: at most `most` rounds on a network of its own. */
async function runLeg(leg: number, name: GroundName, first: number, most: number): Promise<readonly Round[]> {
  const rng = createRng(seed + leg);
  const flags = values.logs === undefined ? [] : ["--log-level", "debug"];
  await using bench = await startBench({ name, validators, rng, flags });
  const { network } = bench.ground;
  using _stopping = onStop(() => {
    for (const node of network.running()) process.kill(processOf(node).pid, "SIGKILL");
  });
  const checks: Checks = createChecks(bench, withinMs);
  const done: Round[] = [];
  const deck = deckOf(bench, rng);
  for (const [kind] of deck) offered.add(kind);
  for (const [kind, act] of deck.slice(0, most)) {
    const started = performance.now();
    const before = overtaking(bench);
    let what = "";
    try {
      await Bun.sleep(rng.unit() * MAX_PAUSE_MS);
      what = await act(bench, checks);
      done.push({ kind, recovery: await checks.afterRound() });
    } catch (error) {
      await describeViolation(bench, kind);
      throw error;
    } finally {
      if (values.logs !== undefined) keepLogs(bench, values.logs);
    }
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    const after = Math.round(done.at(-1)?.recovery ?? 0);
    const { different, heard } = checks.votes.counts();
    const where = `round ${first + done.length}/${rounds} (leg ${leg}, ${name}) ${kind}`;
    const { delivered, overtaken } = overtaking(bench, before);
    const reordered = delivered === 0 ? "" : `, ${overtaken} of ${delivered} pieces overtaken`;
    const sums = `${checks.acknowledged()} acknowledged, ${different} votes, heard ${heard} times by ${bench.witnesses.length}${reordered}`;
    show(
      `${where} (${what}): ${seconds} s, height ${checks.height()}, ${sums}, blocks again after ${after} ms`,
    );
  }
  await bench.transfers.stop();
  await checks.afterLeg();
  await Promise.all(bench.nodes.map((node) => bench.end(node)));
  return done;
}

function summary(done: readonly Round[], seconds: number): string {
  const at = (times: readonly number[], share: number): number => {
    const sorted = [...times].sort((a, b) => a - b);
    return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
  };
  const line = (name: string, of: readonly Round[]): string => {
    const times = of.map(({ recovery }) => recovery);
    return `${name}: ${of.length} rounds, blocks again after p50 ${at(times, 0.5)} ms, max ${at(times, 1)} ms`;
  };
  const kinds = [...new Set(done.map(({ kind }) => kind))].sort();
  const each = kinds.map(
    (kind) =>
      `  ${line(
        kind,
        done.filter((round) => round.kind === kind),
      )}`,
  );
  const left = [...offered].filter((kind) => !kinds.includes(kind)).sort();
  const missed = left.length === 0 ? "" : `\n  not done in so few rounds: ${left.join(", ")}`;
  return `${each.join("\n")}${missed}\n${line(`seed ${seed}: 0 violations`, done)}, ${Math.round(seconds)} s`;
}

function groundsOf(links: string | undefined): readonly GroundName[] {
  if (links === "relays" || links === "namespaces") return [links];
  return insideSandbox ? ["relays", "namespaces"] : ["relays"];
}

async function run(): Promise<void> {
  const started = performance.now();
  console.log(`seed ${seed}, ${rounds} rounds`);
  const grounds = groundsOf(values.links);
  const done: Round[] = [];
  const first = Number(values.leg);
  for (let leg = first; done.length < rounds && leg < first + Number(values.legs); leg++) {
    const ground = grounds[leg % grounds.length] as GroundName;
    const before = done.length;
    done.push(...(await runLeg(leg, ground, before, rounds - before)));
    if (done.length === before) throw new Error(`none of ${values.only} can be done with ${ground}`);
  }
  const unknown = only?.filter((kind) => !offered.has(kind)) ?? [];
  if (unknown.length > 0) throw new Error(`no leg could do ${unknown.join(", ")}`);
  process.stderr.write("\n");
  console.log(summary(done, (performance.now() - started) / 1_000));
}

/** Whether anything that is asked for needs machines or disks of its own. */
const wantsSandbox = values.links !== "relays" || (only?.includes("diskFull") ?? true);

async function main(): Promise<number> {
  if (insideSandbox) prepareSandbox();
  else if (wantsSandbox) {
    const obstacle = sandboxObstacle();
    if (obstacle === undefined) return await enterSandbox();
    if (values.links === "namespaces") throw new Error(`no network namespaces here: ${obstacle}`);
    console.error(`without namespaces and disks that fill up: ${obstacle}`);
  }
  await run();
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`\nviolation: ${error instanceof Error ? error.message : String(error)}`);
  // The last of two seeds is the one that counts.
  const again = [...process.argv.slice(2), "--seed", String(seed)].join(" ");
  console.error(`again: npx bun test/e2e/network/faults.ts ${again}`);
  process.exit(1);
}
