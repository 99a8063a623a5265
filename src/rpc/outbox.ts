// Answers on their way to clients: the bound on the bytes of all that are made or sent and not yet taken. Where room
// is needed, who has been reading longest gives way. Knows no transport.
import { type ByteBudget, createByteBudget } from "./budget.ts";
import type { RpcLimits } from "./limits.ts";

/** A client that has not taken all it was sent. */
export interface Reader {
  /** Milliseconds of the outbox's clock at which it fell behind. */
  readonly since: number;
  /** Ends its connection, and gives back at once what it held. */
  drop(): void;
}

type OutboxLimits = Pick<RpcLimits, "maxBytesOutgoing" | "readingTime">;

export interface Outbox extends ByteBudget {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Notes that a reader is behind, until the result is called. */
  behind(reader: Reader): () => void;
}

/** An outbox of the limits' size. */
export function createOutbox({ maxBytesOutgoing, readingTime }: OutboxLimits, now: () => number): Outbox {
  const budget = createByteBudget(maxBytesOutgoing);
  const readers = new Set<Reader>();
  const dropSlowest = (): boolean => {
    let slowest: Reader | undefined;
    for (const reader of readers) if (slowest === undefined || reader.since < slowest.since) slowest = reader;
    if (slowest === undefined || now() - slowest.since < readingTime) return false;
    readers.delete(slowest);
    slowest.drop();
    return true;
  };
  return {
    ...budget,
    now,
    take(bytes) {
      // Nothing makes room for what would not fit even alone.
      while (!budget.take(bytes)) if (bytes > maxBytesOutgoing || !dropSlowest()) return false;
      return true;
    },
    behind(reader) {
      readers.add(reader);
      return () => void readers.delete(reader);
    },
  };
}

/** Answers no longer than this go out at once: what a connection has not read bounds how many of them can wait. */
export const SHORT_CHARACTERS: number = 64 * 1024;
/** Characters that are handed to the connection at a time. */
const CHUNK_CHARACTERS = 256 * 1024;

/** Where a chunk may end: not within a character of two halves. */
function endOfChunk(text: string, end: number): number {
  const isHalf = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return isHalf ? end + 1 : end;
}

/** The body of a counted answer: its bytes are given back when the client has taken them, or is gone. */
export function bodyOf(outbox: Outbox, text: string): string | ReadableStream<Uint8Array> {
  if (text.length <= SHORT_CHARACTERS) {
    outbox.giveBack(text.length);
    return text;
  }
  const held = text.length;
  const encoder = new TextEncoder();
  let at = 0;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const reader: Reader = {
    since: outbox.now(),
    drop() {
      release();
      // Without a reason: the client sees a body that breaks off, and nobody is told of an error.
      controller?.error();
    },
  };
  const caughtUp = outbox.behind(reader);
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    caughtUp();
    outbox.giveBack(held);
  };
  return new ReadableStream<Uint8Array>({
    start(own) {
      controller = own;
    },
    pull(own) {
      if (at < text.length) {
        const end = endOfChunk(text, at + CHUNK_CHARACTERS);
        own.enqueue(encoder.encode(text.slice(at, end)));
        at = end;
        return;
      }
      release();
      own.close();
    },
    cancel: release,
  });
}
