// The core of validator 0 of four, and what can be said to it: certificates and votes whose signatures nobody looks at.
import { createCore, step } from "#consensus/core.ts";
import type { Examined } from "#consensus/events.ts";
import { type Core, DEFAULT_TIMING, NOTHING_RESTORED } from "#consensus/state.ts";
import type { Certificate } from "#types/certificate.ts";
import { type Hash, hash, ZERO_HASH } from "#types/ids.ts";
import type { Vote, VoteKind } from "#types/vote.ts";

export const PAYLOAD: Hash = hash(`0x${"ab".repeat(32)}`);
const BYTES = new Uint8Array([1]);

/** Just started, at time 0: nobody has told yet what it holds of this one's votes (R18). */
export function startedCore(): Core {
  const timing = DEFAULT_TIMING;
  const core = createCore(
    { epoch: 0, n: 4, me: 0, scheme: "threshold", genesis: ZERO_HASH, timing },
    NOTHING_RESTORED,
  );
  step(core, { type: "start" }, 0);
  return core;
}

/** One that may sign: a quorum told that it holds nothing. */
export function signingCore(): Core {
  const core = startedCore();
  for (const from of [1, 2])
    step(core, { type: "message", from, message: { type: "echo", vote: undefined } }, 0);
  return core;
}

/** A nullification, or the certificate of `PAYLOAD` on the view before. */
export function certificate(kind: VoteKind, view: number): Certificate {
  const subject =
    kind === "nullify" ? { parentView: 0, payload: ZERO_HASH } : { parentView: view - 1, payload: PAYLOAD };
  return { kind, epoch: 0, view, ...subject, signature: BYTES, seed: new Uint8Array([view & 255]) };
}

/** A vote for `PAYLOAD` on genesis, or a nullify. */
export function vote(kind: VoteKind, signer: number, view = 1, epoch = 0): Vote {
  const subject = kind === "nullify" ? ZERO_HASH : PAYLOAD;
  const place = { kind, epoch, view, parentView: 0, payload: subject, signer };
  return { ...place, partial: BYTES, seedPartial: BYTES, envelope: BYTES };
}

/** Found good, with a lottery that gives the next view to `leader`. */
export function examined(of: Certificate, leader = 0): Examined {
  return { certificate: of, valid: true, lottery: new Uint8Array([leader]) };
}
