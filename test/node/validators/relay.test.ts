// Transactions between nodes: members tell one another directly and once, the rest is gossip, none go in circles.
import { afterEach, describe, expect, test } from "bun:test";
import { identityFromSeed } from "#crypto/identity.ts";
import type { Transport } from "#net/types.ts";
import { channelSpecs, TRANSACTION_TOPIC } from "#node/validators/channels.ts";
import { createCommittee } from "#node/validators/committee.ts";
import { startRelay } from "#node/validators/relay.ts";
import { restAfter } from "#node/validators/rest.ts";
import { decodeTransactions, encodeTransactions } from "#types/batch.ts";
import type { Hash } from "#types/ids.ts";
import { openTestChain, type TestChain, transfer } from "../../support/chain.ts";
import { until } from "../../support/kora.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../../support/memory-transport.ts";

const SPEC = channelSpecs(64 * 1024).transactions;
const keyOf = (i: number) => identityFromSeed(new Uint8Array(32).fill(i)).publicKey;
const VALIDATORS = [1, 2].map(keyOf);

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

interface Node {
  readonly transport: Transport;
  readonly chain: TestChain;
  /** Every transaction that arrived on the channel, with repeats, and every one that was gossiped here. */
  readonly arrived: Hash[];
  readonly gossiped: Hash[];
  /** What peers were reported for. */
  readonly offences: string[];
}

/** `busy`: frames that find no room, as in a pool that is full. */
async function node(network: MemoryNetwork, i: number, busy = 0): Promise<Node> {
  const inner = network.join(keyOf(i));
  const arrived: Hash[] = [];
  const gossiped: Hash[] = [];
  const offences: string[] = [];
  const chain = openTestChain();
  let unheard = busy;
  const note = (frame: Uint8Array, to: Hash[]): void => {
    try {
      to.push(...decodeTransactions(frame).map(hashOf));
    } catch {
      // Some tests send what is no batch.
    }
  };
  const transport: Transport = {
    ...inner,
    report(peer, offence) {
      offences.push(offence);
      inner.report(peer, offence);
    },
    open: (spec, handler) =>
      inner.open(spec, (from, frame) => {
        note(frame, arrived);
        if (unheard-- > 0) return;
        const result = handler(from, frame);
        return result;
      }),
    join: (spec, judge) =>
      inner.join(spec, (from, message) => {
        const verdict = judge?.(from, message) ?? "ignore";
        note(message, gossiped);
        return verdict;
      }),
  };
  const { service, pool } = chain;
  const committee = createCommittee(VALIDATORS, transport.self);
  const pending = () => pool.all().map(({ raw }) => raw);
  const waiting = (hash: Hash) => pool.get(hash)?.raw;
  const relayed = { transport, committee, spec: SPEC, topic: TRANSACTION_TOPIC };
  const relay = startRelay({ ...relayed, service, pending, waiting });
  transport.allow(VALIDATORS);
  closing.push(() => {
    relay[Symbol.dispose]();
    chain.close();
  });
  await transport.start();
  return { transport, chain, arrived, gossiped, offences };
}

const transfers = Array.from({ length: 30 }, (_, nonce) => transfer({ from: 1, nonce }));
/** Sent last: once it has arrived, so has whatever else was on its way. */
const marker = transfer({ from: 2, nonce: 0 });
const byRaw = new Map([...transfers, marker].map(({ raw, hash }) => [raw.toHex(), hash]));
const hashOf = (raw: Uint8Array): Hash => byRaw.get(raw.toHex()) as Hash;
const held = ({ chain }: Node): number => chain.pool.all().length;

describe("transactions", () => {
  test("of a client reach every member once, and followers by gossip, and come back to nobody", async () => {
    const network = createMemoryNetwork();
    const [a, b, follower] = [await node(network, 1), await node(network, 2), await node(network, 7)];
    for (const { raw } of transfers) a.chain.service.submit(raw, "client");
    await until("all of them everywhere", () => held(b) === 30 && held(follower) === 30);
    a.chain.service.submit(marker.raw, "client");
    await until("the last", () => held(b) === 31 && held(follower) === 31);
    expect(b.arrived.toSorted()).toEqual([...transfers, marker].map(({ hash }) => hash).toSorted());
    expect(follower.arrived).toEqual([]);
    expect(new Set(follower.gossiped).size).toBe(31);
    expect(a.arrived).toEqual([]);
  });

  test("of a follower reach validators that it is not connected with, through one that it is", async () => {
    const network = createMemoryNetwork();
    const [a, b, follower] = [await node(network, 1), await node(network, 2), await node(network, 7)];
    network.cut(keyOf(2), keyOf(7));
    const { raw } = transfers[0]!;
    follower.chain.service.submit(raw, "client");
    await until("it", () => held(b) === 1);
    follower.chain.service.submit(raw, "client");
    follower.chain.service.submit(marker.raw, "client");
    await until("the last", () => held(b) === 2);
    expect(b.arrived).toEqual([transfers[0]!.hash, marker.hash]);
    expect(a.arrived).toEqual([]);
    expect(a.gossiped).toEqual(b.arrived);
    expect(follower.arrived).toEqual([]);
  });

  test("of a follower reach another that is only connected with followers", async () => {
    const network = createMemoryNetwork();
    const [first, between, last] = [await node(network, 7), await node(network, 8), await node(network, 9)];
    network.cut(keyOf(7), keyOf(9));
    first.chain.service.submit(marker.raw, "client");
    await until("it", () => held(last) === 1 && held(between) === 1);
    expect(last.gossiped).toEqual([marker.hash]);
  });

  test("for which a peer had no room are relayed again while they wait", async () => {
    const network = createMemoryNetwork();
    const [a, b] = [await node(network, 1), await node(network, 2, 1)];
    a.chain.service.submit(marker.raw, "client");
    await until("it, the second time", () => held(b) === 1);
    expect(b.arrived).toEqual([marker.hash, marker.hash]);
  });

  test("that wait are offered to whoever connects", async () => {
    const network = createMemoryNetwork();
    const a = await node(network, 1);
    for (const { raw } of transfers) a.chain.service.submit(raw, "client");
    const late = await node(network, 2);
    await until("what waited", () => held(late) === 30);
  });
});

