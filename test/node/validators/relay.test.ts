// Transactions between nodes: a client's go to everyone once, a follower's to the validators, none in circles.
import { afterEach, describe, expect, test } from "bun:test";
import { identityFromSeed } from "#crypto/identity.ts";
import type { Transport } from "#net/types.ts";
import { channelSpecs } from "#node/validators/channels.ts";
import { createCommittee } from "#node/validators/committee.ts";
import { decodeTransactions, encodeTransactions, startRelay } from "#node/validators/relay.ts";
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
  /** Every transaction that arrived, with repeats. */
  readonly arrived: Hash[];
  readonly blocked: string[];
}

async function node(network: MemoryNetwork, i: number): Promise<Node> {
  const inner = network.join(keyOf(i));
  const arrived: Hash[] = [];
  const blocked: string[] = [];
  const chain = openTestChain();
  const transport: Transport = {
    ...inner,
    block(peer, seconds, reason) {
      blocked.push(reason);
      inner.block(peer, seconds, reason);
    },
    open: (spec, handler) =>
      inner.open(spec, (from, frame) => {
        const result = handler(from, frame);
        if (blocked.length === 0) {
          for (const raw of decodeTransactions(frame)) arrived.push(hashOf(raw));
        }
        return result;
      }),
  };
  const { service, pool } = chain;
  const committee = createCommittee(VALIDATORS, transport.self);
  const pending = () => pool.all().map(({ raw }) => raw);
  const relay = startRelay({ transport, committee, spec: SPEC, service, pending });
  closing.push(() => {
    relay[Symbol.dispose]();
    chain.close();
  });
  await transport.start();
  return { transport, chain, arrived, blocked };
}

const transfers = Array.from({ length: 30 }, (_, nonce) => transfer({ from: 1, nonce }));
/** Sent last: once it has arrived, so has whatever else was on its way. */
const marker = transfer({ from: 2, nonce: 0 });
const byRaw = new Map([...transfers, marker].map(({ raw, hash }) => [raw.toHex(), hash]));
const hashOf = (raw: Uint8Array): Hash => byRaw.get(raw.toHex()) as Hash;
const held = ({ chain }: Node): number => chain.pool.all().length;

describe("transactions", () => {
  test("of a client reach every peer once, in few batches, and come back to nobody", async () => {
    const network = createMemoryNetwork();
    const [a, b, follower] = [await node(network, 1), await node(network, 2), await node(network, 7)];
    for (const { raw } of transfers) a.chain.service.submit(raw, "client");
    await until("all of them everywhere", () => held(b) === 30 && held(follower) === 30);
    a.chain.service.submit(marker.raw, "client");
    await until("the last", () => held(b) === 31 && held(follower) === 31);
    expect(b.arrived.toSorted()).toEqual([...transfers, marker].map(({ hash }) => hash).toSorted());
    expect(follower.arrived).toHaveLength(31);
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
    expect(a.arrived).toEqual(b.arrived);
    expect(follower.arrived).toEqual([]);
  });

  test("that wait are offered to whoever connects", async () => {
    const network = createMemoryNetwork();
    const a = await node(network, 1);
    for (const { raw } of transfers) a.chain.service.submit(raw, "client");
    const late = await node(network, 2);
    await until("what waited", () => held(late) === 30);
  });
});

test("a malformed batch costs its sender a while; refused transactions cost nothing", async () => {
  const network = createMemoryNetwork();
  const a = await node(network, 1);
  const sender = network.join(keyOf(9));
  const channel = sender.open(SPEC, () => {});
  await sender.start();
  const poor = transfer({ from: 77, nonce: 0 });
  byRaw.set(poor.raw.toHex(), poor.hash);
  channel.send(a.transport.self, encodeTransactions([poor.raw, Uint8Array.of(1, 2, 3), transfers[0]!.raw]));
  await until("the good one", () => held(a) === 1);
  expect(a.blocked).toEqual([]);
  channel.send(a.transport.self, Uint8Array.of(0, 0, 0, 2, 0));
  await until("the end", () => a.blocked.length > 0);
  expect(a.blocked).toEqual(["malformed"]);
  expect(sender.isConnected(a.transport.self)).toBeFalse();
});
