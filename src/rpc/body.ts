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

/** Bodies announced as no longer than this are read at once: the bound on requests bounds them well enough. */
const SHORT_BYTES = 64 * 1024;

function isShort(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length !== null && Number(length) <= SHORT_BYTES;
}

/**
 * Reads the body and hands it to `use`; its bytes count as held until that is done. Undefined when the budget is
 * used up; rejects when the client does not send what it announced.
 */
export async function withBody<T>(
  request: Request,
  budget: ByteBudget,
  use: (text: string) => T | Promise<T>,
): Promise<T | undefined> {
  if (isShort(request) || request.body === null) return use(await request.text());
  const decoder = new TextDecoder();
  let text = "";
  let held = 0;
  try {
    for await (const chunk of request.body) {
      if (!budget.take(chunk.length)) return undefined;
      held += chunk.length;
      text += decoder.decode(chunk, { stream: true });
    }
    return await use(text + decoder.decode());
  } finally {
    budget.giveBack(held);
  }
}
