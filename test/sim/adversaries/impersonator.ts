// Votes under somebody else's index, with its own seal.
import type { Adversary } from "./types.ts";

export const impersonator: Adversary = {
  name: "impersonator",
  provable: false,
  onSend(rogue, to, message) {
    if (message.type !== "vote" || rogue.rng.chance(0.5)) return message;
    const signer = (rogue.index + 1 + rogue.rng.below(rogue.n)) % rogue.n;
    rogue.send(to, { type: "vote", vote: { ...message.vote, signer } });
    rogue.send(to, { type: "echo", vote: { ...message.vote, signer: to } });
    return message;
  },
};
