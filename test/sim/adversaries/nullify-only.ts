// Nullifies every view the moment it begins, and votes for nothing.
import { ZERO_HASH } from "#types/ids.ts";
import type { Adversary } from "./types.ts";

export const nullifyOnly: Adversary = {
  name: "nullifyOnly",
  provable: false,
  onSend(rogue, _to, message) {
    if (message.type !== "vote") return message;
    const { epoch, view } = message.vote;
    return {
      type: "vote",
      vote: rogue.vote({ kind: "nullify", epoch, view, parentView: 0, payload: ZERO_HASH }),
    };
  },
};
