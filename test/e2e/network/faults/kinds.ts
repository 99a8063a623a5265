// The bad things that are done to a network, one a round. Each leaves it whole again: every node running as the product,
// every link open. What must hold then is checked elsewhere; here only what must hold while it lasts.
import { closeSync, existsSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../../support/kora.ts";
import { heightOf, processOf, type TestNode, untilAbove, wipeData } from "../../../support/network.ts";
import { type Bench, guardedView, victims } from "./bench.ts";
import { BYZANTINE } from "./byzantine.ts";
import type { Checks } from "./checks.ts";

export type Kind = (bench: Bench, checks: Checks) => Promise<void>;

/** Blocks that the others must make while one is missing or wrong. */
const BLOCKS_WITHOUT = 8;
const GO_ON_MS = 30_000;
const STOP_MS = 20_000;

const pause = ({ rng }: Bench, least: number, most: number): Promise<void> =>
  Bun.sleep(least + rng.unit() * (most - least));

/** Waits until every node but `absent` has so many new blocks. */
async function othersGoOn(bench: Bench, absent: TestNode, blocks: number = BLOCKS_WITHOUT): Promise<void> {
  const others = bench.nodes.filter((node) => node !== absent);
  const highest = Math.max(...(await Promise.all(others.map(heightOf))));
  await untilAbove(others, highest + blocks, GO_ON_MS);
}

async function killAndRestart(bench: Bench, nodes: readonly TestNode[], apart: number): Promise<void> {
  await bench.kill(nodes);
  await pause(bench, 0, apart);
  await Promise.all(nodes.map((node) => bench.start(node)));
}

async function longAbsence(bench: Bench): Promise<void> {
  const [absent] = (await victims(bench, 1)) as [TestNode];
  await bench.kill([absent]);
  await othersGoOn(bench, absent, 20);
  await bench.start(absent);
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

async function wiped(bench: Bench, checks: Checks): Promise<void> {
  const [lost] = (await victims(bench, 1)) as [TestNode];
  await wipe(bench, checks, lost);
  await bench.start(lost);
}

/** A pace at which the views that a guard reserves ahead pass within a minute or two. */
const HASTE: Readonly<Record<string, string>> = {
  KORA_EXECUTION_BLOCK_TIME: "0.02",
  KORA_EXECUTION_EMPTY_BLOCK_INTERVAL: "0.02",
};
const PASS_GUARD_MS = 300_000;

/** A node that lost all keeps silent until nothing it may have signed is ahead, and then votes with the others again. */
async function wipedVotes(bench: Bench, checks: Checks): Promise<void> {
  const [lost] = (await victims(bench, 1)) as [TestNode];
  const others = bench.nodes.filter((node) => node !== lost);
  const bar = await wipe(bench, checks, lost);
  await bench.kill(others);
  await Promise.all(others.map((node) => bench.start(node, HASTE)));
  await othersGoOn(bench, lost);
  await bench.start(lost, HASTE);
  await checks.votes.untilHeard([lost], bar, PASS_GUARD_MS);
  bench.silent.delete(lost);
  await killAndRestart(bench, bench.nodes, 0);
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
async function diskFull(bench: Bench): Promise<void> {
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
    await othersGoOn(bench, victim);
  } finally {
    rmSync(filler);
  }
  await bench.start(victim);
}

/** Runs nodes with these clocks for a while, then with right ones again. */
async function withClocks(bench: Bench, nodes: readonly TestNode[]): Promise<void> {
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
  const absent = few ? nodes[0] : undefined;
  const counted = bench.nodes.filter((node) => node !== absent);
  const highest = Math.max(...(await Promise.all(counted.map(heightOf))));
  await untilAbove(counted, highest + BLOCKS_WITHOUT, GO_ON_MS);
  await killAndRestart(bench, nodes, 0);
}

const ALWAYS: Readonly<Record<string, Kind>> = {
  killOne: async (bench) => killAndRestart(bench, await victims(bench, 1), 1_000),
  killF: async (bench) => killAndRestart(bench, await victims(bench, Math.max(1, bench.faulty)), 2_000),
  killMajority: async (bench) => killAndRestart(bench, await victims(bench, bench.faulty + 1), 1_500),
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

function linkKinds({ ground }: Bench): Readonly<Record<string, Kind>> {
  return Object.fromEntries(
    Object.entries(ground.linkFaults).map(([name, begin]): [string, Kind] => [
      name,
      async (bench) => {
        const heal = begin(ground.network, bench.rng);
        if (name.startsWith("long")) await Bun.sleep(LONG_MS);
        else await pause(bench, 1_000, 4_000);
        heal();
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
