// Final blocks for those who are behind. The server answers from the archive; the client asks one peer at a time for
// the run that follows its tip, checks the run against its certificate, and hands it on. It decides nothing about when.
import { holdsTogether } from "#chain/body.ts";
import { headerHash } from "#crypto/digest.ts";
import { KoraError } from "#lib/error.ts";
import type { Channel, ChannelSpec, FrameHandler, Transport } from "#net/types.ts";
import type { Archive } from "#state/types.ts";
import {
  type BlockRun,
  decodeBackfill,
  encodeBackfill,
  MAX_RUN_BLOCKS,
  MAX_RUN_HEADERS,
} from "#types/backfill.ts";
import { decodeBlock, joinBlock, type WireBlock } from "#types/block.ts";
import { type Certificate, decodeCertificate } from "#types/certificate.ts";
import { decodeHeader, type Header } from "#types/header.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash, Height } from "#types/ids.ts";
import type { CertificateVerifier } from "./votes.ts";

const BLOCK_SECONDS = 60;
/** Bytes of blocks in an answer, in largest blocks: one always fits, and the frame has room for headers. */
const ANSWER_BLOCKS = 1.5;

/** A run that hangs together, begins on the tip and is final. */
export interface VerifiedRun {
  readonly blocks: readonly { readonly wire: WireBlock; readonly hash: Hash }[];
  /** Finalization of the last block, where the run has one of just that. */
  readonly certificate: Certificate | undefined;
}

export interface BackfillTip {
  readonly hash: Hash;
  readonly height: number;
}

export interface BackfillOptions {
  readonly transport: Transport;
  readonly spec: ChannelSpec;
  readonly archive: Archive;
  readonly verifier: CertificateVerifier;
  readonly maxBlockBytes: number;
  readonly timeoutMs: number;
}

export interface Backfill {
  /**
   * The run that follows `tip`, from some peer. Undefined when none has it now. Peers that answer wrongly are cut off
   * for a while; slow ones are asked last.
   */
  next(tip: BackfillTip, signal: AbortSignal): Promise<VerifiedRun | undefined>;
}

/** The longest run from `from` that is provable and fits `maxBytes`; empty when there is none. */
export function collectRun(archive: Archive, id: number, from: number, maxBytes: number): BlockRun {
  const blocks: Uint8Array[] = [];
  const headers: Uint8Array[] = [];
  let provable = 0;
  let certificate: Uint8Array | undefined;
  let bytes = 0;
  for (let at = from; blocks.length + headers.length < MAX_RUN_BLOCKS + MAX_RUN_HEADERS; at++) {
    const stored = archive.block(at as Height);
    if (stored === undefined) break;
    const wire = joinBlock(stored.header, stored.body);
    const fits = headers.length === 0 && blocks.length < MAX_RUN_BLOCKS && bytes + wire.length <= maxBytes;
    if (!fits && (certificate !== undefined || headers.length === MAX_RUN_HEADERS)) break;
    if (fits) {
      blocks.push(wire);
      bytes += wire.length;
    } else {
      headers.push(stored.header);
    }
    if (stored.certificate !== undefined) {
      certificate = stored.certificate;
      provable = blocks.length;
      if (!fits) break;
    }
  }
  if (certificate === undefined || blocks.length === 0) {
    return { id, blocks: [], headers: [], certificate: undefined };
  }
  const proven = headers.length === 0 ? blocks.slice(0, provable) : blocks;
  return { id, blocks: proven, headers, certificate: decodeCertificate(certificate) };
}

