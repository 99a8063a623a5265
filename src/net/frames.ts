// Frames on a stream: a length and so many bytes. The length is judged before anything is kept, and memory grows with
// what was received, not with what was announced. Channels write lengths as big-endian u32, gossip as varints.

/** Bytes before each frame. */
export const FRAME_HEADER_BYTES = 4;

/** The length prefix of a frame. */
export function frameHeader(length: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, length);
  return header;
}

/** Cuts a stream's chunks into frames. */
export interface FrameReader {
  push(chunk: Uint8Array): void;
  /** The next whole frame; undefined until more is pushed; "oversized" for ever after a length above the bound. */
  next(): Uint8Array | "oversized" | undefined;
  /** Bytes pushed that are in no frame yet. */
  readonly buffered: number;
}

/** Reads a length off the bytes that are there: undefined while it is not whole, "oversized" when it is none. */
type TakeLength = (
  available: number,
  take: (length: number) => Uint8Array,
) => number | "oversized" | undefined;

const takeU32: TakeLength = (available, take) => {
  if (available < FRAME_HEADER_BYTES) return undefined;
  return new DataView(take(FRAME_HEADER_BYTES).buffer).getUint32(0);
};

/** Digits of a varint that is read, seven bits each: 28 bits are more than any frame. */
const MAX_VARINT_BYTES = 4;

function varintTaker(): TakeLength {
  let value = 0;
  let digits = 0;
  return (available, take) => {
    for (let left = available; left > 0; left--) {
      const digit = take(1)[0] as number;
      if (digits === MAX_VARINT_BYTES) return "oversized";
      value += (digit & 0x7f) << (7 * digits);
      digits++;
      if (digit >= 0x80) continue;
      const length = value;
      value = 0;
      digits = 0;
      return length;
    }
    return undefined;
  };
}

/** The length of a frame as a varint. */
export function varint(length: number): Uint8Array {
  const digits: number[] = [];
  for (; length >= 0x80; length >>>= 7) digits.push((length & 0x7f) | 0x80);
  return Uint8Array.of(...digits, length);
}

/** A reader of frames of at most `maxFrameBytes` behind u32 lengths. */
export function createFrameReader(maxFrameBytes: number): FrameReader {
  return readerOf(maxFrameBytes, takeU32);
}

/** A reader of frames of at most `maxFrameBytes` behind varints. */
export function createPacketReader(maxFrameBytes: number): FrameReader {
  return readerOf(maxFrameBytes, varintTaker());
}

function readerOf(maxFrameBytes: number, takeLength: TakeLength): FrameReader {
  let chunks: Uint8Array[] = [];
  let available = 0;
  /** Length of the frame whose header was read. */
  let expected: number | "oversized" | undefined;

  /** The next `length` bytes, which are available. */
  function take(length: number): Uint8Array {
    const [first] = chunks;
    available -= length;
    if (first !== undefined && first.length >= length) {
      if (first.length === length) chunks.shift();
      else chunks[0] = first.subarray(length);
      return first.slice(0, length);
    }
    const out = new Uint8Array(length);
    let filled = 0;
    let used = 0;
    for (const chunk of chunks) {
      const part = chunk.subarray(0, length - filled);
      out.set(part, filled);
      filled += part.length;
      if (part.length < chunk.length) {
        chunks[used] = chunk.subarray(part.length);
        break;
      }
      used++;
      if (filled === length) break;
    }
    chunks = chunks.slice(used);
    return out;
  }
  return {
    push(chunk) {
      if (chunk.length === 0) return;
      chunks.push(chunk);
      available += chunk.length;
    },
    next() {
      expected ??= takeLength(available, take);
      if (expected === undefined) return undefined;
      if (expected === "oversized" || expected > maxFrameBytes) return "oversized";
      if (available < expected) return undefined;
      const frame = take(expected);
      expected = undefined;
      return frame;
    },
    get buffered() {
      return available;
    },
  };
}
