// Fetches certificates this node lacks and answers others who lack some: bounded, one outstanding request per want,
// first to whoever claimed to have it, then to the next validator every fetchTimeout (section 6, R8, R9).
import type { Certificate } from "#types/certificate.ts";
import { MAX_BATCH, type Want } from "#types/message.ts";
import { type Core, emit } from "./state.ts";

/** Certificates wanted at once; more are asked for as these arrive. */
export const MAX_WANTS = 256;

function keyOf(want: Want): number {
  return want.view * 2 + (want.kind === "nullify" ? 1 : 0);
}

function settled(core: Core, want: Want): boolean {
  if (want.view <= core.finalizedView) return true;
  return core.rounds.get(want.view)?.certificates[want.kind] !== undefined;
}

/** Asks for what is missing, `hint` first (-1: nobody in particular). What is asked for already stays as it is. */
export function fetchMissing(core: Core, missing: readonly Want[], hint: number): void {
  const { wants: pending } = core;
  let added = false;
  for (const want of missing) {
    const key = keyOf(want);
    if (pending.has(key) || settled(core, want)) continue;
    // Of a view that was skipped nobody has the notarization: what is wanted longest makes room.
    if (pending.size >= MAX_WANTS) pending.delete(pending.keys().next().value as number);
    pending.set(key, { want, peer: hint >= 0 ? hint : core.view % core.config.n, nextAt: core.now });
    added = true;
  }
  if (added) pollResolver(core);
}

/** Sends the requests that are due; called on ticks. */
export function pollResolver(core: Core): void {
  const { wants: pending } = core;
  const { n, me, timing } = core.config;
  core.wantsAt = Number.POSITIVE_INFINITY;
  if (pending.size === 0 || n === 1) return;
  const batches = new Map<number, Want[]>();
  for (const [key, entry] of pending) {
    if (settled(core, entry.want)) {
      pending.delete(key);
      continue;
    }
    if (entry.nextAt <= core.now) {
      if (entry.peer === me) entry.peer = (entry.peer + 1) % n;
      const batch = batches.get(entry.peer) ?? [];
      if (batch.length < MAX_BATCH) {
        batches.set(entry.peer, batch);
        batch.push(entry.want);
        entry.peer = (entry.peer + 1) % n;
        entry.nextAt = core.now + timing.fetchTimeout;
      }
    }
    core.wantsAt = Math.min(core.wantsAt, Math.max(entry.nextAt, core.now + 1));
  }
  for (const [to, wants] of batches) emit(core, { type: "send", to, message: { type: "request", wants } });
}

/** Answers a request with what is held, at most MAX_BATCH certificates. */
export function answerRequest(core: Core, from: number, wants: readonly Want[]): void {
  const found = new Set<Certificate>();
  for (const want of wants.slice(0, MAX_BATCH)) {
    if (core.finalization !== undefined && core.finalizedView >= want.view) {
      found.add(core.finalization);
      continue;
    }
    const held = core.rounds.get(want.view)?.certificates[want.kind];
    if (held !== undefined) found.add(held);
  }
  if (found.size === 0) return;
  emit(core, { type: "send", to: from, message: { type: "certificates", certificates: [...found] } });
}
