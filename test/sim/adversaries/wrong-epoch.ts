// Speaks of other epochs: its own votes, and certificates that a past committee with the same group key once made.
import { digestOf } from "../stand-in.ts";
import type { Adversary } from "./types.ts";

export const wrongEpoch: Adversary = {
  name: "wrongEpoch",
  provable: false,
  onSend(rogue, to, message) {
    if (message.type !== "vote") return message;
    const { vote } = message;
    const epoch = vote.epoch + rogue.rng.pick([1, 1, 2]);
    const payload = digestOf(vote.view, 0xe90c);
    if (rogue.rng.chance(0.3)) {
      const certificate = rogue.foreign({
        kind: vote.kind,
        epoch,
        view: vote.view + rogue.rng.below(3),
        parentView: vote.parentView,
        payload: vote.kind === "nullify" ? vote.payload : payload,
      });
      rogue.send(to, { type: "certificates", certificates: [certificate] });
    }
    if (rogue.rng.chance(0.3)) rogue.send(to, { type: "vote", vote: rogue.vote({ ...vote, epoch }) });
    return message;
  },
};
