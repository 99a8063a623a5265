// What one schedule is made of: drawn from its seed, first which faults exist, then how strong they are.
import type { SchemeKind } from "#consensus/state.ts";
import { maxFaulty } from "#types/quorum.ts";
import { createRng, type Rng } from "../support/rng.ts";
import { ADVERSARY_NAMES } from "./adversaries/names.ts";

export type PartitionKind = "halves" | "ring" | "isolated" | "swizzled";

export interface Options {
  readonly seed: number;
  readonly n: number;
  /** A follower without a key beside the validators. */
  readonly follower: boolean;
  readonly scheme: SchemeKind;
  /** Adversary of each Byzantine validator by index. */
  readonly byzantine: ReadonlyMap<number, string>;
  readonly views: number;
  /** One-way delay in ms: minimum and spread. */
  readonly delay: number;
  readonly spread: number;
  readonly loss: number;
  readonly duplication: number;
  readonly partitions: readonly PartitionKind[];
  /** Mean ms between partitions and their length. */
  readonly partitionEvery: number;
  readonly partitionLength: number;
  /** Mean ms between kills of one process; 0: none. */
  readonly killEvery: number;
  /** The whole cluster at once instead of one. */
  readonly killAll: boolean;
  readonly downTime: number;
  /** A node restarts from an old copy of its journal. */
  readonly backups: boolean;
  readonly drift: number;
  readonly wallSkew: number;
  readonly buildTime: number;
  readonly verifyTime: number;
  readonly finalizeTime: number;
  /** Asynchronous answers of the cryptography, ms; 0: at once. */
  readonly cryptoTime: number;
  /** Validators that start late, or are never started in the first phase. */
  readonly absent: ReadonlySet<number>;
  /** They stay away in the second phase too. */
  readonly absentForever: boolean;
  /** Votes for blocks without verification: exercises refused certifications. */
  readonly careless: boolean;
  /** Everything passes through its wire form. */
  readonly wire: boolean;
  /** Executable transactions always wait. */
  readonly busy: boolean;
  /** Shorter than finalizing takes, or longer: only then is a chain ever quiet. */
  readonly blockTime: number;
  readonly emptyInterval: number;
  readonly phaseOneMs: number;
  /** Who is far behind takes the chain from another by runs of blocks, not body by body. */
  readonly catchUp: boolean;
  /** Chosen scenarios only: an operator lifts the signing guard's bar up to this view (R18). */
  readonly guardOverride?: number;
  /** Chosen scenarios only: what happens when. */
  readonly script?: readonly Step[];
  /** Chosen scenarios only: every process dies right after it made such a record durable for the first time. */
  readonly killOn?: "nullify" | "verdict" | "notarize";
  /** Chosen scenarios only: slot whose execution takes that many times longer. */
  readonly slow?: { readonly slot: number; readonly factor: number };
  /** Chosen scenarios only: this slot gets no votes, only certificates. */
  readonly voteless?: number;
  /** Chosen scenarios only: absent nodes join with another's chain and its newest finalization, and nothing else. */
  readonly joinAtFloor?: boolean;
  /** Chosen scenarios only: no goal beyond `views`, which ends the schedule wherever it is. */
  readonly short?: boolean;
}

/** One thing that a scenario makes happen; nodes are named by slot. */
export type Step = { readonly at: number } & (
  | { readonly do: "kill" | "start" | "backup" | "restore"; readonly slot: number }
  | { readonly do: "cut"; readonly groups: readonly (readonly number[])[] }
  | { readonly do: "heal" }
);

/** So long that chain.db falls a whole window of views behind what is final, before everybody is killed. */
export const SLOW_DISK_MS = 40;
/** Views that a schedule over the true ledger has at least: the phases add theirs. */
const REAL_VIEWS = 10;
const PARTITIONS: readonly PartitionKind[] = ["halves", "ring", "isolated", "swizzled"];

function byzantineOf(rng: Rng, n: number): Map<number, string> {
  const byzantine = new Map<number, string>();
  const f = maxFaulty(n);
  if (f === 0 || rng.chance(0.25)) return byzantine;
  const count = 1 + rng.below(f);
  const order = rng.shuffle(Array.from({ length: n }, (_, i) => i));
  for (const index of order.slice(0, count)) byzantine.set(index, rng.pick(ADVERSARY_NAMES));
  return byzantine;
}

