// Where the CPU of a final transaction goes: the same network run from source under the runtime's sampling profiler,
// each sample given to the part of the program whose code was innermost.
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryFolder } from "../../support/kora.ts";
import { type LoadFigures, type LoadPlan, loadNetwork, type NetworkPlan } from "./load.ts";

const ROOT = resolve(import.meta.dir, "../../..");
/** Microseconds between samples. */
const INTERVAL = 250;
/** A longer gap between samples is a pause of the process, not work. */
const MOST = 4 * INTERVAL;

/** Parts of the program by the files of their code; the first that fits the innermost named frame is it. */
const PARTS: readonly (readonly [part: string, files: RegExp])[] = [
  ["sender recovery", /src\/crypto\/(secp256k1|recovery)|node_modules\/secp256k1/],
  ["votes and certificates", /src\/crypto\/(bls|threshold|identity)|mcl-wasm|validators\/votes/],
  ["keccak", /src\/crypto\/(keccak|hash\.ts)|hash-wasm/],
  ["transaction and receipt roots", /src\/execution\/(tries|bloom)/],
  ["decoding, encoding", /src\/types\/|src\/lib\/rlp|@ethereumjs\/rlp|src\/crypto\/digest/],
  ["execution", /src\/execution\/|@ethereumjs\//],
  ["SQLite", /src\/state\/store|bun:sqlite/],
  ["state tree, log and indexes", /src\/state\//],
  ["pool journal", /src\/chain\/pool-journal|src\/node\/journal-file/],
  ["pool", /src\/chain\/(pool|service)/],
  ["RPC", /src\/rpc\/|elysia|src\/node\/chain-port/],
  ["relaying transactions", /src\/node\/validators\/relay/],
  [
    "network: streams, encryption",
    /src\/net\/|libp2p|chacha20poly1305|uint8array|multiformats|main-event|node:net/,
  ],
  ["consensus and its journal", /src\/(node\/)?consensus\/|src\/node\/validators\//],
  ["blocks: building, judging, recording", /src\/chain\//],
  ["metrics, logs", /src\/node\/(metrics|observe|log)|pino/],
];
const OTHER = "runtime: collector, event loop";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly url: string };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const partOf = (url: string): string | undefined => PARTS.find(([, files]) => files.test(url))?.[0];

/** Adds the sampled microseconds of one profile to `totals`. */
export function addProfile({ nodes, samples, timeDeltas }: Profile, totals: Map<string, number>): void {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const own = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame.url)]));
  for (const [at, id] of samples.entries()) {
    let node: number | undefined = id;
    while (node !== undefined && own.get(node) === undefined) node = parents.get(node);
    const part = node === undefined ? OTHER : (own.get(node) as string);
    totals.set(part, (totals.get(part) ?? 0) + Math.min(timeDeltas[at] as number, MOST));
  }
}

export interface PartFigure {
  readonly part: string;
  /** Of all CPU. */
  readonly share: number;
  /** CPU microseconds per final transaction on each node. */
  readonly micros: number;
}

export interface ProfiledLoad {
  readonly figures: LoadFigures;
  readonly parts: readonly PartFigure[];
}

/** A program in the binary's place: this source under the profiler, its profiles left in `folder`. */
function writeLauncher(folder: string): string {
  const launcher = join(folder, "kora");
  const runtime = `${process.execPath} --cpu-prof --cpu-prof-interval ${INTERVAL} --cpu-prof-dir ${folder}/profiles`;
  const main = join(ROOT, "src/main.ts");
  writeFileSync(
    launcher,
    `#!/bin/sh\ncase "$*" in\n*--config*) exec ${runtime} ${main} "$@" ;;\n*) exec ${process.execPath} ${main} "$@" ;;\nesac\n`,
  );
  chmodSync(launcher, 0o700);
  return launcher;
}

/** Runs `plan` on a new network under the profiler. `use` names the program that is run in the binary's place. */
export async function profileNetwork(
  plan: LoadPlan,
  network: NetworkPlan,
  use: (program: string) => void,
): Promise<ProfiledLoad> {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "profiles"));
  use(writeLauncher(folder.path));
  const figures = await loadNetwork(plan, network);
  const totals = new Map<string, number>();
  for (const name of readdirSync(join(folder.path, "profiles"))) {
    addProfile(JSON.parse(readFileSync(join(folder.path, "profiles", name), "utf8")), totals);
  }
  const sum = [...totals.values()].reduce((all, each) => all + each, 0);
  const perTransaction =
    figures.nodes.reduce((all, node) => all + node.cpuPerTransaction, 0) / figures.nodes.length;
  const parts = [...totals].map(([part, micros]) => ({
    part,
    share: micros / sum,
    micros: (micros / sum) * perTransaction,
  }));
  return { figures, parts: parts.sort((a, b) => b.micros - a.micros) };
}
