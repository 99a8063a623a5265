// How fast a node that is far behind catches up, on real processes: one compiled follower serves a prepared chain, the
// other one starts from genesis; beside it, what executing and committing the same blocks takes with nothing around it.
// And a validator that was away for so many seconds while three others went on and do not wait for it now.
// Usage: bun test/bench/network/catch-up.ts [--empty 10000] [--full 150] [--rounds 3] [--away 150] [--block-time 0.05]
//   [--binary ./kora] [--json FILE]
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseGenesis } from "#chain/genesis-file.ts";
import { createSenderRecovery } from "#crypto/recovery.ts";
import { createMarshal } from "#node/validators/marshal.ts";
import type { Block } from "#types/block.ts";
import { ETHER, openTestChain, testAddress, transfer } from "../../support/chain.ts";
import { makeStoredChain, type StoredChain } from "../../support/finality.ts";
import { writeFollower } from "../../support/follower.ts";
import { startKora, temporaryFolder, until, useBinary } from "../../support/kora.ts";
import { ask, freePorts } from "../../support/network.ts";
import { describeRejoin, measureRejoin } from "./rejoin.ts";

const { values } = parseArgs({
  options: {
    empty: { type: "string", default: "10000" },
    full: { type: "string", default: "150" },
    rounds: { type: "string", default: "3" },
    away: { type: "string", default: "150" },
    "block-time": { type: "string", default: "0.05" },
    binary: { type: "string" },
    json: { type: "string" },
  },
});
if (values.binary !== undefined) useBinary(values.binary);
/** Empty blocks a second, and how much slower than bare execution full ones may be. */
const WANTED_EMPTY = 300;
/** Senders of full blocks, and transfers of each in a block: as many as 30 million gas hold. */
const SENDERS = 100;
const EACH = 14;
const CHAIN_ID = 31_337;
const GENESIS = {
  chain_id: CHAIN_ID,
  timestamp: 1_000,
  allocations: Array.from({ length: SENDERS }, (_, index) => ({
    address: testAddress(index),
    balance: (10_000n * ETHER).toString(),
  })),
};
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] as number;

function transfersAt(height: number): readonly Uint8Array[] {
  return Array.from({ length: SENDERS * EACH }, (_, index) => {
    const nonce = (height - 1) * EACH + Math.floor(index / SENDERS);
    return transfer({ from: index % SENDERS, nonce }).raw;
  });
}

/** The configuration of a follower in `folder`. */
function follower(folder: string, port: number, peers: readonly number[], chain: StoredChain): string {
  return writeFollower({
    folder,
    genesis: JSON.stringify(GENESIS),
    groupPublicKey: chain.groupPublicKey,
    port,
    peers: peers.map((peer) => `127.0.0.1:${peer}`),
  });
}

/** Blocks a second, from the first one that the late node has to the last. */
async function catchUp(root: string, round: number, serving: number, chain: StoredChain): Promise<number> {
  const config = follower(join(root, `late${round}`), 0, [serving], chain);
  await using late = await startKora(["--config", config, "--log-level", "error"]);
  const height = async (): Promise<number> => Number(await ask<string>(late, "eth_blockNumber"));
  const first = await until("the first blocks", async () => (await height()) || false);
  const started = performance.now();
  await until("the last block", async () => (await height()) === chain.blocks.length, 300_000);
  return (chain.blocks.length - first) / ((performance.now() - started) / 1_000);
}

/** Blocks a second of opening, executing and committing, on their own. */
async function bare(root: string, round: number, { blocks }: StoredChain): Promise<number> {
  const senders = createSenderRecovery({ threads: 1 });
  const directory = join(root, `bare${round}`);
  mkdirSync(directory);
  const chain = openTestChain({ directory, genesis: parseGenesis(GENESIS), senders });
  const sync = createMarshal(chain, { next: () => Promise.resolve({ kind: "exhausted" }) });
  const wireOf = ({ header, transactions, hash }: Block) => {
    return { wire: { header, transactions: transactions.map(({ raw }) => raw) }, hash };
  };
  const run = { blocks: blocks.map(wireOf), certificate: undefined };
  const started = performance.now();
  await sync.apply(run);
  const rate = blocks.length / ((performance.now() - started) / 1_000);
  senders.close();
  chain.close();
  return rate;
}

interface Served {
  readonly blocks: number;
  /** Blocks a second of each round, and of bare execution beside it. */
  readonly rates: readonly number[];
  readonly bare: readonly number[];
}

async function measure(name: string, count: number, full: boolean): Promise<Served> {
  using folder = temporaryFolder();
  const serving = join(folder.path, "serving");
  const port = freePorts(1);
  const directory = join(serving, "data");
  mkdirSync(directory, { recursive: true });
  const chain = await makeStoredChain({
    directory,
    genesis: GENESIS,
    blocks: count,
    every: full ? 1 : 64,
    ...(full && { transactions: transfersAt }),
  });
  const config = follower(serving, port, [], chain);
  await using _serving = await startKora(["--config", config, "--log-level", "error"]);
  const rates: number[] = [];
  const plain: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    rates.push(await catchUp(folder.path, round, port, chain));
    plain.push(await bare(folder.path, round, chain));
  }
  const transactions = full ? `, ${(median(rates) * SENDERS * EACH).toFixed(0)} transfers/s` : "";
  const wanted = full ? "" : `; wanted ${WANTED_EMPTY}`;
  console.log(
    `${count} ${name} blocks: median ${median(rates).toFixed(1)} blocks/s${transactions}, ` +
      `at least ${Math.min(...rates).toFixed(1)}${wanted}; executing them alone ${median(plain).toFixed(1)}, ` +
      `ratio ${(median(rates) / median(plain)).toFixed(2)}`,
  );
  return { blocks: count, rates, bare: plain };
}

const results: Record<string, unknown> = {};
if (Number(values.empty) > 0) results["empty"] = await measure("empty", Number(values.empty), false);
if (Number(values.full) > 0) results["full"] = await measure("full", Number(values.full), true);
if (Number(values.away) > 0) {
  const rejoin = await measureRejoin(Number(values.away), Number(values["block-time"]));
  console.log(describeRejoin(rejoin));
  results["rejoin"] = rejoin;
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
