// Runs this node's part of a key ceremony over the transport: performs the machine's effects in order (durable before
// sent), repeats what peers lack, ends the wait for silent players, and stays a while to serve those who are late.
import { EVERYONE } from "#consensus/effects.ts";
import { PUBLIC_KEY_BYTES } from "#crypto/bls/types.ts";
import { type Ceremony, createCeremony } from "#crypto/dkg/ceremony.ts";
import type { CeremonyEffect, CeremonyEvent, CeremonyProgress, CeremonyResult } from "#crypto/dkg/events.ts";
import type { CeremonyOutput } from "#crypto/dkg/output.ts";
import type { SharingScheme } from "#crypto/dkg/scheme.ts";
import { type Identity, verifyIdentity } from "#crypto/identity.ts";
import { KoraError } from "#lib/error.ts";
import { quotasFor } from "#net/rate.ts";
import type { Channel, ChannelSpec, PeerEvent, Transport } from "#net/types.ts";
import { type CeremonyInfo, MAX_SCALAR_BYTES } from "#types/ceremony.ts";
import type { CeremonyFault, CeremonyRecord } from "#types/ceremony-record.ts";
import {
  IDENTITY_SIGNATURE_BYTES,
  type IdentityKey,
  identityKey,
  identityKeyBytes,
} from "#types/identity.ts";
import { quorumOf } from "#types/quorum.ts";
import { AGREEMENT_TIMING, type Agreement, createAgreement } from "./agreement.ts";
import { createCeremonyJournal } from "./journal.ts";
import { type CeremonyStore, withoutSecrets } from "./store.ts";

/** What happens on the way, for people and scripts. */
export type CeremonyNews =
  | { readonly kind: "progress"; readonly progress: CeremonyProgress }
  | { readonly kind: "peer"; readonly peer: IdentityKey; readonly connected: boolean }
  | {
      readonly kind: "fault";
      readonly peer: IdentityKey;
      readonly fault: CeremonyFault | "two-votes";
      readonly detail: string;
    }
  | { readonly kind: "elsewhere"; readonly peer: IdentityKey; readonly round: number }
  | { readonly kind: "output"; readonly output: CeremonyOutput };

export interface CeremonyRunOptions {
  readonly info: CeremonyInfo;
  readonly identity: Identity;
  readonly scheme: SharingScheme;
  /** Not started yet; started and closed by the caller. */
  readonly transport: Transport;
  readonly store: CeremonyStore;
  /** Used for a ceremony that begins now; 32 secret random bytes. */
  readonly seed: Uint8Array;
  /** How long dealers wait for silent players, ms. */
  readonly deadlineMs: number;
  /** How often peers are told what is held, ms. */
  readonly tickMs: number;
  readonly news: (news: CeremonyNews) => void;
}

/** Beside commitments and entries: counts, lengths, tags and the dealer's signature. */
const FRAMING_BYTES = 512;
/** Frames one peer may have waiting; the ceremony repeats what is dropped. */
const MAX_QUEUED_FRAMES = 256;

/** Bytes of a frame at most, for this committee: the agreed set is the largest thing sent. */
function maxFrameBytes(participants: number): number {
  const points = quorumOf(participants);
  const entry = 1 + Math.max(IDENTITY_SIGNATURE_BYTES, 4 + MAX_SCALAR_BYTES);
  return points * (points * PUBLIC_KEY_BYTES + participants * entry + 128) + FRAMING_BYTES;
}

function channelSpec(name: string, participants: number): ChannelSpec {
  const maxBytes = maxFrameBytes(participants);
  const quota = { bytesPerSecond: Math.max(1 << 20, 4 * maxBytes), messagesPerSecond: 500 };
  return {
    name,
    access: "listed",
    maxFrameBytes: maxBytes,
    ...quotasFor(quota),
    queue: {
      maxFrames: MAX_QUEUED_FRAMES,
      maxBytes: Math.max(1 << 20, 8 * maxBytes),
      policy: "drop-oldest",
    },
  };
}

