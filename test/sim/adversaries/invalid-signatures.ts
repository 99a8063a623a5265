// Breaks signatures: partials, envelopes, certificates.
import type { Adversary } from "./types.ts";

const flip = (bytes: Uint8Array): Uint8Array => bytes.map((b, i) => (i === 0 ? b ^ 1 : b));

export const invalidSignatures: Adversary = {
  name: "invalidSignatures",
  provable: false,
  onSend(rogue, _to, message) {
    if (rogue.rng.chance(0.3)) return message;
    if (message.type === "vote") {
      const { vote } = message;
      if (rogue.rng.chance(0.3)) return { type: "vote", vote: { ...vote, envelope: flip(vote.envelope) } };
      return { type: "vote", vote: rogue.seal({ ...vote, partial: flip(vote.partial) }) };
    }
    if (message.type === "certificates") {
      const part = rogue.rng.chance(0.5) ? "signature" : "seed";
      return { ...message, certificates: message.certificates.map((c) => ({ ...c, [part]: flip(c[part]) })) };
    }
    return message;
  },
};
