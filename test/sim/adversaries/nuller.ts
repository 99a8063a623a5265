// Nullifies what it finalizes, and finalizes what it nullifies.
import { ZERO_HASH } from "#types/ids.ts";
import type { Adversary } from "./types.ts";

export const nuller: Adversary = {
  name: "nuller",
  provable: true,
  onSend(rogue, to, message) {
    if (message.type !== "vote") return message;
    const { kind, epoch, view } = message.vote;
    if (kind === "finalize") {
      const nullify = rogue.vote({ kind: "nullify", epoch, view, parentView: 0, payload: ZERO_HASH });
      rogue.send(to, { type: "vote", vote: nullify });
    } else if (kind === "nullify") {
      const proposal = rogue.core().rounds.get(view)?.proposal;
      if (proposal !== undefined)
        rogue.send(to, { type: "vote", vote: rogue.vote({ ...proposal, kind: "finalize" }) });
    }
    return message;
  },
};
