// What a flooding peer costs the others: intervals between final blocks of a network of four, with and without one peer
// that sends as fast as it can, in turns; medians and ratios. The flood comes from a stranger or from a member of the
// committee: frames that nobody is blamed for and garbage on every channel and topic, or bodies that cost much to open
// (from a member). Each round begins with a node that has blocked nobody yet. Usage:
//   bun test/bench/network/flood.ts [--block-time 0.2] [--blocks 100] [--rounds 2] [--binary ./kora]
//     [--flooder stranger,member] [--kind well-formed,garbage,bodies]
import { parseArgs } from "node:util";
import { type Flooder, type FloodKind, type Quiet, startFlood, watchPace } from "../../support/flood.ts";
import { runKora, useBinary } from "../../support/kora.ts";
import { heightOf, makeNetwork, type TestNode, untilAbove } from "../../support/network.ts";

const { values } = parseArgs({
  options: {
    "block-time": { type: "string", default: "0.2" },
    blocks: { type: "string", default: "100" },
    rounds: { type: "string", default: "2" },
    binary: { type: "string" },
    flooder: { type: "string", default: "stranger,member" },
    kind: { type: "string", default: "well-formed,garbage,bodies" },
  },
});
if (values.binary !== undefined) useBinary(values.binary);
const blockTime = Number(values["block-time"]);
const blocks = Number(values.blocks);
const network = makeNetwork({
  validators: 4,
  blockTime,
  flags: ["--execution-empty-block-interval", String(blockTime)],
});
const [victim, ...others] = network.nodes as [TestNode, TestNode, TestNode, TestNode];
const [, , last] = others;
const genesis = JSON.parse(runKora(["genesis", "hash", `${victim.folder}/genesis.json`, "--json"]).out);
const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] as number;
const line = (name: string, of: readonly Quiet[]): string => {
  const [at, p99, cpu, other] = (["median", "p99", "victimCpu", "otherCpu"] as const).map((key) =>
    median(of.map((each) => each[key])),
  ) as [number, number, number, number];
  return `${name.padEnd(12)} interval ${at.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms; CPU of the flooded ${(100 * cpu).toFixed(0)} %, of others ${(100 * other).toFixed(0)} %`;
};

try {
  for (const flooder of values.flooder.split(",") as Flooder[]) {
    for (const node of network.nodes) {
      const wanted = flooder === "stranger" || node !== last;
      if (wanted && node.process === undefined) await network.start(node);
      if (!wanted && node.process !== undefined) await network.stop(node);
    }
    await untilAbove(network.running(), 3);
    for (const kind of values.kind.split(",") as FloodKind[]) {
      // Strangers have no channel for bodies.
      if (kind === "bodies" && flooder === "stranger") continue;
      const calm: Quiet[] = [];
      const flooded: Quiet[] = [];
      let sent = 0;
      let connections = 0;
      for (let round = 0; round < Number(values.rounds); round++) {
        await network.stop(victim, "SIGTERM");
        await network.start(victim);
        await untilAbove([victim], await heightOf(others[0] as TestNode));
        calm.push(await watchPace(network, blocks));
        const flood = await startFlood(victim, genesis.hash, kind, flooder === "member" ? last : undefined);
        flooded.push(await watchPace(network, blocks));
        const counts = await flood.end();
        sent += counts.sent;
        connections += counts.connections;
      }
      const ratio = (key: "median" | "p99"): string =>
        `×${(median(flooded.map((each) => each[key])) / median(calm.map((each) => each[key]))).toFixed(2)}`;
      console.log(`${flooder}, ${kind}: ${sent} frames in ${connections} connections`);
      console.log(`  ${line("calm", calm)}`);
      console.log(`  ${line("flooded", flooded)}`);
      console.log(`  ratio: median ${ratio("median")}, p99 ${ratio("p99")}`);
    }
  }
} finally {
  await network[Symbol.asyncDispose]();
}
process.exit(0);
