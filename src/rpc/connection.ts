// One WebSocket connection: its requests, its subscriptions, and what happens when its client does not keep up.
import { SHORT_BYTES } from "./body.ts";
import type { ByteBudget } from "./budget.ts";
import { type Dispatch, errorResponse, idIn, isSingle } from "./dispatch.ts";
import { LIMIT_EXCEEDED, RpcError } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { Subscriber, SubscriptionHub } from "./subscriptions.ts";
import { weightOf } from "./weight.ts";

/** The part of a WebSocket that is used. */
export interface Socket {
  /** Whether the message was taken: a connection that is gone or too far behind takes none. */
  send(message: string): boolean;
  /** Bytes the client has not taken yet. */
  backlog(): number;
  /** Drops the connection at once: a client that does not read would not see a farewell either. */
  terminate(): void;
}

export interface Connection {
  message(text: string): void;
  /** The client has taken some of what it was sent. */
  drained(): void;
  closed(): void;
}

export interface ConnectionOptions {
  readonly dispatch: Dispatch;
  readonly hub: SubscriptionHub;
  readonly limits: RpcLimits;
  /** Whether one more request of this client is within its rate. */
  readonly admit: () => boolean;
  /** Counts calls of this client beyond the admitted one. */
  readonly charge: (calls: number) => void;
  /** What the requests of all clients may hold. */
  readonly inbox: Omit<ByteBudget, "add">;
  /** Bytes that are on their way to all clients. */
  readonly outbox: Outbox;
}

/** The sending half of a connection. */
interface Sender {
  send(message: string): void;
  /** Looks how much the client has left unread. */
  measure(): void;
  /** Drops a client that is not worth waiting for. */
  drop(): void;
  close(): void;
  readonly open: boolean;
}

/**
 * Sends to `socket` and counts what it leaves unread in the outbox. A client whose backlog passes its bound, or for
 * whose backlog there is no room, is disconnected, never waited for.
 */
function createSender(socket: Socket, options: ConnectionOptions, onClose: () => void): Sender {
  const { limits, outbox } = options;
  let open = true;
  let held = 0;
  let caughtUp: (() => void) | undefined;
  const close = (): void => {
    if (!open) return;
    open = false;
    outbox.giveBack(held);
    caughtUp?.();
    onClose();
  };
  const drop = (): void => {
    if (!open) return;
    close();
    socket.terminate();
  };
  const measure = (): void => {
    if (!open) return;
    const more = socket.backlog() - held;
    if (more <= 0) {
      outbox.giveBack(-more);
    } else if (!outbox.take(more)) {
      drop();
    } else if (!open) {
      // Room was made by dropping this very client.
      outbox.giveBack(more);
    }
    if (!open) return;
    held += more;
    if (held > 0) {
      caughtUp ??= outbox.behind({ since: outbox.now(), drop });
    } else {
      caughtUp?.();
      caughtUp = undefined;
    }
  };
  return {
    send(message) {
      if (!open) return;
      if (socket.backlog() <= limits.maxBacklogBytes && socket.send(message)) measure();
      else drop();
    },
    measure,
    drop,
    close,
    get open() {
      return open;
    },
  };
}

/** Events of subscriptions whose ids the client has not been told yet: they go out after the answer that names them. */
interface Untold {
  /** Whether the event was kept. */
  keep(id: string, message: string): boolean;
  begin(id: string): void;
  /** Ends the waiting for an id; its events in order. */
  end(id: string): readonly string[];
  clear(): void;
}

function createUntold(outbox: ByteBudget, overflow: () => void): Untold {
  const waiting = new Map<string, string[]>();
  const forget = (id: string): readonly string[] => {
    const events = waiting.get(id) ?? [];
    waiting.delete(id);
    for (const { length } of events) outbox.giveBack(length);
    return events;
  };
  return {
    keep(id, message) {
      const events = waiting.get(id);
      if (events === undefined) return false;
      if (outbox.take(message.length)) events.push(message);
      else overflow();
      return true;
    },
    begin: (id) => void waiting.set(id, []),
    end: forget,
    clear() {
      for (const id of [...waiting.keys()]) forget(id);
    },
  };
}

/** Serves `socket` until it closes. At most its bound of unread bytes and one answer are held for a client. */
export function createConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { dispatch, hub, limits, admit, charge, inbox, outbox } = options;
  let inFlight = 0;
  const sender = createSender(socket, options, () => {
    subscriber.close();
    untold.clear();
  });
  const untold = createUntold(outbox, () => sender.drop());
  const subscriber = hub.connect(
    (id, message) => {
      if (!untold.keep(id, message)) sender.send(message);
    },
    () => sender.drop(),
  );
  const refuse = (text: string, why: string): void =>
    sender.send(errorResponse(idIn(text), new RpcError(LIMIT_EXCEEDED, why)));

  const sendAnswer = (answer: string): void => {
    outbox.giveBack(answer.length);
    if (answer !== "") sender.send(answer);
  };

  /** An answer at hand goes out at once; one that takes time holds back the events of what it subscribes to. */
  const serve = (text: string): void => {
    const weight = weightOf(text);
    // One short request of each connection always finds room.
    let held = inFlight === 0 && weight <= SHORT_BYTES ? 0 : weight;
    if (!inbox.take(held)) {
      refuse(text, "too many bytes of requests are being answered");
      return;
    }
    const fresh: string[] = [];
    const own: Subscriber = {
      ...subscriber,
      subscribe(topic) {
        const id = subscriber.subscribe(topic);
        fresh.push(id);
        untold.begin(id);
        return id;
      },
    };
    const finish = (answer: string): void => {
      inbox.giveBack(held);
      sendAnswer(answer);
      for (const id of fresh) for (const event of untold.end(id)) sender.send(event);
    };
    const answer = dispatch(text, own, charge);
    if (typeof answer === "string") {
      finish(answer);
      return;
    }
    inFlight++;
    if (isSingle(text) && held > text.length) {
      inbox.giveBack(held - text.length);
      held = text.length;
    }
    void answer.then((told) => {
      inFlight--;
      finish(told);
    });
  };

  return {
    message(text) {
      if (!sender.open) return;
      if (!admit()) refuse(text, "rate limit exceeded");
      else if (inFlight >= limits.maxInFlight) refuse(text, "too many requests in flight on this connection");
      else serve(text);
    },
    drained: sender.measure,
    closed: sender.close,
  };
}
