// Faults on real processes, for as long as wanted: npx bun test/e2e/network/faults.ts --rounds 200 --seed 7
// Each round does something bad to a network of validators under load, heals it, and checks what must hold: one chain,
// nothing acknowledged lost, nobody signed twice, progress soon after a quorum is back. Exit code 1 at a violation.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createRng, type Rng } from "#lib/rng.ts";
import { until } from "../../support/kora.ts";
import {
  ask,
  checkSameChain,
  evidenceIn,
  heightOf,
  makeNetwork,
  processOf,
  type TestNetwork,
  type TestNode,
  wipeData,
} from "../../support/network.ts";
import { type Relay, startRelay } from "../../support/relay.ts";
import { startTransfers, type Transfers } from "../../support/transfers.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    validators: { type: "string", default: "4" },
    within: { type: "string", default: "30" },
    only: { type: "string" },
    /** Folder that gets the nodes' logs after a violation. */
    logs: { type: "string" },
  },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
const validators = Number(values.validators);
const withinMs = Number(values.within) * 1_000;
const rng = createRng(seed);
const faulty = Math.floor((validators - 1) / 3);

interface Bench {
  readonly network: TestNetwork;
  /** relays[i][j] carries what i dials of j. */
  readonly relays: ReadonlyMap<string, Relay>;
  readonly rng: Rng;
}

const linkName = (from: number, to: number): string => `${from}>${to}`;

/** Puts a relay into every link: the configurations then name relays instead of nodes. */
async function insertRelays(network: TestNetwork): Promise<ReadonlyMap<string, Relay>> {
  const tomls = network.nodes.map(({ folder }) => readFileSync(join(folder, "node.toml"), "utf8"));
  const listens = tomls.map((toml) => Number(/listen_addr = "127\.0\.0\.1:(\d+)"/.exec(toml)?.[1]));
  const relays = new Map<string, Relay>();
  for (const [from, node] of network.nodes.entries()) {
    let toml = tomls[from] as string;
    for (const [to, port] of listens.entries()) {
      if (to === from) continue;
      const relay = await startRelay(port, rng.fork());
      relays.set(linkName(from, to), relay);
      toml = toml.replace(`@127.0.0.1:${port}"`, `@127.0.0.1:${relay.port}"`);
    }
    writeFileSync(join(node.folder, "node.toml"), toml);
  }
  return relays;
}

function setLinks(bench: Bench, change: (relay: Relay, from: number, to: number) => void): void {
  for (const [name, relay] of bench.relays) {
    const [from, to] = name.split(">").map(Number) as [number, number];
    change(relay, from, to);
    relay.apply();
  }
}

const pause = (least: number, most: number): Promise<void> => Bun.sleep(least + rng.unit() * (most - least));

function victims(bench: Bench, count: number): TestNode[] {
  return bench.rng.shuffle([...bench.network.nodes]).slice(0, count);
}

async function killAndRestart(bench: Bench, nodes: readonly TestNode[], apart: number): Promise<void> {
  await Promise.all(nodes.map((node) => bench.network.stop(node)));
  await pause(0, apart);
  await Promise.all(nodes.map((node) => bench.network.start(node)));
}

async function partition(bench: Bench, side: ReadonlySet<number>): Promise<void> {
  setLinks(bench, (relay, from, to) => {
    relay.state.cut = side.has(from) !== side.has(to);
  });
  await pause(1_000, 4_000);
  setLinks(bench, (relay) => {
    relay.state.cut = false;
  });
}

const FAULTS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  killOne: (bench) => killAndRestart(bench, victims(bench, 1), 1_000),
  killF: (bench) => killAndRestart(bench, victims(bench, Math.max(1, faulty)), 2_000),
  killMajority: (bench) => killAndRestart(bench, victims(bench, faulty + 1), 1_500),
  killAll: (bench) => killAndRestart(bench, bench.network.nodes, 500),
  async longAbsence(bench) {
    const [absent] = victims(bench, 1) as [TestNode];
    await bench.network.stop(absent);
    const other = bench.network.running()[0] as TestNode;
    const height = await heightOf(other);
    await until("the others go on", async () => (await heightOf(other)) > height + 15);
    await bench.network.start(absent);
  },
  async wiped(bench) {
    const [lost] = victims(bench, 1) as [TestNode];
    await bench.network.stop(lost);
    wipeData(lost);
    await bench.network.start(lost);
  },
  isolateOne: (bench) => partition(bench, new Set(victims(bench, 1).map(({ index }) => index))),
  halves: (bench) => partition(bench, new Set(victims(bench, validators >> 1).map(({ index }) => index))),
  async slowLinks(bench) {
    setLinks(bench, (relay) => {
      relay.state.delay = rng.unit() * 200;
      relay.state.jitter = 150;
    });
    await pause(2_000, 5_000);
    setLinks(bench, (relay) => {
      relay.state.delay = 0;
      relay.state.jitter = 0;
    });
  },
};