/** Written is not arrived: closing a transport cuts what is still on its way, so the last words get this long. */
const SETTLE_MS = 250;
/** Longest wait a timer can have. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function createMachine(options: CeremonyRunOptions, records: readonly CeremonyRecord[]): Ceremony {
  const { info, identity, scheme } = options;
  const begin = records[0];
  const setup = {
    info,
    scheme,
    seed: begin?.kind === "begin" ? begin.seed : options.seed,
    previousShare: undefined,
    identity: {
      publicKey: identityKeyBytes(identity.publicKey),
      sign: identity.sign,
      verify: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
        verifyIdentity(identityKey(key), message, signature),
    },
  };
  return createCeremony(setup, records);
}

/** This node's part in one ceremony: a new one, or one that the store holds the records of. */
export class CeremonyRun {
  readonly ceremony: Ceremony;
  /** Resolves once a quorum confirmed; rejects when the node itself fails. */
  readonly result: Promise<CeremonyResult>;
  /** Resolves once every participant is known to be done. */
  readonly everybody: Promise<void>;
  /** Whether an earlier run finished and erased its secrets: this one only serves. */
  readonly erased: boolean;

  readonly #options: CeremonyRunOptions;
  readonly #keys: readonly IdentityKey[];
  readonly #agreement: Agreement;
  readonly #ceremonyChannel: Channel;
  readonly #agreementChannel: Channel;
  readonly #result = Promise.withResolvers<CeremonyResult>();
  readonly #everybody = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  readonly #resumed: boolean;
  /** Faults of the agreement that were told, by peer and kind: each is told once. */
  readonly #told = new Set<string>();
  #alarm: ReturnType<typeof setTimeout> | undefined;
  #running = false;

