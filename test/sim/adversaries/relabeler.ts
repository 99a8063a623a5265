// Passes certificates of one kind off as another: what only a domain for every purpose prevents (R14).
import type { Adversary } from "./types.ts";

export const relabeler: Adversary = {
  name: "relabeler",
  provable: false,
  onReceive(rogue, _from, message) {
    if (message.type !== "certificates") return true;
    for (const certificate of message.certificates) {
      // Not each time: two of this kind would otherwise pass one certificate to and fro for ever.
      if (certificate.kind === "nullify" || rogue.rng.chance(0.5)) continue;
      const kind = certificate.kind === "notarize" ? "finalize" : "notarize";
      for (let to = 0; to < rogue.n; to++) {
        if (to !== rogue.index)
          rogue.send(to, { type: "certificates", certificates: [{ ...certificate, kind }] });
      }
    }
    return true;
  },
};
