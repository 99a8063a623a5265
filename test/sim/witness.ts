// L8's second half: who stands beside an honest node and remembers what a Byzantine signer told it, so as to know when
// that node holds proof. It knows only what was delivered; whether a slot was open it reads off the node's rounds.
import type { Core } from "#consensus/state.ts";
import { sameSubject, type Vote } from "#types/vote.ts";

export interface Witness {
  /** A vote with a good envelope is about to be delivered; whether the node must afterwards have caught its signer. */
  hears(core: Core, vote: Vote): boolean;
}

/** One life of one honest node. */
export function createWitness(): Witness {
  const told = new Map<string, Vote>();
  const slot = ({ kind, view, signer }: Vote, of = kind): string => `${of}/${view}/${signer}`;

  /** Whether the core takes a first vote of this kind and signer in this view. */
  function open(core: Core, { view, kind, signer }: Vote): boolean {
    if (view <= core.finalizedView || view > core.view + 1) return false;
    const round = core.rounds.get(view);
    return round?.certificates[kind] === undefined && round?.spoiled.includes(signer) !== true;
  }
  return {
    hears(core, vote) {
      const { view, kind, signer, epoch } = vote;
      if (epoch !== core.config.epoch || view > core.view + 1) return false;
      const round = core.rounds.get(view);
      // A signer whose partial was bad lost its votes of this view, and was cut off for that.
      if (round?.spoiled.includes(signer) === true) return false;
      const before = told.get(slot(vote));
      if (before !== undefined) return round !== undefined && !sameSubject(before, vote);
      if (!open(core, vote)) return false;
      told.set(slot(vote), vote);
      return kind !== "notarize" && told.has(slot(vote, kind === "nullify" ? "finalize" : "nullify"));
    },
  };
}
