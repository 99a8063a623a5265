// How fast a node that is far behind takes empty blocks from a peer: one certificate for each run, parent hashes, then
// execution and a durable commit. One process, both ends. Usage: bun test/bench/network/catch-up.ts [--blocks 2500]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createBackfill } from "#node/validators/backfill.ts";
import { channelSpecs } from "#node/validators/channels.ts";
import { createSync } from "#node/validators/sync.ts";
import { openTestChain } from "../../support/chain.ts";
import { COMMITTEE, makeFinalChain } from "../../support/finality.ts";
import { createMemoryNetwork } from "../../support/memory-transport.ts";

const { values } = parseArgs({
  options: { blocks: { type: "string", default: "2500" }, rounds: { type: "string", default: "3" } },
});
const BLOCKS = Number(values.blocks);
const MAX_BLOCK_BYTES = 2 * 1024 * 1024;
/** Blocks asked for in the issue, a second. */
const WANTED = 300;

const source = await makeFinalChain(BLOCKS, BLOCKS < 100 ? 1 : 100);
const reachable = BLOCKS - (BLOCKS % (BLOCKS < 100 ? 1 : 100));

async function catchUp(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "kora-bench-"));
  const behind = openTestChain({ directory });
  const network = createMemoryNetwork();
  const [server, client] = COMMITTEE.map(({ publicKey }) => network.join(publicKey));
  if (server === undefined || client === undefined) throw new Error("a committee has members");
  const options = {
    spec: channelSpecs(MAX_BLOCK_BYTES).backfill,
    verifier: source.verifier,
    maxBlockBytes: MAX_BLOCK_BYTES,
    timeoutMs: 10_000,
  };
  createBackfill({ ...options, transport: server, archive: source.archive });
  const backfill = createBackfill({ ...options, transport: client, archive: behind.state.archive });
  await Promise.all([server.start(), client.start()]);
  const started = performance.now();
  await createSync(behind, backfill).reach(reachable);
  const seconds = (performance.now() - started) / 1000;
  behind.close();
  rmSync(directory, { recursive: true, force: true });
  return reachable / seconds;
}

const rates: number[] = [];
for (let round = 0; round < Number(values.rounds); round++) rates.push(await catchUp());
rates.sort((a, b) => a - b);
const median = rates[rates.length >> 1] as number;
console.log(
  `empty blocks caught up, of ${reachable}: median ${median.toFixed(0)} blocks/s, at least ${rates[0]?.toFixed(0)}; wanted ${WANTED}`,
);
source.chain.close();
