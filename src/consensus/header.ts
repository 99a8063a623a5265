// R3, R13: what a block's header must repeat of its place in the chain. Pure comparisons; execution is elsewhere.
import type { Hash } from "#types/ids.ts";
import type { Rules } from "./rules.ts";

/** The fields of a block that consensus fixes. */
export interface BlockFacts {
  readonly digest: Hash;
  readonly parent: Hash;
  readonly height: number;
  /** extraData: epoch, view, parent view. */
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  readonly prevRandao: Hash;
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
}

/** What the header must say. */
export interface ExpectedFacts {
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  readonly parent: Hash;
  readonly parentHeight: number;
  /** undefined: not checked, because no seed of that round is used. */
  readonly prevRandao: Hash | undefined;
}

/** Why the header is wrong, or undefined if it is right. No clock enters: the answer is the same on every node (R4). */
export function headerFlaw(facts: BlockFacts, expected: ExpectedFacts, rules: Rules): string | undefined {
  const round = facts.epoch === expected.epoch && facts.view === expected.view;
  if (rules.r3ExtraData && !(round && facts.parentView === expected.parentView)) return "extraData";
  if (rules.r3ParentHash && facts.parent !== expected.parent) return "parentHash";
  if (rules.r3Height && facts.height !== expected.parentHeight + 1) return "number";
  const randao = expected.prevRandao;
  if (rules.r13Recomputed && randao !== undefined && facts.prevRandao !== randao) return "mixHash";
  return undefined;
}
