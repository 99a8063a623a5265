// The ceremony's driver over an in-process network, with real cryptography and real files: everybody together, one
// absent, one cut off half-way and started again from its file, links that were cut.
import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { openBls } from "#crypto/bls.ts";
import type { CeremonyResult } from "#crypto/dkg/events.ts";
import { blsSharing } from "#crypto/dkg/polynomial.ts";
import { type Identity, identityFromSeed } from "#crypto/identity.ts";
import { toHex } from "#lib/bytes.ts";
import type { Transport } from "#net/types.ts";
import { type CeremonyNews, CeremonyRun } from "#node/ceremony/driver.ts";
import { type CeremonyStore, openCeremonyStore } from "#node/ceremony/store.ts";
import { identityKeyBytes } from "#types/identity.ts";
import { hash } from "#types/ids.ts";
import { testFolders } from "../support/lifetimes.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../support/memory-transport.ts";
import { createRng } from "../support/rng.ts";

const rng = createRng(7);
const CHAIN = hash(rng.bytes(32));
const folder = testFolders();

interface Participant {
  readonly identity: Identity;
  readonly seed: Uint8Array;
  readonly file: string;
}

interface Running {
  readonly run: CeremonyRun;
  readonly store: CeremonyStore;
  readonly transport: Transport;
  readonly news: CeremonyNews[];
}

function participants(count: number): Participant[] {
  const dir = folder();
  return Array.from({ length: count }, (_, i) => {
    const seed = rng.bytes(32);
    return { identity: identityFromSeed(seed), seed, file: join(dir, `${i}.db`) };
  }).sort((a, b) => (a.identity.publicKey < b.identity.publicKey ? -1 : 1));
}

async function launch(
  network: MemoryNetwork,
  all: readonly Participant[],
  one: Participant,
  options: {
    readonly deadlineMs?: number;
    readonly round?: number;
    readonly watch?: (news: CeremonyNews) => void;
  } = {},
): Promise<Running> {
  const keys = all.map(({ identity }) => identityKeyBytes(identity.publicKey));
  const store = openCeremonyStore(one.file, one.seed);
  const transport = network.join(one.identity.publicKey);
  const news: CeremonyNews[] = [];
  const run = new CeremonyRun({
    info: { chain: CHAIN, round: options.round ?? 1, dealers: keys, players: keys, previous: undefined },
    identity: one.identity,
    scheme: blsSharing(await openBls()),
    transport,
    store,
    seed: rng.bytes(32),
    deadlineMs: options.deadlineMs ?? 60_000,
    tickMs: 50,
    news: (item) => {
      news.push(item);
      options.watch?.(item);
    },
  });
  transport.allow(all.map(({ identity }) => identity.publicKey));
  await transport.start();
  run.start();
  return { run, store, transport, news };
}

async function end(running: Running): Promise<void> {
  await running.run.stop(100);
  await running.transport.close();
  running.store[Symbol.dispose]();
}

function keysOf(results: readonly CeremonyResult[]): Set<string> {
  return new Set(results.map((result) => toHex(result.output.publicKey)));
}

