// The shape of a method: how many arguments it takes, whether it needs a connection that outlives the request.
import type { Arguments } from "./params.ts";
import type { Subscriber } from "./subscriptions.ts";

/** Answers JSON-ready data, throws RpcError. Synchronous where the answer is at hand. */
export type Handler = (args: Arguments, subscriber: Subscriber | undefined) => unknown;

export interface Method {
  /** Arguments it takes at most: more are an error, as with geth. */
  readonly arity: number;
  readonly handle: Handler;
  /** Calls of it that follow one another in a batch are started without waiting for each other's answers. */
  readonly overlaps: boolean;
}

/** A namespace file's methods by full name. */
export type Methods = Readonly<Record<string, Method>>;

export function method(arity: number, handle: Handler): Method {
  return { arity, handle, overlaps: false };
}

/** A method whose calls overlap within a batch. */
export function overlapping(arity: number, handle: Handler): Method {
  return { arity, handle, overlaps: true };
}
