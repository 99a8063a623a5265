// One validator of the committee misbehaves for a while, as a program of its own: ../variant. The others go on, agree,
// and hold evidence where two signed votes prove it. Afterwards it is honest again, and may sign nothing it may have
// signed before.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../../support/kora.ts";
import {
  ask,
  askEach,
  checkSameChain,
  heightOf,
  processOf,
  type TestNode,
  untilAbove,
} from "../../../support/network.ts";
import { CONDUCTS } from "../variant/conducts.ts";
import { actsOf, type Bench, guardFile, readGuard, signerOf, victims, viewOf } from "./bench.ts";
import type { Checks } from "./checks.ts";

/** Blocks that the honest must make beside it. */
const BLOCKS_BESIDE = 12;
const GO_ON_MS = 45_000;

interface ConductRules {
  /** Two signed votes prove it, so that the others must have them. */
  readonly provable: boolean;
  /** The others refuse to talk to it for longer than a round lasts. */
  readonly banned: boolean;
}

const RULES: Readonly<Record<string, ConductRules>> = {
  equivocate: { provable: true, banned: true },
  garbage: { provable: false, banned: true },
  flood: { provable: false, banned: true },
};

interface Evidence {
  readonly participant: string;
  readonly view: number;
}

/** Evidence against `participant` that a node holds about the blocks from `height` on. */
async function evidenceOf(node: TestNode, participant: string, height: number): Promise<readonly Evidence[]> {
  const from = `0x${height.toString(16)}`;
  const all = await ask<readonly Evidence[]>(processOf(node), "kora_getEvidence", from);
  return all.filter((one) => one.participant === participant);
}

/** The guard of a node of which we know that it signed nothing above `view`, and no journal that says less. */
function guardFrom(node: TestNode, view: number): void {
  const counter = Number(/counter (\d+)/.exec(readGuard(node))?.[1] ?? 0) + 1;
  writeFileSync(guardFile(node), `kora signing guard 1\ncounter ${counter}\nviews up to ${view}\n`);
  for (const suffix of ["", "-wal", "-shm"]) {
    rmSync(join(node.folder, "data", `consensus.db${suffix}`), { force: true });
  }
}

/** Throws where one of the honest holds a block of these hashes. */
async function checkRefused(honest: readonly TestNode[], hashes: readonly string[]): Promise<void> {
  for (const node of honest) {
    const found = await askEach(
      processOf(node),
      "eth_getBlockByHash",
      hashes.map((hash) => [hash, false]),
    );
    const at = found.findIndex((block) => block !== null);
    if (at >= 0) throw new Error(`node${node.index} took a block with a wrong state root: ${hashes[at]}`);
  }
}

async function misbehave(bench: Bench, checks: Checks, conduct: string): Promise<string> {
  const { provable, banned } = RULES[conduct] ?? { provable: false, banned: false };
  const [culprit] = (await victims(bench, 1)) as [TestNode];
  const honest = bench.nodes.filter((node) => node !== culprit);
  const { signer, participant } = signerOf(culprit);
  const height = Math.min(...(await Promise.all(honest.map(heightOf))));
  const from = await viewOf(culprit);
  await bench.kill([culprit]);
  checks.votes.readJournal(culprit);
  bench.culprit = culprit;
  await bench.start(culprit, { VALIDATOR_CONDUCT: conduct, VALIDATOR_SEED: String(bench.rng.u32()) });
  const highest = Math.max(...(await Promise.all(honest.map(heightOf))));
  await untilAbove(honest, highest + BLOCKS_BESIDE, GO_ON_MS);
  if (provable) {
    const found = async (): Promise<boolean> => {
      const held = await Promise.all(honest.map((node) => evidenceOf(node, participant, height)));
      return held.some((evidence) => evidence.length > 0);
    };
    await until(`kora_getEvidence names ${participant}`, found, GO_ON_MS);
  }
  const acts = await until(
    `node${culprit.index} does what it is there for: ${conduct}`,
    () => actsOf(culprit).length > 0 && actsOf(culprit),
    GO_ON_MS,
  );
  if (conduct === "wrongRoot") await checkRefused(honest, [...new Set(acts)]);
  await checkSameChain(honest, height);
  const to = Math.max(...(await Promise.all(bench.nodes.map(viewOf)))) + 1;
  await bench.kill(banned ? bench.nodes : [culprit]);
  checks.votes.excuse(signer, { from, to });
  guardFrom(culprit, to);
  bench.culprit = undefined;
  await Promise.all((banned ? bench.nodes : [culprit]).map((node) => bench.start(node)));
  return `${acts.length} acts${provable ? ", proven" : ""}`;
}

export const BYZANTINE: Readonly<Record<string, (bench: Bench, checks: Checks) => Promise<string>>> =
  Object.fromEntries(
    Object.keys(CONDUCTS).map((conduct) => [
      `byzantine:${conduct}`,
      (bench: Bench, checks: Checks) => misbehave(bench, checks, conduct),
    ]),
  );
