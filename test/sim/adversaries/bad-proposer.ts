// As leader, proposes blocks that are wrong in one way: a header field, the execution, the clock, the parent.
import { digestOf } from "../stand-in.ts";
import type { Adversary, Rogue } from "./types.ts";

type Flaw = (facts: Facts, rogue: Rogue) => Partial<Facts>;
type Facts = Parameters<NonNullable<Adversary["onBuild"]>>[2]["facts"];

const FLAWS: readonly Flaw[] = [
  (facts) => ({ epoch: facts.epoch + 1 }),
  (facts) => ({ view: facts.view + 1 }),
  (facts) => ({ parentView: facts.parentView + 1 }),
  (facts) => ({ parent: digestOf(facts.view, 1) }),
  // A real block, but not the one in the parent view.
  (facts, rogue) => ({ parent: rogue.bodyOf(facts.parent)?.facts.parent ?? facts.parent }),
  (facts) => ({ height: facts.height + 1 }),
  (facts) => ({ prevRandao: digestOf(facts.view, 2) }),
  (facts) => ({ timestamp: facts.timestamp + 60 }),
];

export const badProposer: Adversary = {
  name: "badProposer",
  provable: false,
  onBuild(rogue, _request, body) {
    const choice = rogue.rng.below(FLAWS.length + 4);
    const flaw = FLAWS[choice];
    if (flaw !== undefined) return rogue.variant(body, flaw(body.facts, rogue), false);
    return choice < FLAWS.length + 2 ? rogue.variant(body, {}, true) : body;
  },
  onSend(rogue, to, message) {
    if (message.type !== "vote" || message.vote.kind !== "notarize") return message;
    const core = rogue.core();
    const { vote } = message;
    if (core.rounds.get(vote.view)?.built !== vote.payload || to % 2 === 0) return message;
    // A parent that is not below the view, one that is buried, one that skips views without saying so.
    const parentView = rogue.rng.pick([
      vote.view,
      vote.view + 3,
      Math.max(0, core.finalizedView - 1),
      Math.max(0, vote.view - 2),
    ]);
    const held = core.rounds.get(parentView)?.certificates.notarize?.payload;
    const body = rogue.bodyOf(vote.payload);
    const parent = held === undefined ? undefined : rogue.bodyOf(held);
    if (body === undefined) return message;
    const place =
      parent === undefined
        ? { parentView }
        : { parentView, parent: parent.facts.digest, height: parent.facts.height + 1 };
    const own = rogue.variant(body, place, false);
    rogue.sendBody(to, own);
    return { type: "vote", vote: rogue.vote({ ...vote, parentView, payload: own.facts.digest }) };
  },
};
