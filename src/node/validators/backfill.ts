// Final blocks for those who are behind. The server answers from the archive; the client asks one peer at a time for
// the run that follows a block, checks it and hands it on. It decides nothing about when.
import { createLru } from "#lib/bounded.ts";
import { refusesBytes } from "#lib/error.ts";
import { createQueue } from "#lib/queue.ts";
import type { Channel, ChannelSpec, FrameHandler, PeerInfo, Transport } from "#net/types.ts";
import type { Archive } from "#state/types.ts";
import { type BlockRequest, type BlockRun, decodeBackfill, encodeBackfill } from "#types/backfill.ts";
import type { IdentityKey } from "#types/identity.ts";
import { restAfter } from "./rest.ts";
import { createRunSource, type RunSource, type RunStart, type VerifiedRun, verifyRun } from "./runs.ts";
import type { CertificateVerifier } from "./votes.ts";

const BLOCK_SECONDS = 60;
/** Bytes of blocks in an answer, in largest blocks: one always fits, and the frame has room for headers. */
const ANSWER_BLOCKS = 1.5;
/** An answer that came too late is waited for twice as long the next time, up to this. */
const MAX_PATIENCE_MS = 60_000;
/** Peers asked before it is said that nobody has more. */
const MAX_ASKED = 16;
/** One round in so many waits for strangers, too, that gave no answer the last time. */
const PATIENT_ROUNDS = 8;
/** Peers whose ways are remembered. */
const MAX_REMEMBERED = 1_024;
/** Identities cost nothing: all peers off the allow-list together get one part in this many of the node's time. */
const STRANGERS_SHARE = 4;

/** What asking around gave. */
export type Found =
  | { readonly kind: "run"; readonly run: VerifiedRun }
  /** Somebody answered, and nobody has more. */
  | { readonly kind: "exhausted" }
  /** Nobody answered. */
  | { readonly kind: "silence" };

export interface BackfillOptions {
  readonly transport: Transport;
  readonly spec: ChannelSpec;
  readonly archive: Archive;
  readonly verifier: CertificateVerifier;
  readonly maxBlockBytes: number;
  /** How long an answer may take at first. */
  readonly timeoutMs: number;
}

export interface Backfill {
  /** The run that follows `start`, from some peer. Peers that answer wrongly are cut off for a while. */
  next(start: RunStart, signal: AbortSignal): Promise<Found>;
}

interface Waiting {
  readonly peer: IdentityKey;
  readonly id: number;
  readonly answer: (run: BlockRun | undefined) => void;
}

/** How a peer answered last. */
interface Ways {
  /** Milliseconds; one that had nothing counts as slow. */
  readonly latency: number;
  readonly patience: number;
  /** Gave no answer. */
  readonly silent: boolean;
}

interface ServerParts {
  readonly source: RunSource;
  /** Bytes of blocks in an answer. */
  readonly maxBytes: number;
  readonly transport: Pick<Transport, "isConnected">;
  readonly isListed: (peer: IdentityKey) => boolean;
  readonly channel: () => Channel;
}

/**
 * Answers requests. Whoever is not listed waits for all others who are not, and the node rests in between. Nobody gets
 * a second answer before the first is taken: of what is asked meanwhile only the last counts.
 */
function createServer({ source, maxBytes, transport, isListed, channel }: ServerParts) {
  const strangers = createQueue();
  /** Those who have not taken their answer, with what they asked for since. */
  const owed = new Map<IdentityKey, BlockRequest | undefined>();
  async function serve(to: IdentityKey, { id, from }: BlockRequest): Promise<void> {
    const answer = async (rest: number): Promise<void> => {
      if (!transport.isConnected(to)) return;
      const started = performance.now();
      channel().send(to, encodeBackfill({ type: "run", run: source.collect(id, from, maxBytes) }));
      // Reading a run takes milliseconds: whoever asks again at once waits for a turn of everybody else's.
      await Bun.sleep(restAfter(performance.now() - started, rest));
    };
    await (isListed(to) ? answer(0) : strangers(() => answer(STRANGERS_SHARE - 1)));
  }
  async function goOn(peer: IdentityKey): Promise<void> {
    while (await channel().drained(peer)) {
      const next = owed.get(peer);
      if (next === undefined) return;
      owed.set(peer, undefined);
      await serve(peer, next);
    }
  }
  return async (peer: IdentityKey, request: BlockRequest): Promise<void> => {
    const waits = owed.has(peer);
    owed.set(peer, waits ? request : undefined);
    if (waits) return;
    const forget = (): boolean => owed.delete(peer);
    try {
      await serve(peer, request);
    } catch (error) {
      forget();
      throw error;
    }
    void goOn(peer).then(forget, forget);
  };
}

/** What is expected of a peer that was not asked yet: validators first, then those this node chose to dial. */
function expectedLatency({ listed, direction }: PeerInfo, timeoutMs: number): number {
  if (listed) return 0;
  return direction === "outbound" ? timeoutMs / 2 : timeoutMs;
}

/** Questions remembered after nobody waits for their answers. */
const MAX_QUESTIONS = 64;

