// One bad partial of two, in every view: now the vote's, now the seed's, sometimes that of another namespace.
import type { Adversary } from "./types.ts";

const flip = (bytes: Uint8Array): Uint8Array => bytes.map((b, i) => (i === 1 ? b ^ 0x40 : b));

export const badPartial: Adversary = {
  name: "badPartial",
  provable: false,
  onSend(rogue, _to, message) {
    if (message.type !== "vote") return message;
    const { vote } = message;
    if (vote.view % 3 === 0) {
      const kind = vote.kind === "notarize" ? "finalize" : "notarize";
      return { type: "vote", vote: rogue.seal({ ...vote, partial: rogue.vote({ ...vote, kind }).partial }) };
    }
    const broken =
      vote.view % 2 === 0 ? { partial: flip(vote.partial) } : { seedPartial: flip(vote.seedPartial) };
    return { type: "vote", vote: rogue.seal({ ...vote, ...broken }) };
  },
};
