// Final blocks by gossip: a member tells of its own, a follower checks each under the group's key, hears of it once and
// passes it on, and whoever announces what is not final is blamed.
import { afterAll, expect, test } from "bun:test";
import { identityFromSeed } from "#crypto/identity.ts";
import type { Offence } from "#net/score.ts";
import type { Transport } from "#net/types.ts";
import { type Announced, startAnnouncing } from "#node/validators/announce.ts";
import { finalityTopic } from "#node/validators/channels.ts";
import { encodeFinalBlock } from "#types/backfill.ts";
import { encodeBlock } from "#types/block.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Height } from "#types/ids.ts";
import { openTestChain, type TestChain } from "../../support/chain.ts";
import { makeFinalChain } from "../../support/finality.ts";
import { until } from "../../support/kora.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../../support/memory-transport.ts";

const MAX_BLOCK_BYTES = 1_000_000;
const SPEC = finalityTopic(MAX_BLOCK_BYTES);
const source = await makeFinalChain(6, 1);
const chains: TestChain[] = [];
afterAll(() => {
  for (const chain of [source.chain, ...chains]) chain.close();
});
const keyOf = (i: number) => identityFromSeed(new Uint8Array(32).fill(i)).publicKey;

interface Node {
  readonly transport: Transport;
  readonly heard: Announced[];
  readonly offences: Offence[];
}

async function follower(network: MemoryNetwork, i: number): Promise<Node> {
  const inner = network.join(keyOf(i));
  const heard: Announced[] = [];
  const offences: Offence[] = [];
  const transport: Transport = {
    ...inner,
    report(peer, offence) {
      offences.push(offence);
      inner.report(peer, offence);
    },
  };
  const chain = openTestChain();
  chains.push(chain);
  const { verifier } = source;
  const announced = (block: Announced) => void heard.push(block);
  startAnnouncing({ transport, spec: SPEC, chain, verifier, maxBlockBytes: MAX_BLOCK_BYTES, announced });
  await transport.start();
  return { transport, heard, offences };
}

/** Somebody who announces whatever it wants. */
async function speaker(network: MemoryNetwork, i: number) {
  const transport = network.join(keyOf(i));
  const topic = transport.join(SPEC, undefined);
  await transport.start();
  return { transport, topic };
}

function announcementOf(at: number, certificate?: Certificate): Uint8Array {
  const block = source.blocks[at]!;
  const wire = encodeBlock({
    header: block.header,
    transactions: block.transactions.map(({ raw }) => raw),
  });
  return encodeFinalBlock({ certificate: certificate ?? source.certify(block), block: wire });
}

test("a final block is heard of once, and passed on to a follower that the speaker does not know", async () => {
  const network = createMemoryNetwork();
  const { topic } = await speaker(network, 20);
  const [near, far] = [await follower(network, 21), await follower(network, 22)];
  network.cut(keyOf(20), keyOf(22));
  void topic.publish(announcementOf(0));
  void topic.publish(announcementOf(0));
  void topic.publish(announcementOf(1));
  await until("both", () => far.heard.length === 2);
  expect(near.heard.map(({ hash }) => hash)).toEqual([source.blocks[0]!.hash, source.blocks[1]!.hash]);
  expect(near.heard[0]?.certificate.payload).toBe(source.blocks[0]!.hash);
  expect([...near.offences, ...far.offences]).toEqual([]);
});

test("a wrong certificate, another block's, one that only notarizes, and garbage go no further and are blamed", async () => {
  const block = source.blocks[2]!;
  const right = source.certify(block);
  const wrong: readonly (readonly [Uint8Array, Offence])[] = [
    [announcementOf(2, { ...right, view: right.view + 1 }), "badSignature"],
    [announcementOf(2, { ...right, signature: source.certify(source.blocks[3]!).signature }), "badSignature"],
    [announcementOf(2, source.certify(source.blocks[3]!)), "badSignature"],
    [announcementOf(2, source.certify(block, "notarize")), "badSignature"],
    [Uint8Array.of(1, 2, 3), "malformed"],
    [encodeFinalBlock({ certificate: right, block: Uint8Array.of(1) }), "malformed"],
  ];
  for (const [bytes, offence] of wrong) {
    const network = createMemoryNetwork();
    const { topic, transport } = await speaker(network, 20);
    const [near, far] = [await follower(network, 21), await follower(network, 22)];
    network.cut(keyOf(20), keyOf(22));
    void topic.publish(bytes);
    await until("the blame", () => near.offences.length > 0);
    expect(near.offences).toEqual([offence]);
    expect(transport.isConnected(near.transport.self)).toBeFalse();
    expect([...near.heard, ...far.heard, ...far.offences]).toEqual([]);
  }
});

test("a member announces what became final on its chain, where anybody listens", async () => {
  const network = createMemoryNetwork();
  const member = network.join(keyOf(1));
  const { archive, verifier, blocks } = source;
  const certificate = (height: Height) => archive.block(height)?.certificate;
  const chain = { ...source.chain, history: { ...source.chain.history, certificate } };
  const stop = startAnnouncing({
    ...{ transport: member, spec: SPEC, chain, verifier, maxBlockBytes: MAX_BLOCK_BYTES },
    announced: undefined,
  });
  await member.start();
  const near = await follower(network, 21);
  const block = blocks[4]!;
  chain.service.events.snapshotPersisted.emit({ height: block.header.number, block, receipts: [] });
  await until("the block", () => near.heard.length === 1);
  expect(near.heard[0]?.hash).toBe(block.hash);
  expect(near.offences).toEqual([]);
  stop[Symbol.dispose]();
});
