// Sends much of everything: votes for every view of the window, far certificates, requests, greetings, bodies.
import { digestOf } from "../stand-in.ts";
import type { Adversary } from "./types.ts";

export const flooder: Adversary = {
  name: "flooder",
  provable: false,
  onIdle(rogue) {
    const { view, config } = rogue.core();
    for (let to = 0; to < rogue.n; to++) {
      if (to === rogue.index) continue;
      for (let i = 0; i < 4; i++) {
        const far = view + rogue.rng.below(1_000) - 20;
        const kind = rogue.rng.pick(["notarize", "finalize"] as const);
        if (far < 1) continue;
        const subject = {
          kind,
          epoch: config.epoch,
          view: far,
          parentView: Math.max(0, far - 1),
          payload: digestOf(far, 7),
        };
        rogue.send(to, { type: "vote", vote: rogue.vote(subject) });
        rogue.send(to, {
          type: "certificates",
          certificates: [{ ...subject, signature: rogue.rng.bytes(4), seed: rogue.rng.bytes(4) }],
        });
      }
      rogue.send(to, {
        type: "request",
        wants: Array.from({ length: 64 }, (_, i) => ({
          view: Math.max(1, view - i),
          kind: "nullify" as const,
        })),
      });
      rogue.send(to, { type: "hello", view });
    }
  },
};
