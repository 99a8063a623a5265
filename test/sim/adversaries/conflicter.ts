// Signs two different votes in a view, and shows each to a part of the others.
import { digestOf } from "../stand-in.ts";
import type { Adversary } from "./types.ts";

export const conflicter: Adversary = {
  name: "conflicter",
  provable: true,
  onSend(rogue, to, message) {
    if (message.type !== "vote" || message.vote.kind === "nullify" || rogue.rng.chance(0.3)) return message;
    const { kind, epoch, view, parentView } = message.vote;
    const other = rogue.vote({ kind, epoch, view, parentView, payload: digestOf(view, 0xbad) });
    if (rogue.rng.chance(0.5)) rogue.send(to, { type: "vote", vote: other });
    return message;
  },
};
