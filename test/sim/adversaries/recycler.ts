// As leader, shows one victim a block made for the next view, which is wrong in this one; if it leads the next view too,
// it proposes that very block there, where it is right. Who takes one place's verdict for the other's is stuck.
import type { SimBody } from "../chain.ts";
import type { Adversary, Rogue } from "./types.ts";

const early = new WeakMap<Rogue, SimBody>();

export const recycler: Adversary = {
  name: "recycler",
  provable: false,
  onBuild(rogue, _request, body) {
    const kept = early.get(rogue)?.facts;
    const { view, parentView } = body.facts;
    if (kept?.view === view && kept.parentView === parentView) return early.get(rogue) ?? body;
    early.set(rogue, rogue.variant(body, { view: view + 1 }, false));
    return body;
  },
  onSend(rogue, to, message) {
    if (message.type !== "vote" || message.vote.kind !== "notarize") return message;
    const { vote } = message;
    const next = early.get(rogue);
    if (next?.facts.view !== vote.view + 1 || vote.view % 4 === 0) return message;
    // Nobody else hears a proposal, so that the view is given up and the next one has the same parent.
    if (to !== (rogue.index + 1) % rogue.n) return undefined;
    rogue.sendBody(to, next);
    return { type: "vote", vote: rogue.vote({ ...vote, payload: next.facts.digest }) };
  },
};
