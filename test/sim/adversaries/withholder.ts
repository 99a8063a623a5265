// Votes, but keeps bodies to itself: shows its own to too few, and answers no request.
import type { Adversary } from "./types.ts";

export const withholder: Adversary = {
  name: "withholder",
  provable: false,
  onSendBody: (rogue, to, body) => to % 3 === body.facts.view % 3 && rogue.rng.chance(0.8),
  onReceive: (_rogue, _from, message) => message.type !== "request",
};
