// What a request weighs: its characters and what they become when they are parsed, which can be thirty times as much.
import { MAX_REQUEST_VALUES } from "./limits.ts";

/** Bytes of memory that parsed JSON takes at most for each mark: an empty array, which has two, takes eighty. */
const MARK_BYTES = 64;

/** Characters that begin a value, or the next one: there are never more values in a text than marks, but for one. */
const IS_MARK: Uint8Array = new Uint8Array(65_536);
for (const mark of ",:[{") IS_MARK[mark.charCodeAt(0)] = 1;

/** How many of the text's characters may begin a value; those inside of strings are not told apart. */
export function marksIn(text: string): number {
  let marks = 0;
  for (let i = 0; i < text.length; i++) marks += IS_MARK[text.charCodeAt(i)] ?? 0;
  return marks;
}

/** Weighs a text that comes in pieces: bytes that each takes at most once the whole is parsed. */
export function createScale(): (piece: string) => number {
  // A text of more values is refused as it is.
  let left = MAX_REQUEST_VALUES;
  return (piece) => {
    const marks = Math.min(marksIn(piece), left);
    left -= marks;
    return piece.length + MARK_BYTES * marks;
  };
}

/** Bytes that the text takes at most once it is parsed. */
export function weightOf(text: string): number {
  return createScale()(text);
}
