// The bad things that are done to a network, one a round. Each leaves it whole again: every node running as the product,
// every link open. What must hold then is checked elsewhere; here only what must hold while it lasts, and that it happened.
import { closeSync, existsSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../../support/kora.ts";
import { heightOf, processOf, type TestNode, untilAbove, wipeData } from "../../../support/network.ts";
import { actsOf, type Bench, guardedView, victims } from "./bench.ts";
import { BYZANTINE } from "./byzantine.ts";
import type { Checks } from "./checks.ts";
import type { BadLinks } from "./ground.ts";

/** Answers in a few words what happened. */
export type Kind = (bench: Bench, checks: Checks) => Promise<string>;

/** Blocks that the others must make while one is missing or wrong. */
const BLOCKS_WITHOUT = 8;
const GO_ON_MS = 30_000;
const STOP_MS = 20_000;
/** Blocks that votes on their way may still make final where no quorum is left. */
const MAX_BLOCKS_IN_FLIGHT = 3;

const pause = ({ rng }: Bench, least: number, most: number): Promise<void> =>
  Bun.sleep(least + rng.unit() * (most - least));

const highestOf = async (nodes: readonly TestNode[]): Promise<number> =>
  Math.max(...(await Promise.all(nodes.map(heightOf))));

/** Waits until every node but `absent` has so many new blocks. */
async function othersGoOn(
  { nodes }: Bench,
  absent: readonly TestNode[],
  blocks: number = BLOCKS_WITHOUT,
): Promise<void> {
  const others = nodes.filter((node) => !absent.includes(node));
  await untilAbove(others, (await highestOf(others)) + blocks, GO_ON_MS);
}

/** Does `work` while `nodes` are without a quorum: no block may become final. */
async function standingStill(nodes: readonly TestNode[], work: () => Promise<void>): Promise<void> {
  const before = await highestOf(nodes);
  await work();
  const after = await highestOf(nodes);
  if (after <= before + MAX_BLOCKS_IN_FLIGHT) return;
  throw new Error(`${after - before} blocks became final without a quorum`);
}

async function restart(bench: Bench, nodes: readonly TestNode[]): Promise<string> {
  await Promise.all(nodes.map((node) => bench.start(node)));
  return `killed ${nodes.length} of ${bench.nodes.length}`;
}

async function killAndRestart(bench: Bench, nodes: readonly TestNode[], apart: number): Promise<string> {
  await bench.kill(nodes);
  await pause(bench, 0, apart);
  return await restart(bench, nodes);
}

/** As many as the committee bears: the others go on. */
async function killF(bench: Bench): Promise<string> {
  const few = await victims(bench, Math.max(1, bench.faulty));
  await bench.kill(few);
  await othersGoOn(bench, few, 1);
  return `${await restart(bench, few)}, the others went on`;
}

/** One more than that: the others wait for them. */
async function killMajority(bench: Bench): Promise<string> {
  const many = await victims(bench, bench.faulty + 1);
  await bench.kill(many);
  await standingStill(bench.ground.network.running(), () => pause(bench, 700, 1_700));
  return `${await restart(bench, many)}, the others stood still`;
}

const BLOCKS_LONG = 20;

async function longAbsence(bench: Bench): Promise<string> {
  const absent = await victims(bench, 1);
  await bench.kill(absent);
  await othersGoOn(bench, absent, BLOCKS_LONG);
  return `${await restart(bench, absent)}, away for over ${BLOCKS_LONG} blocks`;
}

/** Kills a node and takes its chain and its journal away; answers the view up to which it may have signed. */
async function wipe(bench: Bench, checks: Checks, lost: TestNode): Promise<number> {
  await until(`node${lost.index} has reserved views`, () => guardedView(lost) > 0);
  await bench.kill([lost]);
  const bar = guardedView(lost);
  checks.lose(lost, bar);
  for (const name of ["chain.db", "consensus.db"]) {
    if (!existsSync(join(lost.folder, "data", name)))
      throw new Error(`node${lost.index} has no ${name} to lose`);
  }
  wipeData(lost);
  bench.transfers.forget(lost);
  bench.silent.set(lost, bar);
  return bar;
}

async function wiped(bench: Bench, checks: Checks): Promise<string> {
  const [lost] = (await victims(bench, 1)) as [TestNode];
  const bar = await wipe(bench, checks, lost);
  await bench.start(lost);
  return `signs nothing up to view ${bar}`;
}

/** A pace at which the views that a guard reserves ahead pass within a minute or two. */
const HASTE: Readonly<Record<string, string>> = {
  KORA_EXECUTION_BLOCK_TIME: "0.02",
  KORA_EXECUTION_EMPTY_BLOCK_INTERVAL: "0.02",
};
const PASS_GUARD_MS = 300_000;

/** A node that lost all keeps silent until nothing it may have signed is ahead, and then votes with the others again. */
async function wipedVotes(bench: Bench, checks: Checks): Promise<string> {
  const [lost] = (await victims(bench, 1)) as [TestNode];
  const others = bench.nodes.filter((node) => node !== lost);
  const bar = await wipe(bench, checks, lost);
  await bench.kill(others);
  await Promise.all(others.map((node) => bench.start(node, HASTE)));
  await othersGoOn(bench, [lost]);
  await bench.start(lost, HASTE);
  await checks.votes.untilHeard([lost], bar, PASS_GUARD_MS);
  bench.silent.delete(lost);
  await killAndRestart(bench, bench.nodes, 0);
  return `signed nothing up to view ${bar}, and votes again`;
}

/** Writes until nothing more fits. */
function fill(path: string): void {
  const file = openSync(path, "w");
  const zeros = new Uint8Array(256 * 1024);
  try {
    for (let size = zeros.length; size > 0; ) {
      try {
        writeSync(file, zeros, 0, size);
      } catch {
        size >>= 1;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** A validator whose disk is full says so and stops with exit code 1; with room again it goes on where it was. */
async function diskFull(bench: Bench): Promise<string> {
  const [victim] = (await victims(bench, 1)) as [TestNode];
  const process = processOf(victim);
  const filler = join(victim.folder, "data", "filler");
  fill(filler);
  try {
    const code = await until(
      `node${victim.index} stops when its disk is full`,
      async () => await Promise.race([process.exited, Bun.sleep(100)]),
      STOP_MS,
    );
    const said = process.err();
    if (code !== 1 || !/^error: .*\n {2}why: .*(full|space|ENOSPC)/m.test(said)) {
      throw new Error(`node${victim.index} ended with ${code} on a full disk: ${said.slice(-2_000)}`);
    }
    await bench.ground.network.stop(victim);
    await othersGoOn(bench, [victim]);
  } finally {
    rmSync(filler);
  }
  await bench.start(victim);
  return "one stopped and said why, the others went on";
}

/** Runs nodes with these clocks for a while, then with right ones again. */
async function withClocks(bench: Bench, nodes: readonly TestNode[]): Promise<string> {
  const { rng } = bench;
  const few = nodes.length <= bench.faulty;
  const sign = (): number => (rng.chance(0.5) ? 1 : -1);
  await bench.kill(nodes);
  await Promise.all(
    nodes.map((node) => {
      const clock = {
        // Alone a node may be minutes off; all together must stay within what R3 bears.
        offset: sign() * (few ? 10 ** (rng.unit() * 2.5) : rng.unit() * 2),
        rate: few ? 0.5 + rng.unit() * 1.5 : 0.95 + rng.unit() * 0.1,
        step: sign() * rng.unit() * (few ? 120 : 0.5),
      };
      return bench.start(node, { VALIDATOR_CLOCK: JSON.stringify(clock) });
    }),
  );
  await othersGoOn(bench, few ? nodes : []);
  let most = 0;
  for (const node of nodes) {
    const reading = `node${node.index} reads a wrong clock`;
    const seconds = await until(reading, () => actsOf(node).length > 0 && actsOf(node).map(Number), GO_ON_MS);
    most = Math.max(most, ...seconds.map(Math.abs));
  }
  await killAndRestart(bench, nodes, 0);
  return `${nodes.length} clocks off by up to ${most.toFixed(1)} s`;
}

const ALWAYS: Readonly<Record<string, Kind>> = {
  killOne: async (bench) => killAndRestart(bench, await victims(bench, 1), 1_000),
  killF,
  killMajority,
  killAll: (bench) => killAndRestart(bench, bench.nodes, 500),
  longAbsence,
};

/** Kinds after which a node may not sign for a while; those of ALWAYS may follow, the others need everybody. */
const SILENCING: Readonly<Record<string, Kind>> = { wiped };

/** Ends a leg: whoever was silenced votes again. */
const LAST: Readonly<Record<string, Kind>> = { wipedVotes };

function clockKinds(): Readonly<Record<string, Kind>> {
  return {
    clockOne: async (bench) => withClocks(bench, await victims(bench, Math.max(1, bench.faulty))),
    clockAll: (bench) => withClocks(bench, bench.nodes),
  };
}

/** Longer than a dial is waited for. */
const LONG_MS = 12_000;

/** What nodes must do while links are bad, as far as it is certain: nobody goes on in halves, all but one do. */
async function whileBad(bench: Bench, { apart }: BadLinks, lasting: () => Promise<void>): Promise<string> {
  if (apart.size > bench.faulty) {
    await standingStill(bench.nodes, lasting);
    return ", all stood still";
  }
  await lasting();
  // Beside one that may sign nothing yet nobody else can be done without.
  if (apart.size === 0 || bench.silent.size > 0) return "";
  await othersGoOn(
    bench,
    bench.nodes.filter(({ index }) => apart.has(index)),
    1,
  );
  return ", the others went on";
}

function linkKinds({ ground }: Bench): Readonly<Record<string, Kind>> {
  return Object.fromEntries(
    Object.entries(ground.linkFaults).map(([name, begin]): [string, Kind] => [
      name,
      async (bench) => {
        const bad = begin(bench.rng);
        try {
          const long = name.startsWith("long");
          const lasting = (): Promise<void> => (long ? Bun.sleep(LONG_MS) : pause(bench, 1_000, 4_000));
          const seen = await whileBad(bench, bad, lasting);
          const hits = await until(`${name} hits something`, () => bad.hits() || false, GO_ON_MS);
          return `${hits} ${ground.hit}${seen}`;
        } finally {
          bad.heal();
        }
      },
    ]),
  );
}

export interface Kinds {
  /** Those that a node without a vote does no harm to. */
  readonly always: Readonly<Record<string, Kind>>;
  /** Those that need everybody's vote before they begin. */
  readonly whole: Readonly<Record<string, Kind>>;
  readonly silencing: Readonly<Record<string, Kind>>;
  readonly last: Readonly<Record<string, Kind>>;
}

/** What can be done to this network. */
export function kindsOf(bench: Bench): Kinds {
  return {
    always: { ...ALWAYS, ...linkKinds(bench) },
    whole: { ...clockKinds(), ...BYZANTINE, ...(bench.ground.disks && { diskFull }) },
    silencing: SILENCING,
    last: LAST,
  };
}
