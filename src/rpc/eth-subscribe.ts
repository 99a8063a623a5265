// eth_subscribe and eth_unsubscribe, on WebSocket connections only.
import { invalidParams, METHOD_NOT_FOUND, RpcError } from "./errors.ts";
import { logFilter } from "./log-query.ts";
import { type Methods, method } from "./method.ts";
import { type Arguments, boolean, text } from "./params.ts";
import type { Subscriber, Topic } from "./subscriptions.ts";

function topicOf(args: Arguments): Topic {
  const kind = args.required(0, text);
  switch (kind) {
    case "newHeads":
    case "syncing":
      return { kind };
    case "logs": {
      const { addresses, topics } = args.optional(1, logFilter) ?? { addresses: [], topics: [] };
      return { kind, criteria: { addresses, topics } };
    }
    case "newPendingTransactions":
      return { kind, full: args.optional(1, boolean) ?? false };
    default:
      throw invalidParams(`no "${kind.slice(0, 40)}" subscription in eth namespace`);
  }
}

function connected(subscriber: Subscriber | undefined): Subscriber {
  if (subscriber === undefined) throw new RpcError(METHOD_NOT_FOUND, "notifications not supported");
  return subscriber;
}

export function ethSubscribeMethods(): Methods {
  return {
    eth_subscribe: method(2, (args, subscriber) => connected(subscriber).subscribe(topicOf(args))),
    eth_unsubscribe: method(1, (args, subscriber) =>
      connected(subscriber).unsubscribe(args.required(0, text)),
    ),
  };
}
