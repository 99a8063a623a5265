// Transactions between nodes: those of clients go to every peer in batches; those of followers are passed on once to
// the validators, which know one another. A peer's transaction is judged like a client's; being refused is no fault,
// since pools differ.
import type { LedgerService } from "#chain/service.ts";
import { createLru } from "#lib/bounded.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import type { Channel, FrameHandler, Transport } from "#net/types.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import { MAX_TRANSACTION_BYTES } from "#types/limits.ts";
import type { Committee } from "./committee.ts";

/** A batch leaves after so many milliseconds, or as soon as it has this many bytes. */
const BATCH_MS = 10;
const BATCH_BYTES: number = 256 * 1024;
/** Transactions of one batch. */
const MAX_BATCH = 4_096;
/** Hashes of passed-on transactions that are remembered. */
const MAX_SEEN = 65_536;
const MALFORMED_SECONDS = 60;

/** Wire form of a batch: a count, and each transaction behind its length. */
export function encodeTransactions(batch: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(1024).u32(batch.length);
  for (const raw of batch) writer.bytes(raw);
  return writer.finish();
}

/** Decodes a batch that spans all of `bytes`; throws BAD_ENCODING. */
export function decodeTransactions(bytes: Uint8Array): readonly Uint8Array[] {
  const reader = new Reader(bytes);
  const count = reader.count(MAX_BATCH);
  const batch: Uint8Array[] = [];
  for (let i = 0; i < count; i++) batch.push(reader.bytes(MAX_TRANSACTION_BYTES));
  reader.end();
  return batch;
}

export interface RelayOptions {
  readonly transport: Transport;
  readonly committee: Committee;
  readonly spec: Parameters<Transport["open"]>[0];
  readonly service: LedgerService;
  /** Wire forms of what waits in the pool, for a peer that just connected; bounded by the caller. */
  readonly pending: () => readonly Uint8Array[];
}

interface Outbox {
  add(raw: Uint8Array): void;
  close(): void;
}

function createOutbox(flush: (batch: readonly Uint8Array[]) => void): Outbox {
  let batch: Uint8Array[] = [];
  let bytes = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const send = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const full = batch;
    batch = [];
    bytes = 0;
    if (full.length > 0) flush(full);
  };
  return {
    add(raw) {
      batch.push(raw);
      bytes += raw.length + 4;
      if (bytes >= BATCH_BYTES || batch.length === MAX_BATCH) send();
      else timer ??= setTimeout(send, BATCH_MS);
    },
    close: () => clearTimeout(timer),
  };
}

/** Starts relaying over `transport`, which must not have started; disposing stops it. */
export function startRelay({ transport, committee, spec, service, pending }: RelayOptions): Disposable {
  const seen = createLru<Hash, true>(MAX_SEEN);
  const receive: FrameHandler = (from, frame) => {
    try {
      for (const raw of decodeTransactions(frame)) {
        const submission = service.submit(raw, "peer");
        if (submission.kind !== "accepted" || seen.has(submission.hash)) continue;
        seen.set(submission.hash, true);
        if (committee.indexOf(from) === undefined) toValidators.add(raw);
      }
    } catch (error) {
      if (!(error instanceof KoraError && error.code === "BAD_ENCODING")) throw error;
      transport.block(from, MALFORMED_SECONDS, "malformed");
    }
  };
  const channel: Channel = transport.open(spec, receive);
  const toEveryone = createOutbox((batch) => channel.broadcast(encodeTransactions(batch)));
  const toValidators = createOutbox((batch) => {
    const frame = encodeTransactions(batch);
    for (const key of committee.participants) if (key !== transport.self) channel.send(key, frame);
  });
  const stopEvents = service.events.transactionSubmitted.add(({ transaction, origin }) => {
    if (origin === "client") toEveryone.add(transaction.raw);
  });
  const catchUp = (peer: IdentityKey): void => {
    const waiting = pending();
    for (let at = 0; at < waiting.length; ) {
      let bytes = 0;
      const first = at;
      while (at < waiting.length && bytes < BATCH_BYTES && at - first < MAX_BATCH) {
        bytes += (waiting[at] as Uint8Array).length;
        at++;
      }
      if (channel.send(peer, encodeTransactions(waiting.slice(first, at))) !== "queued") return;
    }
  };
  const stopPeers = transport.onPeer(({ kind, peer }) => {
    if (kind === "connected") catchUp(peer);
  });
  return {
    [Symbol.dispose]() {
      stopEvents();
      stopPeers();
      toEveryone.close();
      toValidators.close();
    },
  };
}
