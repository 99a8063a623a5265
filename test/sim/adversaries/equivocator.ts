// As leader, proposes different blocks to different halves, and sometimes the second one to everybody later.
import type { SimBody } from "../chain.ts";
import type { Adversary, Rogue } from "./types.ts";

const second = new WeakMap<Rogue, Map<number, SimBody>>();

export const equivocator: Adversary = {
  name: "equivocator",
  provable: true,
  onBuild(rogue, _request, body) {
    const made = second.get(rogue) ?? new Map<number, SimBody>();
    second.set(rogue, made);
    made.set(body.facts.view, rogue.variant(body, {}, false));
    return body;
  },
  onSendBody(rogue, to, body) {
    const other = second.get(rogue)?.get(body.facts.view);
    if (other !== undefined) rogue.sendBody(to, other);
    return true;
  },
  onSend(rogue, to, message) {
    if (message.type !== "vote" || message.vote.kind !== "notarize") return message;
    const { vote } = message;
    const other = second.get(rogue)?.get(vote.view);
    if (other === undefined) return message;
    const twin = { type: "vote", vote: rogue.vote({ ...vote, payload: other.facts.digest }) } as const;
    if (rogue.rng.chance(0.4)) rogue.send(to, twin);
    return to % 2 === 0 ? message : twin;
  },
};