/** Asks one peer; undefined when no answer comes in `patience` ms, the peer goes, or `signal` aborts. */
type Ask = (
  peer: IdentityKey,
  start: RunStart,
  patience: number,
  signal: AbortSignal,
) => Promise<BlockRun | undefined>;

/** Opens the channel: serves others, and asks them. */
function openChannel(options: BackfillOptions, cutOff: (peer: IdentityKey) => void): Ask {
  const { transport, spec, archive, maxBlockBytes } = options;
  let waiting: Waiting | undefined;
  let lastId = 0;
  const asked = createLru<number, IdentityKey>(MAX_QUESTIONS);
  const isListed = (peer: IdentityKey): boolean =>
    transport.peers().some((each) => each.listed && each.peer === peer);
  const serve = createServer({
    source: createRunSource(archive),
    maxBytes: maxBlockBytes * ANSWER_BLOCKS,
    transport,
    isListed,
    channel: () => channel,
  });

  const receive: FrameHandler = (from, frame) => {
    try {
      const message = decodeBackfill(frame, spec.maxFrameBytes);
      if (message.type === "request") return serve(from, message.request);
      const { id } = message.run;
      // One answer to each question, late or not.
      if (asked.get(id) !== from) transport.report(from, "uselessReply");
      else if (waiting?.id === id) waiting.answer(message.run);
      asked.delete(id);
    } catch (error) {
      if (!refusesBytes(error)) throw error;
      cutOff(from);
    }
    return undefined;
  };
  const channel: Channel = transport.open(spec, receive);
  transport.onPeer(({ kind, peer }) => {
    if (kind === "disconnected" && waiting?.peer === peer) waiting.answer(undefined);
  });
  return async (peer, start, patience, signal) => {
    const id = ++lastId >>> 0;
    const { promise, resolve } = Promise.withResolvers<BlockRun | undefined>();
    waiting = { peer, id, answer: resolve };
    asked.set(id, peer);
    const timer = setTimeout(() => {
      transport.report(peer, "timeout");
      resolve(undefined);
    }, patience);
    const stop = (): void => resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
    try {
      const request = { id, from: start.height + 1 };
      const sent = channel.send(peer, encodeBackfill({ type: "request", request }));
      return sent === "queued" ? await promise : undefined;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      if (waiting?.id === id) waiting = undefined;
    }
  };
}

/** The run, if it is right; undefined for whatever else a peer may send. */
function checked(run: BlockRun, start: RunStart, verifier: CertificateVerifier): VerifiedRun | undefined {
  try {
    return verifyRun(run, start, verifier);
  } catch (error) {
    if (refusesBytes(error)) return undefined;
    throw error;
  }
}

/** Opens the backfill channel on `transport`, which must not have started: serves others, and asks for this node. */
export function createBackfill(options: BackfillOptions): Backfill {
  const { transport, verifier, timeoutMs } = options;
  const ways = createLru<IdentityKey, Ways>(MAX_REMEMBERED);
  const cutOff = (peer: IdentityKey): void => transport.block(peer, BLOCK_SECONDS, "bad backfill");
  const ask = openChannel(options, cutOff);
  let rounds = 0;

  async function tryPeer(peer: IdentityKey, start: RunStart, signal: AbortSignal): Promise<Found> {
    const patience = ways.get(peer)?.patience ?? timeoutMs;
    const began = performance.now();
    const run = await ask(peer, start, patience, signal);
    const took = performance.now() - began;
    if (run === undefined) {
      if (signal.aborted) return { kind: "silence" };
      const longer = took >= patience ? Math.min(MAX_PATIENCE_MS, patience * 2) : patience;
      ways.set(peer, { latency: longer, patience: longer, silent: true });
      return { kind: "silence" };
    }
    const empty = run.blocks.length === 0;
    ways.set(peer, { latency: empty ? timeoutMs : took, patience, silent: false });
    if (empty) return { kind: "exhausted" };
    const verified = checked(run, start, verifier);
    if (verified !== undefined) return { kind: "run", run: verified };
    cutOff(peer);
    return { kind: "silence" };
  }
  function ranked(): PeerInfo[] {
    const cost = (each: PeerInfo): number => ways.get(each.peer)?.latency ?? expectedLatency(each, timeoutMs);
    return transport
      .peers()
      .toSorted((a, b) => cost(a) - cost(b) || (a.peer < b.peer ? -1 : 1))
      .slice(0, MAX_ASKED);
  }
  return {
    async next(start, signal) {
      let found: Found = { kind: "silence" };
      let memberAnswered = false;
      const patient = rounds++ % PATIENT_ROUNDS === 0;
      for (const { peer, listed } of ranked()) {
        if (signal.aborted) break;
        // Strangers who say nothing, however many, do not keep back what a member has said.
        if (memberAnswered && !patient && !listed && ways.get(peer)?.silent) continue;
        const answer = await tryPeer(peer, start, signal);
        if (answer.kind === "run") return answer;
        if (answer.kind !== "exhausted") continue;
        found = answer;
        memberAnswered ||= listed;
      }
      return found;
    },
  };
}