/** Checks a run: links, each block's own transactions, then the one signature. Undefined for a wrong one. */
export function verifyRun(
  run: BlockRun,
  tip: BackfillTip,
  verifier: CertificateVerifier,
): VerifiedRun | undefined {
  const { certificate } = run;
  if (certificate?.kind !== "finalize") return undefined;
  let parent = tip.hash;
  let height = tip.height;
  const links = (header: Header): boolean => {
    if (header.parentHash !== parent || header.number !== height + 1) return false;
    parent = headerHash(header);
    height++;
    return true;
  };
  const blocks: { wire: WireBlock; hash: Hash }[] = [];
  for (const bytes of run.blocks) {
    const wire = decodeBlock(bytes);
    if (!(links(wire.header) && holdsTogether(wire))) return undefined;
    blocks.push({ wire, hash: parent });
  }
  for (const bytes of run.headers) if (!links(decodeHeader(bytes))) return undefined;
  if (certificate.payload !== parent) return undefined;
  if (verifier.examine([certificate], [undefined])[0]?.valid !== true) return undefined;
  return { blocks, certificate: run.headers.length === 0 ? certificate : undefined };
}

interface Waiting {
  readonly peer: IdentityKey;
  readonly id: number;
  readonly answer: (run: BlockRun | undefined) => void;
}

/** Milliseconds a peer took last time; a late or empty answer counts as the time-out. */
function rankPeers(transport: Transport, latency: ReadonlyMap<IdentityKey, number>): IdentityKey[] {
  const known = (peer: IdentityKey): number => latency.get(peer) ?? 0;
  return transport
    .peers()
    .map(({ peer }) => peer)
    .sort((a, b) => known(a) - known(b) || (a < b ? -1 : 1));
}

/** Opens the backfill channel on `transport`, which must not have started: serves others, and asks for this node. */
export function createBackfill(options: BackfillOptions): Backfill {
  const { transport, spec, archive, verifier, maxBlockBytes, timeoutMs } = options;
  const latency = new Map<IdentityKey, number>();
  let waiting: Waiting | undefined;
  let lastId = 0;
  const cutOff = (peer: IdentityKey): void => transport.block(peer, BLOCK_SECONDS, "bad backfill");

  const receive: FrameHandler = (from, frame) => {
    try {
      const message = decodeBackfill(frame, spec.maxFrameBytes);
      if (message.type === "run") {
        if (waiting?.peer === from && waiting.id === message.run.id) waiting.answer(message.run);
        return undefined;
      }
      const { id, from: first } = message.request;
      const run = collectRun(archive, id, first, maxBlockBytes * ANSWER_BLOCKS);
      channel.send(from, encodeBackfill({ type: "run", run }));
      // Reading a run takes milliseconds: whoever asks again at once waits for a turn of everybody else's.
      return Bun.sleep(0);
    } catch (error) {
      if (!(error instanceof KoraError && error.code.startsWith("BAD_"))) throw error;
      cutOff(from);
      return undefined;
    }
  };
  const channel: Channel = transport.open(spec, receive);

  async function ask(peer: IdentityKey, from: number, signal: AbortSignal): Promise<BlockRun | undefined> {
    const id = ++lastId >>> 0;
    const { promise, resolve } = Promise.withResolvers<BlockRun | undefined>();
    waiting = { peer, id, answer: resolve };
    const timer = setTimeout(resolve, timeoutMs, undefined);
    const stop = (): void => resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
    try {
      const sent = channel.send(peer, encodeBackfill({ type: "request", request: { id, from } }));
      return sent === "queued" ? await promise : undefined;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      waiting = undefined;
    }
  }
  async function tryPeer(
    peer: IdentityKey,
    tip: BackfillTip,
    signal: AbortSignal,
  ): Promise<VerifiedRun | undefined> {
    const started = performance.now();
    const run = await ask(peer, tip.height + 1, signal);
    const empty = run === undefined || run.blocks.length === 0;
    latency.set(peer, empty ? timeoutMs : performance.now() - started);
    if (empty) return undefined;
    try {
      const verified = verifyRun(run, tip, verifier);
      if (verified === undefined) cutOff(peer);
      return verified;
    } catch (error) {
      if (!(error instanceof KoraError && error.code.startsWith("BAD_"))) throw error;
      cutOff(peer);
      return undefined;
    }
  }
  return {
    async next(tip, signal) {
      for (const peer of rankPeers(transport, latency)) {
        if (signal.aborted) return undefined;
        const run = await tryPeer(peer, tip, signal);
        if (run !== undefined) return run;
      }
      return undefined;
    },
  };
}
