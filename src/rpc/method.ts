// The shape of a method: how many arguments it takes, whether it needs a connection that outlives the request.
import type { Arguments } from "./params.ts";
import type { Subscriber } from "./subscriptions.ts";

/** Answers JSON-ready data, throws RpcError. Synchronous where the answer is at hand. */
export type Handler = (args: Arguments, subscriber: Subscriber | undefined) => unknown;

/** Answers a request of which long arguments are left out, `{}` in their places; all of them are in `parameters`. */
export type LongHandler = (args: Arguments, parameters: string) => unknown;

export interface Method {
  /** Arguments it takes at most: more are an error, as with geth. */
  readonly arity: number;
  readonly handle: Handler;
  /** Where there is none, long arguments are parsed like others. */
  readonly handleLong: LongHandler | undefined;
  /** Calls of it that follow one another in a batch are started without waiting for each other's answers. */
  readonly overlaps: boolean;
}

/** A namespace file's methods by full name. */
export type Methods = Readonly<Record<string, Method>>;

export function method(arity: number, handle: Handler, handleLong?: LongHandler): Method {
  return { arity, handle, handleLong, overlaps: false };
}

/** A method whose calls overlap within a batch. */
export function overlapping(arity: number, handle: Handler): Method {
  return { arity, handle, handleLong: undefined, overlaps: true };
}