/** The default mix: every size from 1 to 10, every fault. */
export function swarmOptions(seed: number): Options {
  const rng = createRng(seed);
  const n = 1 + rng.below(10);
  const byzantine = byzantineOf(rng, n);
  const careless = rng.chance(0.05);
  // A careless voter needs somebody whose blocks are wrong.
  if (careless) for (const index of byzantine.keys()) byzantine.set(index, "badProposer");
  const honest = Array.from({ length: n }, (_, i) => i).filter((i) => !byzantine.has(i));
  const spare = maxFaulty(n) - byzantine.size;
  const absent = new Set<number>(
    spare > 0 && rng.chance(0.3) ? rng.shuffle([...honest]).slice(0, 1 + rng.below(spare)) : [],
  );
  const kills = rng.chance(0.4);
  const verifyTime = rng.pick([0, 0, 1, 20, 60]);
  // A lone leader that builds faster than others execute is never caught up with.
  const slowest = n <= 2 ? verifyTime * 2 : 0;
  const drawn: Options = {
    seed,
    n,
    follower: rng.chance(0.15),
    scheme: rng.chance(0.1) ? "identity" : "threshold",
    byzantine,
    views: 40,
    delay: rng.pick([0.5, 1, 5]),
    spread: rng.pick([0, 1, 10, 40, 150]),
    loss: rng.chance(0.5) ? rng.pick([0.01, 0.1, 0.3, 0.5]) : 0,
    duplication: rng.chance(0.3) ? 0.1 : 0,
    partitions: rng.chance(0.4) ? PARTITIONS.filter(() => rng.chance(0.5)) : [],
    partitionEvery: rng.pick([200, 600, 2_000]),
    partitionLength: rng.pick([50, 300, 1_500]),
    killEvery: kills ? rng.pick([100, 300, 1_000, 3_000]) : 0,
    killAll: kills && rng.chance(0.3),
    downTime: rng.pick([1, 50, 500]),
    backups: kills && rng.chance(0.5),
    drift: rng.chance(0.3) ? 0.02 : 0,
    wallSkew: rng.chance(0.2) ? 2 : 0,
    buildTime: Math.max(slowest, rng.pick([0, 0, 1, 20])),
    verifyTime,
    finalizeTime: rng.pick([0, 0, 1, 3]),
    cryptoTime: rng.chance(0.3) ? rng.pick([1, 8]) : 0,
    absent,
    absentForever: rng.chance(0.6),
    careless,
    wire: rng.chance(0.1),
    busy: rng.chance(0.7),
    blockTime: rng.pick([5, 5, 25]),
    emptyInterval: rng.pick([10, 60, 400]),
    phaseOneMs: rng.pick([200, 600, 1_500, 4_000]),
    catchUp: rng.chance(0.5),
  };
  const alone = n === 1 && !drawn.follower && drawn.busy && seed % 2 === 1;
  const slowDisks = drawn.killAll && drawn.downTime === 50 && drawn.phaseOneMs === 1_500;
  return {
    ...drawn,
    scheme: alone ? "solo" : drawn.scheme,
    finalizeTime: slowDisks ? SLOW_DISK_MS : drawn.finalizeTime,
  };
}

/** Over the true ledger: the same mix, shorter, and always with the seeds that a chain's blocks need. */
export function realOptions(seed: number): Options {
  const options = swarmOptions(seed);
  return {
    ...options,
    scheme: "threshold",
    views: REAL_VIEWS,
    phaseOneMs: Math.min(options.phaseOneMs, 600),
  };
}

/** Everybody well and near: the plain schedule by which speed is measured. */
export function calmOptions(seed: number, n: number, views: number): Options {
  return {
    ...swarmOptions(seed),
    n,
    follower: false,
    scheme: "threshold",
    byzantine: new Map(),
    views,
    delay: 1,
    spread: 5,
    loss: 0,
    duplication: 0,
    partitions: [],
    killEvery: 0,
    killAll: false,
    backups: false,
    drift: 0,
    wallSkew: 0,
    buildTime: 0,
    verifyTime: 0,
    finalizeTime: 0,
    cryptoTime: 0,
    absent: new Set(),
    absentForever: false,
    careless: false,
    wire: false,
    busy: true,
    blockTime: 5,
    phaseOneMs: 0,
  };
}
