// Proposes in views that others lead.
import type { Adversary } from "./types.ts";

export const usurper: Adversary = {
  name: "usurper",
  provable: true,
  onSend(rogue, to, message) {
    if (message.type !== "vote" || message.vote.kind !== "notarize") return message;
    const { vote } = message;
    const leads = rogue.core().rounds.get(vote.view)?.built !== undefined;
    const body = leads ? undefined : rogue.bodyOf(vote.payload);
    if (body === undefined) return message;
    const own = rogue.variant(body, {}, false);
    rogue.sendBody(to, own);
    return { type: "vote", vote: rogue.vote({ ...vote, payload: own.facts.digest }) };
  },
  onReceive(rogue, from, message) {
    if (message.type !== "vote" || message.vote.kind !== "notarize") return true;
    const { view } = message.vote;
    const body = rogue.bodyOf(message.vote.payload);
    if (body === undefined || body.facts.view !== view || rogue.rng.chance(0.5)) return true;
    const own = rogue.variant(body, {}, false);
    for (let to = 0; to < rogue.n; to++) {
      if (to === rogue.index || to === from) continue;
      rogue.sendBody(to, own);
      rogue.send(to, { type: "vote", vote: rogue.vote({ ...message.vote, payload: own.facts.digest }) });
    }
    return true;
  },
};
