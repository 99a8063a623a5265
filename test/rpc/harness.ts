// Calls methods of a fake node through the dispatcher, as a transport would, and reads the answer back.

import { createByteBudget } from "#rpc/budget.ts";
import { createDispatch, type Dispatch } from "#rpc/dispatch.ts";
import { DEFAULT_RPC_LIMITS, type RpcLimits } from "#rpc/limits.ts";
import { createMethodTable } from "#rpc/methods.ts";
import type { Subscriber } from "#rpc/subscriptions.ts";
import { type FakeNode, fakeNode } from "./fake-node.ts";

export interface Answer {
  readonly jsonrpc: "2.0";
  readonly id: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export interface Harness {
  readonly node: FakeNode;
  readonly dispatch: Dispatch;
  /** One request; the parsed answer. */
  call(method: string, ...params: unknown[]): Promise<Answer>;
  /** The result; fails the test when there is an error. */
  result(method: string, ...params: unknown[]): Promise<unknown>;
  /** `code message` of the error; fails the test when there is none. */
  error(method: string, ...params: unknown[]): Promise<string>;
  /** Any text as a message. */
  raw(text: string): Promise<unknown>;
  close(): void;
}

export function harness(
  limits: Partial<RpcLimits> = {},
  node: FakeNode = fakeNode(),
  subscriber?: Subscriber,
): Harness {
  const bounds = { ...DEFAULT_RPC_LIMITS, ...limits };
  const outbox = createByteBudget(bounds.maxBytesOutgoing);
  const table = createMethodTable(node.ports, bounds, undefined);
  const dispatch = createDispatch({
    methods: table.byName,
    limits: bounds,
    outbox,
    report: node.ports.report,
  });
  const call = async (method: string, ...params: unknown[]): Promise<Answer> => {
    const text = await dispatch(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }), subscriber);
    return JSON.parse(text) as Answer;
  };
  return {
    node,
    dispatch,
    call,
    async result(method, ...params) {
      const { result, error } = await call(method, ...params);
      if (error !== undefined) throw new Error(`${method}: ${error.code} ${error.message}`);
      return result;
    },
    async error(method, ...params) {
      const { error, result } = await call(method, ...params);
      if (error === undefined) throw new Error(`${method}: answered ${JSON.stringify(result)}`);
      return `${error.code} ${error.message}`;
    },
    async raw(text) {
      const answer = await dispatch(text, subscriber);
      return answer === "" ? "" : JSON.parse(answer);
    },
    close: table.close,
  };
}
