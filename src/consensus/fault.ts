// Blame: who is cut off and why, and the two signed votes that prove it to others. Partials are no such proof; envelopes are.
import type { Vote } from "#types/vote.ts";
import type { Blame, Fault } from "./effects.ts";
import { type Core, emit } from "./state.ts";

/** Faults kept per signer and run: more prove nothing new. */
export const MAX_FAULTS_PER_SIGNER = 16;

/** Cuts a peer off for a while; never oneself. */
export function blame(core: Core, peer: number, reason: Blame): void {
  if (peer < 0 || peer === core.config.me) return;
  emit(core, { type: "block", peer, reason });
}

function faultKind(first: Vote, second: Vote): Fault["kind"] {
  if (first.kind !== second.kind) return "nullifyAndFinalize";
  return first.kind === "notarize" ? "conflictingNotarize" : "conflictingFinalize";
}

/** Two votes that exclude each other: persisted, reported, and the signer cut off (section 5). */
export function reportConflict(core: Core, first: Vote, second: Vote): void {
  const { signer } = second;
  blame(core, signer, "equivocation");
  const count = core.faultsOf[signer] as number;
  if (count >= MAX_FAULTS_PER_SIGNER) return;
  core.faultsOf[signer] = count + 1;
  const fault: Fault = { kind: faultKind(first, second), signer, first, second };
  emit(core, { type: "persist", record: { type: "fault", fault } });
  emit(core, { type: "fault", fault });
}