/** A stranger that says whatever it wants to one member. */
async function stranger(network: MemoryNetwork) {
  const own = network.join(keyOf(9));
  const channel = own.open(SPEC, () => {});
  const topic = own.join(TRANSACTION_TOPIC, () => "ignore");
  await own.start();
  return { own, channel, topic };
}
const poor = transfer({ from: 77, nonce: 0 });
byRaw.set(poor.raw.toHex(), poor.hash);
/** A signature that no key has made. */
const forged = transfers[1]!.raw.with(transfers[1]!.raw.length - 1, 0).fill(0xff, -32);

describe("a peer's fault", () => {
  for (const [what, frame, offence] of [
    ["a batch that is none", Uint8Array.of(0, 0, 0, 2, 0), "malformed"],
    ["bytes that are no transaction", encodeTransactions([Uint8Array.of(1, 2, 3)]), "malformed"],
    ["a signature that does not hold", encodeTransactions([forged]), "badSignature"],
  ] as const) {
    test(`is ${what}, on the channel and by gossip`, async () => {
      for (const way of ["channel", "topic"] as const) {
        const network = createMemoryNetwork();
        const a = await node(network, 1);
        const { own, channel, topic } = await stranger(network);
        if (way === "channel") channel.send(a.transport.self, frame);
        else void topic.publish(frame);
        await until("the end", () => a.offences.length > 0);
        expect(a.offences).toEqual([offence]);
        expect(own.isConnected(a.transport.self)).toBeFalse();
      }
    });
  }

  test("is not a transaction that the pool refuses, but hundreds of them are; what was good among them is passed on", async () => {
    const network = createMemoryNetwork();
    const [a, b] = [await node(network, 1), await node(network, 2)];
    const { own, channel, topic } = await stranger(network);
    network.cut(keyOf(9), keyOf(2));
    void topic.publish(encodeTransactions([poor.raw, marker.raw]));
    await until("the good one", () => held(b) === 1);
    expect(a.offences).toEqual(["uselessTransaction"]);
    expect(b.offences).toEqual([]);
    expect(own.isConnected(a.transport.self)).toBeTrue();
    expect(b.arrived).toEqual([marker.hash]);
    const useless = Array.from({ length: 150 }, (_, i) => transfer({ from: 50 + i, nonce: 0 }));
    for (const { raw, hash } of useless) byRaw.set(raw.toHex(), hash);
    const frame = encodeTransactions(useless.map(({ raw }) => raw));
    for (let i = 0; i < 3; i++) channel.send(a.transport.self, frame);
    await until("the end", () => !own.isConnected(a.transport.self));
  });
});

test("a batch is judged in pieces, between which others get their turn", async () => {
  const network = createMemoryNetwork();
  const a = await node(network, 1);
  const { channel } = await stranger(network);
  const many = Array.from({ length: 400 }, (_, i) =>
    transfer({ from: 1 + (i % 8), nonce: Math.floor(i / 8) }),
  );
  for (const { raw, hash } of many) byRaw.set(raw.toHex(), hash);
  let turns = 0;
  let counting = true;
  const count = (): void => {
    if (held(a) > 0) turns++;
    if (counting) setImmediate(count);
  };
  count();
  channel.send(a.transport.self, encodeTransactions(many.map(({ raw }) => raw)));
  await until("all of them", () => held(a) === 400);
  counting = false;
  expect(turns).toBeGreaterThan(2);
});

test("a peer rests in proportion to the work it caused, and never for long", () => {
  expect(restAfter(10, 9)).toBe(90);
  expect(restAfter(0, 19)).toBe(0);
  expect(restAfter(60_000, 19)).toBe(5_000);
});
