// Subscriptions to logs, found by what they ask for: a log concerns few of them, and looks at few. Does not send.
import type { Log } from "#types/receipt.ts";
import type { LogCriteria } from "./log-query.ts";

/** Criteria as sets: a position of a subscription may name a thousand topics. */
interface Compiled {
  readonly addresses: ReadonlySet<string>;
  readonly topics: readonly ReadonlySet<string>[];
}

interface Entry<T> {
  readonly value: T;
  readonly compiled: Compiled;
  /** Where it is found: under each of its addresses, or of the topics at its first position that has any. */
  readonly keys: readonly string[];
}

/** A value that a log may concern, and whether it does. */
export interface Candidate<T> {
  readonly value: T;
  readonly fits: boolean;
}

/** Values of type `T`, one for each set of criteria. */
export interface LogIndex<T> {
  /** Adds a value; the result removes it. */
  add(criteria: LogCriteria, value: T): () => void;
  /** Every value that is looked at, those whose criteria the log fits among them: looking costs as well. */
  candidates(log: Log): Iterable<Candidate<T>>;
  readonly size: number;
}

/** Addresses and topics that criteria name: what they weigh. */
export function termsOf({ addresses, topics }: LogCriteria): number {
  return topics.reduce((sum, { length }) => sum + length, addresses.length);
}

const ANY = "";
const topicKey = (position: number, topic: string): string => `${position}${topic}`;

function keysOf({ addresses, topics }: Compiled): readonly string[] {
  if (addresses.size > 0) return [...addresses];
  const position = topics.findIndex(({ size }) => size > 0);
  return position === -1 ? [ANY] : Array.from(topics[position] ?? [], (topic) => topicKey(position, topic));
}

function fits({ addresses, topics }: Compiled, log: Log): boolean {
  if (addresses.size > 0 && !addresses.has(log.address)) return false;
  if (topics.length > log.topics.length) return false;
  return topics.every((any, position) => any.size === 0 || any.has(log.topics[position] ?? ANY));
}

/** An empty index. */
export function createLogIndex<T>(): LogIndex<T> {
  const byKey = new Map<string, Set<Entry<T>>>();
  let size = 0;
  function* under(key: string, log: Log): Generator<Candidate<T>> {
    for (const { compiled, value } of byKey.get(key) ?? []) yield { value, fits: fits(compiled, log) };
  }
  return {
    add(criteria, value) {
      const compiled = {
        addresses: new Set(criteria.addresses),
        topics: criteria.topics.map((any) => new Set(any)),
      };
      const entry: Entry<T> = { value, compiled, keys: keysOf(compiled) };
      for (const key of entry.keys) {
        const found = byKey.get(key);
        if (found === undefined) byKey.set(key, new Set([entry]));
        else found.add(entry);
      }
      size++;
      return () => {
        size--;
        for (const key of entry.keys) {
          const found = byKey.get(key);
          found?.delete(entry);
          if (found?.size === 0) byKey.delete(key);
        }
      };
    },
    *candidates(log) {
      yield* under(log.address, log);
      for (const [position, topic] of log.topics.entries()) yield* under(topicKey(position, topic), log);
      yield* under(ANY, log);
    },
    get size() {
      return size;
    },
  };
}
