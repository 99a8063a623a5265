// How a validator that was away comes back while the others go on: four processes make empty blocks as fast as asked,
// one is killed, and started again after a while. Timed from outside; the others' pace is read from one's log.
import { until } from "../../support/kora.ts";
import { heightOf, makeNetwork, processOf, type TestNode, untilAbove } from "../../support/network.ts";

/** Milliseconds from one final block to the next. */
export interface Pace {
  readonly blocks: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Rejoin {
  /** Seconds that it was away. */
  readonly away: number;
  /** Blocks that it was behind when it served again. */
  readonly behind: number;
  /** Seconds from the start of its process, and from when it served, until it had the newest block. */
  readonly sinceStart: number;
  readonly sinceServing: number;
  /** Blocks a second while it caught up. */
  readonly rate: number;
  /** The others' blocks with all validators up, without it, and while it caught up. */
  readonly before: Pace;
  readonly without: Pace;
  readonly meanwhile: Pace;
}

const VALIDATORS = 4;
/** Blocks that are not counted: connections and code warm up. */
const WARM_UP_BLOCKS = 40;
/** Blocks that the pace of the whole network is taken from. */
const BEFORE_BLOCKS = 200;
const LEVEL_MS = 180_000;

/** Wall-clock milliseconds of a node's final blocks, oldest first. */
function finalTimes(node: TestNode): number[] {
  const lines = processOf(node)
    .err()
    .split("\n")
    .filter((line) => line.includes('"msg":"block final"'));
  return lines.map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
}

/** The pace of the blocks between two moments. */
function paceBetween(times: readonly number[], from: number, to: number): Pace {
  const inside = times.filter((time) => time >= from && time <= to);
  const gaps = inside.slice(1).map((time, at) => time - (inside[at] as number));
  const sorted = gaps.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { blocks: inside.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Kills one of four validators for so many seconds and measures how it comes back; `blockTime` in seconds. */
export async function measureRejoin(seconds: number, blockTime: number): Promise<Rejoin> {
  const flags = ["--execution-empty-block-interval", String(blockTime), "--log-level", "info"];
  await using network = makeNetwork({ validators: VALIDATORS, blockTime, flags });
  const [watched, , , late] = network.nodes as readonly [TestNode, TestNode, TestNode, TestNode];
  const others = network.nodes.filter((node) => node !== late);
  await Promise.all(network.nodes.map(network.start));
  await untilAbove(network.nodes, WARM_UP_BLOCKS);
  const warm = Date.now();
  await untilAbove(network.nodes, (await heightOf(watched)) + BEFORE_BLOCKS);
  const killed = Date.now();
  await network.stop(late);
  await Bun.sleep(seconds * 1_000);

  const started = Date.now();
  await network.start(late);
  const serving = Date.now();
  const first = await heightOf(late);
  const highest = async (): Promise<number> => Math.max(...(await Promise.all(others.map(heightOf))));
  const behind = (await highest()) - first;
  // The others are asked first: what they have then, it has a moment later.
  const last = await until(
    "the late validator has the newest block",
    async () => {
      const newest = await highest();
      return (await heightOf(late)) >= newest && newest;
    },
    LEVEL_MS,
  );
  const level = Date.now();
  await untilAbove(network.nodes, last + 1);
  const times = finalTimes(watched);
  return {
    away: (started - killed) / 1_000,
    behind,
    sinceStart: (level - started) / 1_000,
    sinceServing: (level - serving) / 1_000,
    rate: (last - first) / ((level - serving) / 1_000),
    before: paceBetween(times, warm, killed),
    without: paceBetween(times, killed, started),
    meanwhile: paceBetween(times, started, level),
  };
}

/** One line, and the others' pace below it. */
export function describeRejoin(rejoin: Rejoin): string {
  const pace = (name: string, { blocks, p50, p99, max }: Pace): string =>
    `  ${name}: ${blocks} blocks, one in p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
  return [
    `away ${rejoin.away.toFixed(0)} s, ${rejoin.behind} blocks behind a running network: level ` +
      `${rejoin.sinceServing.toFixed(1)} s after it served (${rejoin.sinceStart.toFixed(1)} s after it was started), ` +
      `${rejoin.rate.toFixed(0)} blocks/s`,
    pace("all four", rejoin.before),
    pace("the others without it", rejoin.without),
    pace("the others while it caught up", rejoin.meanwhile),
  ].join("\n");
}
