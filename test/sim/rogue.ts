// The hands of a Byzantine validator: its own key, the wire, and every block that was ever made.

import type { Vote } from "#types/vote.ts";
import type { Rng } from "../support/rng.ts";
import type { Rogue } from "./adversaries/types.ts";
import { makeBody } from "./chain.ts";
import type { Sim, SimNode } from "./node.ts";
import type { Post } from "./post.ts";

/** What the adversary of `self` can do. */
export function rogueOf(sim: Sim, post: Post, self: () => SimNode, rng: Rng): Rogue {
  const { crypto, options, ledger } = sim;
  const note = (vote: Vote): Vote => {
    const proposal = vote.kind === "notarize" && sim.leader(vote.view) === vote.signer;
    if (proposal) sim.checkers.proposed(vote.signer, vote);
    return vote;
  };
  return {
    get index() {
      return self().index;
    },
    n: options.n,
    rng,
    core: () => self().driver!.core,
    vote: (subject) => note(crypto.vote(self().index, subject)),
    seal: (vote) => note(crypto.seal({ ...vote, signer: self().index })),
    foreign: (subject) => crypto.certificate(subject),
    send: (to, message) => post.straight(self(), to, message),
    sendBody: (to, body) => post.bodyTo(self(), to, body),
    variant: (like, change, corrupt) => {
      const body =
        ledger?.variant(like, change, corrupt, rng.u32()) ??
        makeBody({ ...like.facts, ...change }, corrupt, rng.u32());
      sim.publish(body);
      return body;
    },
    bodyOf: (digest) => sim.published(digest),
  };
}
