// One WebSocket connection: its requests, its subscriptions, and what happens when its client does not keep up.
import type { ByteBudget } from "./body.ts";
import { type Dispatch, errorResponse } from "./dispatch.ts";
import { LIMIT_EXCEEDED, RpcError } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import type { SubscriptionHub } from "./subscriptions.ts";

/** The part of a WebSocket that is used. */
export interface Socket {
  send(message: string): void;
  /** Bytes the client has not taken yet. */
  backlog(): number;
  /** Drops the connection at once: a client that does not read would not see a farewell either. */
  terminate(): void;
}

export interface Connection {
  message(text: string): void;
  closed(): void;
}

export interface ConnectionOptions {
  readonly dispatch: Dispatch;
  readonly hub: SubscriptionHub;
  readonly limits: RpcLimits;
  /** Whether one more request of this client is within its rate. */
  readonly admit: () => boolean;
  /** Bytes that the requests of all clients may hold. */
  readonly bytes: ByteBudget;
}

/**
 * Serves `socket` until it closes. A client whose backlog passes the bound is disconnected, never waited for, so at
 * most the bound and one response are held for it.
 */
export function createConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { dispatch, hub, limits, admit, bytes } = options;
  let open = true;
  let inFlight = 0;
  const send = (message: string): void => {
    if (!open || message === "") return;
    if (socket.backlog() <= limits.maxBacklogBytes) {
      socket.send(message);
    } else {
      closed();
      socket.terminate();
    }
  };
  const subscriber = hub.connect(send);
  const closed = (): void => {
    open = false;
    subscriber.close();
  };
  const refuse = (why: string): void => send(errorResponse("null", new RpcError(LIMIT_EXCEEDED, why)));

  /** An answer at hand goes out at once: a subscription's id before its first event. */
  const serve = (text: string): void => {
    if (!bytes.take(text.length)) {
      refuse("too many bytes of requests are being answered");
      return;
    }
    const answer = dispatch(text, subscriber);
    if (typeof answer === "string") {
      bytes.giveBack(text.length);
      send(answer);
    } else {
      inFlight++;
      void answer.then(send).finally(() => {
        inFlight--;
        bytes.giveBack(text.length);
      });
    }
  };

  return {
    message(text) {
      if (!open) return;
      if (!admit()) refuse("rate limit exceeded");
      else if (inFlight >= limits.maxInFlight) refuse("too many requests in flight on this connection");
      else serve(text);
    },
    closed,
  };
}
