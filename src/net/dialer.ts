// Keeps connections to addresses that were asked for: dials, and dials again after growing pauses with jitter.
import type { IdentityKey } from "#types/identity.ts";
import type { Clock } from "./clock.ts";
import type { PeerAddress } from "./types.ts";

/** Addresses kept at most: a committee, and as many bootstrap and exchanged ones. */
export const MAX_KEPT_ADDRESSES = 1_024;
/**
 * First and longest pause between attempts; each is shortened by up to a half at random. Those on the allow-list are
 * few and waited for: once a broken network heals, a quorum of them must soon be together again.
 */
const RETRY_MS = 250;
const MAX_RETRY_MS = 15_000;
const MAX_LISTED_RETRY_MS = 1_500;
/** How often a kept connection is looked after when nothing was heard of its end. */
const CHECK_MS = 10_000;
/** A lost first packet is sent again after 1, 3 and 7 seconds; what waits longer is better begun anew. */
export const DIAL_TIMEOUT_MS = 8_000;

interface Kept {
  readonly address: PeerAddress;
  /** Known from the address or from the last time it answered. */
  peer: IdentityKey | undefined;
  failures: number;
  dialling: boolean;
  cancelTimer: (() => void) | undefined;
}

export interface DialerParts {
  readonly clock: Clock;
  readonly dial: (address: PeerAddress, signal: AbortSignal) => Promise<IdentityKey>;
  readonly isConnected: (peer: IdentityKey) => boolean;
  /** Whether a connection with this peer is wanted now. */
  readonly mayConnect: (peer: IdentityKey) => boolean;
  readonly isListed: (peer: IdentityKey) => boolean;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onFailure: (address: PeerAddress, reason: unknown) => void;
}

export interface Dialer {
  /** Begins to keep a connection; repeats and whatever exceeds the bound do nothing. */
  keep(address: PeerAddress): void;
  /** A connection ended: its address is dialled again soon. */
  lost(peer: IdentityKey): void;
  close(): void;
}

/** A dialer that does nothing before its first address. */
export function createDialer(parts: DialerParts): Dialer {
  const { clock, dial, isConnected, mayConnect, isListed, random, onFailure } = parts;
  const kept = new Map<string, Kept>();
  const closing = new AbortController();

  function schedule(entry: Kept, ms: number): void {
    entry.cancelTimer?.();
    entry.cancelTimer = clock.after(ms, () => void attempt(entry));
  }
  function retryPause({ peer }: Kept, failures: number): number {
    const longest = peer !== undefined && isListed(peer) ? MAX_LISTED_RETRY_MS : MAX_RETRY_MS;
    return Math.min(longest, RETRY_MS * 2 ** Math.min(failures, 16)) * (1 - random() / 2);
  }
  async function attempt(entry: Kept): Promise<void> {
    entry.cancelTimer = undefined;
    if (closing.signal.aborted || entry.dialling) return;
    const { peer } = entry;
    if (peer !== undefined && (isConnected(peer) || !mayConnect(peer))) {
      schedule(entry, CHECK_MS);
      return;
    }
    entry.dialling = true;
    try {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
      entry.peer = await dial(entry.address, signal);
      entry.failures = 0;
    } catch (error) {
      entry.failures++;
      if (!closing.signal.aborted) onFailure(entry.address, error);
    } finally {
      entry.dialling = false;
    }
    if (!closing.signal.aborted) {
      schedule(entry, entry.failures === 0 ? CHECK_MS : retryPause(entry, entry.failures - 1));
    }
  }
  return {
    keep(address) {
      const name = `${address.peer ?? ""}@${address.host}:${address.port}`;
      if (closing.signal.aborted || kept.has(name) || kept.size >= MAX_KEPT_ADDRESSES) return;
      const entry: Kept = {
        address,
        peer: address.peer,
        failures: 0,
        dialling: false,
        cancelTimer: undefined,
      };
      kept.set(name, entry);
      void attempt(entry);
    },
    lost(peer) {
      for (const entry of kept.values()) {
        if (entry.peer === peer && !entry.dialling) schedule(entry, retryPause(entry, 0));
      }
    },
    close() {
      closing.abort();
      for (const entry of kept.values()) entry.cancelTimer?.();
    },
  };
}
