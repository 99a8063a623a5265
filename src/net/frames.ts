// Frames on a stream: a big-endian u32 length and so many bytes. The length is judged before anything is kept, and
// memory grows with what was received, not with what was announced.

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
}

/** A reader of frames of at most `maxFrameBytes`. */
export function createFrameReader(maxFrameBytes: number): FrameReader {
  let chunks: Uint8Array[] = [];
  let available = 0;
  /** Length of the frame whose header was read. */
  let expected: number | undefined;

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
      if (expected === undefined) {
        if (available < FRAME_HEADER_BYTES) return undefined;
        const header = take(FRAME_HEADER_BYTES);
        expected = new DataView(header.buffer).getUint32(0);
      }
      if (expected > maxFrameBytes) return "oversized";
      if (available < expected) return undefined;
      const frame = take(expected);
      expected = undefined;
      return frame;
    },
  };
}
