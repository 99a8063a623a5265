// Bodies of HTTP requests as text. What is counted of them has arrived, since announcing a long body costs a client
// nothing; how much may be held, and for how long, is the inbox's to say.
import type { Arrival, Inbox } from "./inbox.ts";
import { createScale, weightOf } from "./weight.ts";

/**
 * Bytes of a request that is always received: one that is announced as no longer is read at once, and one that weighs
 * no more is not counted, because the bounds on requests bound them well enough.
 */
export const SHORT_BYTES: number = 64 * 1024;

function isShort(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length !== null && Number(length) <= SHORT_BYTES;
}

/** A body that has arrived; what it weighs counts as held until it is released. */
export interface Body {
  readonly text: string;
  /** What it was parsed to is gone: from now on it weighs no more than its text. */
  parsed(): void;
  release(): void;
}

/** The text; undefined where there is no room for it. */
async function readLong(
  reader: Pick<ReadableStreamDefaultReader<Uint8Array>, "read">,
  arrival: Arrival,
): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const weigh = createScale();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    const piece = decoder.decode(value, { stream: !done });
    if (!arrival.take(weigh(piece))) return undefined;
    text += piece;
    if (done) return text;
  }
}

/** The text; undefined where there is no room for it. */
async function readShort(request: Request, arrival: Arrival): Promise<string | undefined> {
  const text = await request.text();
  const weight = weightOf(text);
  return weight <= SHORT_BYTES || arrival.take(weight) ? text : undefined;
}

/**
 * Reads the body. "no room" where what is held leaves none, "gave way" when it took too long or others needed the room;
 * rejects when the client does not send what it announced.
 */
export function readBody(
  request: Request,
  inbox: Inbox,
  network: string,
): Promise<Body | "no room" | "gave way"> {
  return new Promise((resolve, reject) => {
    const reader = isShort(request) ? undefined : request.body?.getReader();
    /** Whatever else the client sends is not kept. */
    const cancel = (): void => void reader?.cancel().catch(() => undefined);
    const arrival = inbox.begin(network, () => {
      resolve("gave way");
      cancel();
    });
    const reading = reader === undefined ? readShort(request, arrival) : readLong(reader, arrival);
    reading.then(
      (text) => {
        arrival.complete();
        if (text !== undefined) {
          return resolve({ text, parsed: () => arrival.shrink(text.length), release: arrival.end });
        }
        arrival.end();
        resolve("no room");
        cancel();
      },
      (error: unknown) => {
        arrival.end();
        reject(error);
      },
    );
  });
}