describe("a key ceremony between nodes", () => {
  for (const count of [1, 2, 4]) {
    test(`${count} together make one key and know that all have it`, async () => {
      const network = createMemoryNetwork();
      const all = participants(count);
      const running = await Promise.all(all.map((one) => launch(network, all, one)));
      const results = await Promise.all(running.map(({ run }) => run.result));
      expect(keysOf(results).size).toBe(1);
      expect(results[0]?.output.exposed).toEqual([]);
      await Promise.all(running.map(({ run }) => run.everybody));
      for (const one of running) await end(one);
      if (count === 4) expect(statSync((all[0] as Participant).file).mode & 0o777).toBe(0o600);
    }, 30_000);
  }

  test("one absent is waited for until the deadline, then exposed; it can have its share later", async () => {
    const network = createMemoryNetwork();
    const all = participants(4);
    const absent = all[2] as Participant;
    const present = all.filter((one) => one !== absent);
    const running = await Promise.all(present.map((one) => launch(network, all, one, { deadlineMs: 200 })));
    const results = await Promise.all(running.map(({ run }) => run.result));
    expect(keysOf(results).size).toBe(1);
    expect(results.map((result) => result.output.exposed)).toEqual([[2], [2], [2]]);
    const late = await launch(network, all, absent);
    const result = await late.run.result;
    expect(keysOf([...results, result]).size).toBe(1);
    expect(result.share).toBeDefined();
    for (const one of [...running, late]) await end(one);
  }, 30_000);

  test("stopped at any record and started again from its file, it ends with the same key", async () => {
    for (const stopAfter of [1, 3, 7]) {
      const network = createMemoryNetwork();
      const all = participants(4);
      const victim = all[0] as Participant;
      const others = await Promise.all(all.slice(1).map((one) => launch(network, all, one)));
      const stopped = Promise.withResolvers<void>();
      let first: Running | undefined;
      const watched = await launch(network, all, victim, {
        watch: () => {
          if (first !== undefined && first.store.records(CHAIN, 1).length >= stopAfter) stopped.resolve();
        },
      });
      first = watched;
      await Promise.race([stopped.promise, watched.run.result]);
      await end(watched);
      const again = await launch(network, all, victim);
      const results = await Promise.all([...others, again].map(({ run }) => run.result));
      expect(keysOf(results).size).toBe(1);
      expect(results.every((result) => result.output.exposed.length === 0)).toBe(true);
      for (const one of [...others, again]) await end(one);
    }
  }, 60_000);

  test("a peer that floods with what is no vote is told of once", async () => {
    const network = createMemoryNetwork();
    const all = participants(2);
    const [honest, flooder] = all as [Participant, Participant];
    const running = await launch(network, all, honest);
    const transport = network.join(flooder.identity.publicKey);
    const quota = { bytesPerSecond: 1e6, messagesPerSecond: 1e3 };
    const channel = transport.open(
      {
        name: "ceremony-agreement",
        access: "anyone",
        maxFrameBytes: 100,
        inbound: quota,
        outbound: quota,
        queue: { maxFrames: 100, maxBytes: 10_000, policy: "drop-oldest" },
      },
      () => {},
    );
    await transport.start();
    for (let i = 0; i < 20; i++) channel.send(honest.identity.publicKey, Uint8Array.of(0xff, i));
    expect(await channel.drained(honest.identity.publicKey)).toBe(true);
    const faults = running.news.filter(({ kind }) => kind === "fault");
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ peer: flooder.identity.publicKey, fault: "malformed-message" });
    await transport.close();
    await end(running);
  });

  test("a finished ceremony keeps no secrets, and still serves", async () => {
    const network = createMemoryNetwork();
    const all = participants(1);
    const one = all[0] as Participant;
    const first = await launch(network, all, one);
    const result = await first.run.result;
    first.run.eraseSecrets();
    const records = first.store.records(CHAIN, 1);
    expect(records.map((record) => record.kind)).toEqual(["begin", "agreed", "final"]);
    expect(records[0]).toMatchObject({ seed: new Uint8Array(32) });
    await end(first);
    const second = await launch(network, all, one);
    expect(keysOf([result, await second.run.result]).size).toBe(1);
    await end(second);
  });
});

describe("the file of ceremonies", () => {
  test("is refused to a second process and with another key, and keeps its rounds apart", () => {
    const [one, two] = participants(2) as [Participant, Participant];
    const store = openCeremonyStore(one.file, one.seed);
    expect(store.lastRound(CHAIN)).toBe(0);
    store.append(CHAIN, 3, { kind: "fault", member: 1, fault: "bad-log", evidence: [] });
    expect(store.lastRound(CHAIN)).toBe(3);
    expect(store.records(CHAIN, 2)).toEqual([]);
    expect(() => openCeremonyStore(one.file, one.seed)).toThrow("in use");
    store[Symbol.dispose]();
    const other = openCeremonyStore(one.file, two.seed);
    expect(() => other.records(CHAIN, 3)).toThrow("cannot be used");
    other[Symbol.dispose]();
  });
});