/** Milliseconds until every node has a block that it had not when the network was whole again. */
async function recovery(bench: Bench): Promise<number> {
  const healed = performance.now();
  const heights = await Promise.all(bench.network.nodes.map(heightOf));
  const highest = Math.max(...heights);
  for (const node of bench.network.nodes) {
    await until(
      `node${node.index} goes on past ${highest}`,
      async () => (await heightOf(node)) > highest,
      withinMs,
    );
  }
  return performance.now() - healed;
}

async function checkAcknowledged(bench: Bench, transfers: Transfers, from: number): Promise<number> {
  const upTo = transfers.acknowledged.length;
  for (let i = from; i < upTo; i++) {
    const { hash, blockHash } = transfers.acknowledged[i] as (typeof transfers.acknowledged)[number];
    for (const node of bench.network.nodes) {
      const found = await until(`${hash} on node${node.index}`, async () => {
        const receipt = await ask<{ blockHash: string } | null>(
          processOf(node),
          "eth_getTransactionReceipt",
          hash,
        );
        return receipt ?? false;
      });
      if (found.blockHash !== blockHash) {
        throw new Error(
          `${hash} was acknowledged in ${blockHash}, node${node.index} has it in ${found.blockHash}`,
        );
      }
    }
  }
  return upTo;
}

function show(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
  else process.stderr.write(`${text}\n`);
}

/** What every node says of its consensus, for the report of a violation. */
async function describeNodes(network: TestNetwork): Promise<string> {
  const lines = network.running().map(async (node) => {
    const status = await ask<Record<string, unknown>>(processOf(node), "kora_nodeStatus").catch(String);
    return `node${node.index} ${JSON.stringify(status)}`;
  });
  return (await Promise.all(lines)).join("\n");
}

function keepLogs(network: TestNetwork): void {
  if (values.logs === undefined) return;
  for (const { index, process: node } of network.nodes) {
    if (node !== undefined)
      writeFileSync(join(values.logs, `node${index}.log`), `${node.out()}${node.err()}`);
  }
}

async function run(): Promise<void> {
  const flags = values.logs === undefined ? [] : ["--log-level", "debug"];
  await using network = makeNetwork({ validators, blockTime: 0.1, flags });
  const bench: Bench = { network, relays: await insertRelays(network), rng };
  await Promise.all(network.nodes.map((node) => network.start(node)));
  const transfers = startTransfers(network.running, rng.fork());
  const names = values.only === undefined ? Object.keys(FAULTS) : values.only.split(",");
  const took: number[] = [];
  let checked = 0;
  let height = 0;
  try {
    for (let round = 1; round <= rounds; round++) {
      const name = rng.pick(names);
      await pause(0, 1_500);
      await FAULTS[name]?.(bench);
      took.push(await recovery(bench));
      height = await checkSameChain(network.nodes, height);
      checked = await checkAcknowledged(bench, transfers, checked);
      const last = Math.round(took.at(-1) as number);
      show(
        `round ${round}/${rounds} ${name}: height ${height}, ${checked} acknowledged, whole after ${last} ms`,
      );
    }
  } catch (error) {
    console.error(`\n${await describeNodes(network)}`);
    keepLogs(network);
    throw error;
  } finally {
    await transfers.stop();
    for (const relay of bench.relays.values()) await relay.close();
  }
  await Promise.all(network.nodes.map((node) => network.stop(node, "SIGTERM")));
  for (const node of network.nodes) {
    const evidence = evidenceIn(node);
    if (evidence.length > 0) throw new Error(`node${node.index} saw ${JSON.stringify(evidence)}`);
  }
  const sorted = took.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
  process.stderr.write("\n");
  console.log(
    `${rounds} rounds, seed ${seed}: 0 violations, height ${height}, ${checked} acknowledged, progress after p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`,
  );
}

try {
  await run();
} catch (error) {
  console.error(`\nviolation: ${error instanceof Error ? error.message : String(error)}`);
  console.error(
    `again: npx bun test/e2e/network/faults.ts --rounds ${rounds} --seed ${seed} --validators ${validators}`,
  );
  process.exit(1);
}