  constructor(options: CeremonyRunOptions) {
    const { info, store, transport } = options;
    this.#options = options;
    const records = store.records(info.chain, info.round);
    this.#resumed = records.length > 0;
    this.erased = records.some(
      (record) => record.kind === "begin" && record.seed.every((byte) => byte === 0),
    );
    this.ceremony = createMachine(options, records);
    this.#keys = this.ceremony.rules.members.map((key) => identityKey(key));
    this.result = this.#result.promise;
    this.everybody = this.#everybody.promise;
    // Whoever waits sees the rejection; nobody waiting must not end the process.
    for (const promise of [this.result, this.everybody]) promise.catch(() => {});
    this.#agreement = this.#openAgreement();
    const size = this.#keys.length;
    this.#ceremonyChannel = transport.open(channelSpec("ceremony", size), (peer, bytes) =>
      this.#onMessage(peer, bytes),
    );
    this.#agreementChannel = transport.open(channelSpec("ceremony-agreement", size), (peer, bytes) =>
      this.#onVote(peer, bytes),
    );
    const unlisten = transport.onPeer((event) => this.#onPeer(event));
    this.#stopping.signal.addEventListener("abort", unlisten, { once: true });
  }

  /** Begins; to be called once, when the transport has been started. */
  start(): void {
    const { info, store, deadlineMs, tickMs } = this.#options;
    this.#running = true;
    this.#guarded(() => {
      this.#dispatch({ kind: "start" });
      if (this.#resumed && store.entries(info.chain, info.round).length > 0) this.#agreement.start();
    });
    const deadline = setTimeout(() => this.#guarded(() => this.#dispatch({ kind: "deadline" })), deadlineMs);
    const tick = setInterval(() => this.#guarded(() => this.#dispatch({ kind: "tick" })), tickMs);
    this.#stopping.signal.addEventListener("abort", () => {
      clearTimeout(deadline);
      clearInterval(tick);
      clearTimeout(this.#alarm);
    });
  }

  /** Erases all secrets of the round from the store, once the result is safe elsewhere. */
  eraseSecrets(): void {
    const { info, store } = this.#options;
    store.forget(info.chain, info.round, withoutSecrets(store.records(info.chain, info.round)));
  }

  /** Stops, after what is queued has left or `ms` have passed. */
  async stop(ms: number): Promise<void> {
    this.#halt();
    const signal = AbortSignal.timeout(ms);
    const channels = [this.#ceremonyChannel, this.#agreementChannel];
    await Promise.all(this.#keys.flatMap((key) => channels.map((channel) => channel.drained(key, signal))));
    await Bun.sleep(SETTLE_MS);
  }

  #halt(): void {
    this.#running = false;
    this.#stopping.abort();
  }

  #fail(error: unknown): void {
    this.#halt();
    this.#result.reject(error);
    this.#everybody.reject(error);
  }

  #guarded(work: () => void): void {
    if (!this.#running) return;
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #dispatch(event: CeremonyEvent): void {
    const { ceremony } = this;
    for (const effect of ceremony.step(event)) this.#perform(effect);
    const progress = ceremony.progress();
    this.#options.news({ kind: "progress", progress });
    const { me } = ceremony.rules;
    const done = progress.peers.every((stage, member) => member === me || stage === "final");
    if (progress.stage === "final" && done) this.#everybody.resolve();
  }

  #perform(effect: CeremonyEffect): void {
    const { info, store, news } = this.#options;
    switch (effect.kind) {
      case "persist":
        store.append(info.chain, info.round, effect.record);
        break;
      case "send":
        this.#ceremonyChannel.send(this.#key(effect.to), effect.bytes);
        break;
      case "candidate":
        this.#agreement.candidate();
        break;
      case "behind":
        this.#agreement.start();
        break;
      case "fault":
        news({ kind: "fault", peer: this.#key(effect.member), fault: effect.fault, detail: effect.detail });
        break;
      case "elsewhere":
        news({ kind: "elsewhere", peer: this.#key(effect.member), round: effect.round });
        break;
      case "output":
        news({ kind: "output", output: effect.output });
        break;
      case "final":
        this.#result.resolve(effect.result);
    }
  }

  #key(member: number): IdentityKey {
    return this.#keys[member] as IdentityKey;
  }

  /** Index of a peer among the dealers; -1 for everybody else. */
  #dealerOf(peer: IdentityKey): number {
    const member = this.#keys.indexOf(peer);
    return member < 0 ? -1 : this.ceremony.rules.dealerMembers.indexOf(member);
  }

  #onMessage(peer: IdentityKey, bytes: Uint8Array): void {
    const from = this.#keys.indexOf(peer);
    if (from >= 0) this.#guarded(() => this.#dispatch({ kind: "message", from, bytes }));
  }

  #onVote(peer: IdentityKey, bytes: Uint8Array): void {
    const from = this.#dealerOf(peer);
    if (from < 0) return;
    this.#guarded(() => {
      if (!this.#agreement.message(from, bytes)) {
        this.#tell(peer, "malformed-message", "sent what is no vote");
      }
    });
  }

  #tell(peer: IdentityKey, fault: CeremonyFault | "two-votes", detail: string): void {
    const name = `${peer} ${fault}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.#options.news({ kind: "fault", peer, fault, detail });
  }

  #onPeer({ kind, peer }: PeerEvent): void {
    if (!this.#keys.includes(peer)) return;
    this.#options.news({ kind: "peer", peer, connected: kind === "connected" });
    if (kind !== "connected") return;
    this.#guarded(() => {
      this.#dispatch({ kind: "tick" });
      const dealer = this.#dealerOf(peer);
      if (dealer >= 0) this.#agreement.connected(dealer);
    });
  }

  #sendVote(dealer: number, bytes: Uint8Array): void {
    const { dealerMembers, me } = this.ceremony.rules;
    for (const [index, member] of dealerMembers.entries()) {
      if (member === me || (dealer !== EVERYONE && dealer !== index)) continue;
      this.#agreementChannel.send(this.#key(member), bytes);
    }
  }

  #openAgreement(): Agreement {
    const { info, store } = this.#options;
    return createAgreement({
      ceremony: this.ceremony,
      timing: AGREEMENT_TIMING,
      journal: createCeremonyJournal(this.ceremony, {
        load: () => store.entries(info.chain, info.round),
        append: (entries) => store.appendEntries(info.chain, info.round, entries),
      }),
      clock: {
        now: () => performance.now(),
        wall: () => Date.now() / 1_000,
        alarm: (at) => this.#ring(at),
      },
      send: (dealer, bytes) => this.#sendVote(dealer, bytes),
      agreed: (set) => this.#dispatch({ kind: "agreed", set }),
      twoVotes: (dealer) => {
        const peer = identityKey(info.dealers[dealer] as Uint8Array);
        this.#tell(peer, "two-votes", "signed two votes that contradict");
      },
      halted: (reason) => this.#fail(halted(reason)),
    });
  }

  #ring(at: number): void {
    clearTimeout(this.#alarm);
    if (this.#stopping.signal.aborted) return;
    const wait = Math.min(Math.max(0, at - performance.now()), MAX_TIMER_MS);
    this.#alarm = setTimeout(() => this.#guarded(() => this.#agreement.wake()), wait);
  }
}

function halted(reason: string): KoraError {
  return new KoraError("the participants cannot agree", {
    code: "CEREMONY_HALTED",
    kind: "safety",
    why: reason,
    hint: "find out who is faulty, then begin a new round with --force-restart everywhere",
  });
}
