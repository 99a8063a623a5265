// One peer floods one validator of four, on every channel and topic and as fast as it can: the others' blocks come at
// their pace, and the flooded one stays with them. How little it costs is measured by test/bench/network/flood.ts.
import { afterAll, expect, test } from "bun:test";
import { startFlood, watchPace } from "../../support/flood.ts";
import { runKora } from "../../support/kora.ts";
import { checkSameChain, heightOf, makeNetwork, type TestNode, untilAbove } from "../../support/network.ts";

const BLOCK_TIME = 0.1;
const BLOCKS = 20;
/** Frames that make a flood: who sends garbage is cut off at once, and comes again. */
const FLOOD = { "well-formed": 1_000, garbage: 100 } as const;
const network = makeNetwork({
  validators: 4,
  blockTime: BLOCK_TIME,
  flags: ["--execution-empty-block-interval", String(BLOCK_TIME)],
});
afterAll(async () => await network[Symbol.asyncDispose]());

test("a flood from one peer does not slow the others, nor take the flooded one from them", async () => {
  await Promise.all(network.nodes.map((node) => network.start(node)));
  await untilAbove(network.nodes, 3);
  const [victim] = network.nodes as [TestNode];
  const genesis = JSON.parse(runKora(["genesis", "hash", `${victim.folder}/genesis.json`, "--json"]).out);
  for (const kind of ["well-formed", "garbage"] as const) {
    const calm = await watchPace(network, BLOCKS);
    await using flood = await startFlood(victim, genesis.hash, kind);
    const flooded = await watchPace(network, BLOCKS);
    const { sent, connections } = await flood.end();
    console.log(
      `${kind}: ${sent} frames in ${connections} connections, median ${calm.median} ms, then ${flooded.median} ms`,
    );
    expect(sent).toBeGreaterThan(FLOOD[kind]);
    // Wide, for a machine that does other things too: a node that is taken up by a flood misses every turn of its own.
    expect(flooded.median).toBeLessThan(2 * calm.median + 100);
    await untilAbove([victim], (await heightOf(network.nodes[1] as TestNode)) - 1);
  }
  await checkSameChain(network.nodes);
}, 120_000);
