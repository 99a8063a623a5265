// One load on one chain: four or more validators, or anvil, each with the same generator beside it on this machine.
import type { LoadReport } from "#cli/load/stats.ts";
import { makeNetwork, processOf, type TestNode, untilAbove } from "../../support/network.ts";
import { ANVIL, startServer } from "../../support/servers.ts";
import { type Generated, generate, type LoadKind } from "./generate.ts";
import { flatness, lagPercentile, type Sample, usageOf, watchNodes } from "./watch.ts";

export interface LoadPlan {
  readonly kind: LoadKind;
  readonly seconds: number;
  /** Transactions a second that are offered. */
  readonly rate: number;
  readonly accounts: number;
}

export interface NodeFigures {
  /** CPU microseconds per final transaction, everything the process did included. */
  readonly cpuPerTransaction: number;
  /** Share of one core. */
  readonly cpu: number;
  readonly lagP99: number;
  readonly memoryMean: number;
  readonly memoryMost: number;
  readonly memorySlope: number;
  readonly memoryQuarters: number;
  /** Resident bytes, a sample a second. */
  readonly memory: readonly number[];
}

export interface LoadFigures {
  readonly name: string;
  readonly report: LoadReport;
  /** CPU of the generator, as a share of one core. */
  readonly generatorCpu: number;
  /** Final transactions a second on the slowest node, start to end of the load. */
  readonly finalized: number;
  /** Blocks, and views given up, during the load. */
  readonly blocks: number;
  readonly nullified: number;
  readonly nodes: readonly NodeFigures[];
}

/** Transactions sent before the measured ones. */
const WARM_UP = 2_000;

function figuresOf(samples: readonly Sample[]): NodeFigures {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) throw new Error("the load was too short to be sampled");
  const { slope, quarters } = flatness(samples);
  const memory = samples.map((sample) => sample.memory);
  const cpu = last.cpu - first.cpu;
  return {
    cpuPerTransaction: (cpu / (last.finalized - first.finalized)) * 1e6,
    cpu: cpu / (last.at - first.at),
    lagP99: lagPercentile(first, last, 0.99),
    memoryMean: memory.reduce((sum, bytes) => sum + bytes, 0) / memory.length,
    memoryMost: Math.max(...memory),
    memorySlope: slope,
    memoryQuarters: quarters,
    memory,
  };
}

const generatorShare = ({ cpuSeconds, seconds }: LoadReport): number => cpuSeconds / seconds;

/** What the nodes complained of, and their last lines. */
function complaints(nodes: readonly TestNode[]): string {
  const lines = nodes.flatMap((node) => {
    const all = processOf(node).err().trim().split("\n");
    const loud = all.filter((line) => /"level":"(warn|error)"/.test(line)).slice(-10);
    return [...loud, ...all.slice(-3)].map((line) => `node${node.index} ${line}`);
  });
  return lines.join("\n");
}

export interface NetworkPlan {
  readonly validators: number;
  /** Seconds. */
  readonly blockTime: number;
  readonly gasLimit: number;
  readonly flags?: readonly string[];
}

/** Offers a load to a new network, the generator sending to every validator in turn. */
export async function loadNetwork(plan: LoadPlan, network: NetworkPlan): Promise<LoadFigures> {
  await using running = makeNetwork(network);
  const { nodes } = running;
  await Promise.all(nodes.map(running.start));
  await untilAbove(nodes, 0);
  const request = { ...plan, urls: nodes.map((node) => processOf(node).url) };
  const send = async (total: number): Promise<Generated> => {
    try {
      return await generate({ ...request, total });
    } catch (error) {
      console.error(complaints(nodes));
      throw error;
    }
  };
  await send(WARM_UP);
  using watch = watchNodes(nodes);
  const { report, from, to } = await send(Math.round(plan.rate * plan.seconds));
  const during = watch.samples.map((of) => of.filter(({ at }) => at >= from && at <= to));
  await Promise.all(nodes.map((node) => running.stop(node, "SIGTERM")));
  const pace = (samples: readonly Sample[]): number => {
    const [first, last] = [samples[0] as Sample, samples.at(-1) as Sample];
    return (last.finalized - first.finalized) / (last.at - first.at);
  };
  const [first, last] = [during[0]?.[0] as Sample, during[0]?.at(-1) as Sample];
  return {
    name: `kora, ${network.validators} validators`,
    report,
    blocks: last.height - first.height,
    nullified: last.nullified - first.nullified,
    generatorCpu: generatorShare(report),
    finalized: Math.min(...during.map(pace)),
    nodes: during.map(figuresOf),
  };
}

/** The same on anvil with one block a second. */
export async function loadAnvil(plan: LoadPlan): Promise<LoadFigures> {
  const anvil = await startServer("anvil", [
    ...[ANVIL, "--port", "0", "--block-time", "1", "--gas-limit", "120000000"],
  ]);
  const request = { ...plan, urls: [anvil.url] };
  await generate({ ...request, total: WARM_UP });
  const before = usageOf(anvil.pid);
  const { report } = await generate({ ...request, total: Math.round(plan.rate * plan.seconds) });
  const after = usageOf(anvil.pid);
  anvil.stop();
  const cpu = after.cpu - before.cpu;
  return {
    name: "anvil --block-time 1",
    report,
    generatorCpu: generatorShare(report),
    finalized: report.rate,
    blocks: Number.NaN,
    nullified: Number.NaN,
    nodes: [
      {
        cpuPerTransaction: (cpu / report.included) * 1e6,
        cpu: cpu / report.seconds,
        lagP99: Number.NaN,
        memoryMean: after.memory,
        memoryMost: after.memory,
        memorySlope: Number.NaN,
        memoryQuarters: Number.NaN,
        memory: [after.memory],
      },
    ],
  };
}
