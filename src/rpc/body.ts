// Bodies of HTTP requests as text, and the bound on the bytes of all that are held: what is counted has arrived, since
// announcing a long body costs a client nothing.

export interface ByteBudget {
  /** Counts `bytes` as held; false, with nothing counted, where they would pass the bound. */
  take(bytes: number): boolean;
  /** Counts `bytes` whatever is held: for short words that say that there is no room. */
  add(bytes: number): void;
  giveBack(bytes: number): void;
}

/** A budget of which nothing is held yet. */
export function createByteBudget(max: number): ByteBudget {
  let held = 0;
  return {
    take(bytes) {
      if (held + bytes > max) return false;
      held += bytes;
      return true;
    },
    add(bytes) {
      held += bytes;
    },
    giveBack(bytes) {
      held -= bytes;
    },
  };
}

/** Requests whose bodies are arriving: where there are too many, the one that began first gives way. */
export interface Arrivals {
  /** Notes one that begins; the result ends it. `giveWay` is called when it has to end. */
  begin(giveWay: () => void): () => void;
}

/** At most `max` at once: a client that announces bodies and never sends them must not keep others out. */
export function createArrivals(max: number): Arrivals {
  const arriving = new Set<() => void>();
  return {
    begin(giveWay) {
      arriving.add(giveWay);
      const [first] = arriving;
      if (arriving.size > max && first !== undefined) {
        arriving.delete(first);
        first();
      }
      return () => void arriving.delete(giveWay);
    },
  };
}

/** Bodies announced as no longer than this are read at once: the bounds on requests bound them well enough. */
const SHORT_BYTES = 64 * 1024;

function isShort(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length !== null && Number(length) <= SHORT_BYTES;
}

/** A body that has arrived; its bytes count as held until it is released. */
export interface Body {
  readonly text: string;
  release(): void;
}

const NOTHING_HELD = (): void => undefined;

async function readLong(stream: ReadableStream<Uint8Array>, budget: ByteBudget): Promise<Body | "no room"> {
  const decoder = new TextDecoder();
  let text = "";
  let held = 0;
  const release = (): void => budget.giveBack(held);
  try {
    for await (const chunk of stream) {
      if (!budget.take(chunk.length)) {
        release();
        return "no room";
      }
      held += chunk.length;
      text += decoder.decode(chunk, { stream: true });
    }
    return { text: text + decoder.decode(), release };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Reads the body. "no room" when the budget is used up, "gave way" when too many others began later; rejects when the
 * client does not send what it announced.
 */
export function readBody(
  request: Request,
  budget: ByteBudget,
  arrivals: Arrivals,
): Promise<Body | "no room" | "gave way"> {
  return new Promise((resolve, reject) => {
    let waiting = true;
    const settle = (): boolean => {
      const first = waiting;
      waiting = false;
      end();
      return first;
    };
    const end = arrivals.begin(() => {
      if (settle()) resolve("gave way");
    });
    const arrived = (body: Body | "no room"): void => {
      if (settle()) resolve(body);
      else if (body !== "no room") body.release();
    };
    const failed = (error: unknown): void => {
      if (settle()) reject(error);
    };
    if (isShort(request) || request.body === null) {
      request.text().then((text) => arrived({ text, release: NOTHING_HELD }), failed);
    } else {
      readLong(request.body, budget).then(arrived, failed);
    }
  });
}
