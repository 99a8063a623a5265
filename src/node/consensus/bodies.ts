// Block bodies on their way: pushed by leaders, asked for by digest, kept until their view is done with (section 6).
// Bounded per peer and in all; knows nothing of votes or validity.
import { createLru, type LruMap, type Weight } from "#lib/bounded.ts";
import type { Hash } from "#types/ids.ts";
import type { Body } from "./ports.ts";

/** Bodies kept in memory; the journal and the archive hold the rest. */
export const MAX_BODIES = 64;
/**
 * Bytes of all of them in wire form. Decoded, small transactions take ten times that and live long enough for the
 * collector to let the heap grow to twice as much again: 32 MiB made a node under load one of 900 MB.
 */
export const MAX_BODY_BYTES: number = 2 * 1024 * 1024;
/** The newest stay whatever they weigh. */
const SPARED_BODIES = 8;
/** Bodies kept of one peer that nobody asked for yet. */
export const MAX_UNASKED_PER_PEER = 8;
/** Bytes of all peers' bodies that nobody asked for; each has an equal share, and at least one body. */
export const MAX_UNASKED_BYTES: number = 32 * 1024 * 1024;
/** Leaders' hints remembered. */
const MAX_HINTS = 256;

interface Need<B> {
  peer: number;
  nextAt: number;
  readonly waiting: { readonly until: number; readonly got: (body: B) => void }[];
}

export interface BodyPorts<B extends Body> {
  readonly n: number;
  readonly me: number | undefined;
  readonly fetchTimeout: number;
  now(): number;
  request(peer: number, digest: Hash): void;
  /** The journal's or the archive's copy. */
  stored(digest: Hash): B | undefined;
}

/** Whether a body that comes now is waited for, or at hand. */
export type BodyState = "awaited" | "held" | "unknown";

export interface Bodies<B extends Body> {
  get(digest: Hash): B | undefined;
  /** Looks at memory alone. */
  state(digest: Hash): BodyState;
  /** A body from a peer, or built here (`from` undefined). */
  put(body: B, from: number | undefined): void;
  /** Keeps a body that is about to be journalled, whatever else arrives, until it is released as often as it was held. */
  hold(digest: Hash): void;
  release(digest: Hash): void;
  /** Who should have it. */
  hint(digest: Hash, peer: number): void;
  /** Calls `got` at once or when the body arrives; given up when `view` exceeds `until`. */
  need(digest: Hash, until: number, got: (body: B) => void): void;
  /** Asks again where an answer is due. */
  poll(): void;
  /** Drops those who wait for views that are done with. */
  giveUp(below: number): void;
  nextAt(): number;
}

interface Held<B> {
  get(digest: Hash): B | undefined;
  hold(digest: Hash, body: B | undefined): void;
  release(digest: Hash): void;
}

/** Bodies that somebody holds; as many as answers and signatures are on their way. */
function createHeld<B>(): Held<B> {
  const held = new Map<Hash, { readonly body: B; holders: number }>();
  return {
    get: (digest) => held.get(digest)?.body,
    hold(digest, body) {
      const entry = held.get(digest);
      if (entry !== undefined) entry.holders++;
      else if (body !== undefined) held.set(digest, { body, holders: 1 });
    },
    release(digest) {
      const entry = held.get(digest);
      if (entry !== undefined && --entry.holders === 0) held.delete(digest);
    },
  };
}

const weighing = <B extends Body>(most: number, spared: number): Weight<B> => ({
  of: ({ size }) => size,
  most,
  spared,
});

/** Bodies that nobody asked for, by who pushed them. */
function createUnasked<B extends Body>(n: number) {
  const share = weighing<B>(MAX_UNASKED_BYTES / n, 1);
  const buffers: LruMap<Hash, B>[] = Array.from({ length: n }, () => createLru(MAX_UNASKED_PER_PEER, share));
  return {
    get(digest: Hash): B | undefined {
      for (const buffer of buffers) {
        const found = buffer.get(digest);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    has: (digest: Hash): boolean => buffers.some((buffer) => buffer.has(digest)),
    put: (from: number, digest: Hash, body: B): void => buffers[from]?.set(digest, body),
  };
}

/** No bodies yet. */
export function createBodies<B extends Body>(ports: BodyPorts<B>): Bodies<B> {
  const kept = createLru<Hash, B>(MAX_BODIES, weighing(MAX_BODY_BYTES, SPARED_BODIES));
  const unasked = createUnasked<B>(ports.n);
  const hints = createLru<Hash, number>(MAX_HINTS);
  const needs = new Map<Hash, Need<B>>();
  const held = createHeld<B>();
  /** Whom to ask first where nobody is known to have it: who answered last. */
  let likely = 0;

  function get(digest: Hash): B | undefined {
    return kept.get(digest) ?? held.get(digest) ?? unasked.get(digest) ?? ports.stored(digest);
  }
  function ask(digest: Hash, need: Need<B>): void {
    if (need.peer === ports.me) need.peer = (need.peer + 1) % ports.n;
    if (need.peer !== ports.me) ports.request(need.peer, digest);
    need.peer = (need.peer + 1) % ports.n;
    need.nextAt = ports.now() + ports.fetchTimeout;
  }
  return {
    get,
    state(digest) {
      if (needs.has(digest)) return "awaited";
      return kept.has(digest) || unasked.has(digest) ? "held" : "unknown";
    },
    put(body, from) {
      const { digest } = body.facts;
      const need = needs.get(digest);
      if (from === undefined || need !== undefined) kept.set(digest, body);
      else if (!kept.has(digest)) unasked.put(from, digest, body);
      if (need === undefined) return;
      needs.delete(digest);
      if (from !== undefined && from < ports.n) likely = from;
      for (const { got } of need.waiting) got(body);
    },
    hold: (digest) => held.hold(digest, get(digest)),
    release: held.release,
    hint: (digest, peer) => hints.set(digest, peer),
    need(digest, until, got) {
      const body = get(digest);
      if (body !== undefined) {
        // No longer at the mercy of what else its sender pushes.
        if (!kept.has(digest)) kept.set(digest, body);
        got(body);
        return;
      }
      let need = needs.get(digest);
      if (need === undefined) {
        // The leader's push is probably on its way: ask only if it does not come soon.
        const peer = hints.get(digest);
        const patience = peer === undefined ? 0 : ports.fetchTimeout / 10;
        need = {
          peer: peer ?? likely,
          nextAt: ports.now() + patience,
          waiting: [],
        };
        needs.set(digest, need);
        if (patience === 0) ask(digest, need);
      }
      need.waiting.push({ until, got });
    },
    poll() {
      const now = ports.now();
      for (const [digest, need] of needs) if (need.nextAt <= now) ask(digest, need);
    },
    giveUp(below) {
      for (const [digest, need] of needs) {
        const still = need.waiting.filter(({ until }) => until >= below);
        if (still.length === need.waiting.length) continue;
        need.waiting.splice(0, need.waiting.length, ...still);
        if (still.length === 0) needs.delete(digest);
      }
    },
    nextAt() {
      if (needs.size === 0) return Number.POSITIVE_INFINITY;
      let at = Number.POSITIVE_INFINITY;
      for (const need of needs.values()) at = Math.min(at, need.nextAt);
      return at;
    },
  };
}
