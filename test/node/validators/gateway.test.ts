// The gateway between transport and driver: who is heard, what costs a connection, and what an honest peer may say.
import { expect, test } from "bun:test";
import { keccakHash } from "#crypto/hash.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import type { Channel, Transport } from "#net/types.ts";
import type { Driver } from "#node/consensus/driver.ts";
import { type ChannelName, channelSpecs } from "#node/validators/channels.ts";
import { createCommittee } from "#node/validators/committee.ts";
import { createGateway, type Gateway, type WireBody } from "#node/validators/gateway.ts";
import type { IdentityKey } from "#types/identity.ts";
import { hash, ZERO_HASH } from "#types/ids.ts";
import { encodeMessage, type Message } from "#types/message.ts";
import { until } from "../../support/kora.ts";
import { createMemoryNetwork } from "../../support/memory-transport.ts";

const MAX_BLOCK_BYTES = 1_000;
const SPECS = channelSpecs(MAX_BLOCK_BYTES);
const NAMES = ["votes", "certificates", "resolver", "blocks"] as const;
const keys = [1, 2, 3, 4].map((i) => identityFromSeed(new Uint8Array(32).fill(i)).publicKey) as [
  IdentityKey,
  IdentityKey,
  IdentityKey,
  IdentityKey,
];
const BAD_BODY = 0xbb;
const USELESS_BODY = 0xdd;
const WARY_BODY = 0xee;

const subject = {
  kind: "notarize" as const,
  epoch: 0,
  view: 5,
  parentView: 4,
  payload: hash(`0x${"22".repeat(32)}`),
};
const vote = {
  ...subject,
  signer: 1,
  partial: new Uint8Array(96),
  seedPartial: new Uint8Array(96),
  envelope: new Uint8Array(64),
};
const certificate = { ...subject, signature: new Uint8Array(96), seed: new Uint8Array(96) };
const MESSAGES: readonly { readonly on: ChannelName; readonly message: Message }[] = [
  { on: "votes", message: { type: "vote", vote } },
  { on: "votes", message: { type: "hello", view: 3 } },
  { on: "votes", message: { type: "echo", vote: undefined } },
  { on: "certificates", message: { type: "certificates", certificates: [certificate] } },
  { on: "resolver", message: { type: "request", wants: [{ view: 1, kind: "nullify" }] } },
  { on: "resolver", message: { type: "bodyRequest", digest: ZERO_HASH } },
  { on: "blocks", message: { type: "body", body: Uint8Array.of(1, 2, 3) } },
];

/** A driver that only writes down what it is given. */
function recorder(): { readonly heard: string[]; readonly driver: Driver<WireBody> } {
  const heard: string[] = [];
  const driver = {
    message: (from: number, { type }: Message) => heard.push(`${type} of ${from}`),
    body: (from: number) => heard.push(`body of ${from}`),
    bodyRequest: (from: number) => heard.push(`bodyRequest of ${from}`),
    connected: (peer: number) => heard.push(`connected ${peer}`),
  };
  return { heard, driver: driver as unknown as Driver<WireBody> };
}

const SLOW_MS = 30;

async function rig(opening: "at once" | "later" | "slowly" = "at once", slowMs = SLOW_MS) {
  const network = createMemoryNetwork();
  const committee = createCommittee(keys, keys[0]);
  const blocks: { peer: IdentityKey; reason: string }[] = [];
  const opened: { readonly first: number; readonly at: number }[] = [];
  /** Whether senders of bodies that were opened warily turned out to have had a right to. */
  const state = { cleared: false };
  const listening = network.join(keys[0]);
  const transport: Transport = {
    ...listening,
    block(peer, seconds, reason) {
      blocks.push({ peer, reason });
      listening.block(peer, seconds, reason);
    },
    report(peer, offence) {
      blocks.push({ peer, reason: offence });
      listening.report(peer, offence);
    },
  };
  transport.allow(keys);
  const gateway: Gateway<WireBody> = createGateway<WireBody>({
    transport,
    committee,
    specs: SPECS,
    maxBlockBytes: MAX_BLOCK_BYTES,
    admit: (_driver, _from, body) =>
      body[0] === USELESS_BODY
        ? "useless"
        : body[0] === WARY_BODY
          ? { cleared: () => state.cleared }
          : "open",
    decodeBody(bytes) {
      opened.push({ first: bytes[0] as number, at: performance.now() });
      const body =
        bytes[0] === BAD_BODY
          ? undefined
          : ({ bytes, size: bytes.length, facts: { digest: keccakHash(bytes) } } as WireBody);
      if (opening === "slowly") return Bun.sleep(slowMs).then(() => body);
      return opening === "later" ? Promise.resolve(body) : body;
    },
  });
  const { heard, driver } = recorder();
  gateway.attach(driver);
  await transport.start();
  const peer = async (key: IdentityKey) => {
    const own = network.join(key);
    const got: string[] = [];
    const open = (name: ChannelName): Channel =>
      own.open(SPECS[name], () => {
        got.push(name);
      });
    const channels = Object.fromEntries(NAMES.map((name) => [name, open(name)])) as Record<
      ChannelName,
      Channel
    >;
    own.allow(keys);
    await own.start();
    return { own, got, send: (on: ChannelName, frame: Uint8Array) => channels[on].send(keys[0], frame) };
  };
  return { committee, transport, gateway, heard, blocks, opened, state, peer };
}

test("an honest peer is heard on every channel under its index, and never blocked", async () => {
  const { committee, heard, blocks, peer } = await rig();
  const honest = await peer(keys[1]);
  const index = committee.indexOf(keys[1]);
  for (const { on, message } of MESSAGES) honest.send(on, encodeMessage(message));
  await until("all of it", () => heard.length === 1 + MESSAGES.length);
  expect(heard.toSorted()).toEqual(
    [`connected ${index}`, ...MESSAGES.map(({ message }) => `${message.type} of ${index}`)].toSorted(),
  );
  expect(blocks).toEqual([]);
});

test("a body that takes a while to open is heard when it is open, and blamed if it is none", async () => {
  const { committee, heard, blocks, peer } = await rig("later");
  const honest = await peer(keys[1]);
  honest.send("blocks", encodeMessage({ type: "body", body: Uint8Array.of(1) }));
  await until("the body", () => heard.includes(`body of ${committee.indexOf(keys[1])}`));
  expect(blocks).toEqual([]);
  (await peer(keys[2])).send("blocks", encodeMessage({ type: "body", body: Uint8Array.of(BAD_BODY) }));
  await until("a block", () => blocks.length > 0);
  expect(blocks).toEqual([{ peer: keys[2], reason: "malformed" }]);
});

test("a body of no use is not opened and nobody is blamed; one that is opened warily is heard, and its sender rests", async () => {
  const { heard, blocks, opened, peer } = await rig("slowly");
  const pusher = await peer(keys[1]);
  const push = (first: number): void =>
    void pusher.send("blocks", encodeMessage({ type: "body", body: Uint8Array.of(first, 1) }));
  for (const first of [USELESS_BODY, WARY_BODY, USELESS_BODY, 1]) push(first);
  await until(
    "both",
    () => opened.length === 2 && heard.filter((text) => text.startsWith("body")).length === 2,
  );
  expect(opened.map(({ first }) => first)).toEqual([WARY_BODY, 1]);
  const [wary, next] = opened.map(({ at }) => at) as [number, number];
  expect(next - wary).toBeGreaterThan(8 * SLOW_MS);
  expect(blocks).toEqual([]);
});

test("a leader that was ahead of this node rests until that shows, and its next body is not late", async () => {
  const { heard, blocks, opened, state, peer } = await rig("slowly", 500);
  const leader = await peer(keys[1]);
  for (const first of [WARY_BODY, 1])
    leader.send("blocks", encodeMessage({ type: "body", body: Uint8Array.of(first, 1) }));
  await until("the first", () => heard.filter((text) => text.startsWith("body")).length === 1);
  expect(opened).toHaveLength(1);
  state.cleared = true;
  const since = performance.now();
  await until("the next", () => opened.length === 2);
  // Its rest would have been the longest there is.
  expect(performance.now() - since).toBeLessThan(2_000);
  expect(blocks).toEqual([]);
});

test("every message on any channel but its own ends its sender's connection", async () => {
  for (const { on, message } of MESSAGES) {
    for (const name of NAMES) {
      if (name === on || encodeMessage(message).length > SPECS[name].maxFrameBytes) continue;
      const { heard, blocks, peer } = await rig();
      (await peer(keys[1])).send(name, encodeMessage(message));
      await until("a block", () => blocks.length > 0);
      expect(blocks).toEqual([{ peer: keys[1], reason: "malformed" }]);
      expect(heard.filter((text) => !text.startsWith("connected"))).toEqual([]);
    }
  }
});

test("garbage, a cut message, one with a tail and a body that is none end their sender's connection", async () => {
  const whole = encodeMessage({ type: "vote", vote });
  const bad: readonly [ChannelName, Uint8Array][] = [
    ["votes", new Uint8Array(0)],
    ["votes", Uint8Array.of(200, 1, 2)],
    ["votes", whole.subarray(0, -1)],
    ["votes", Uint8Array.of(...whole, 0)],
    ["blocks", encodeMessage({ type: "body", body: Uint8Array.of(BAD_BODY) })],
    ["blocks", encodeMessage({ type: "body", body: new Uint8Array(MAX_BLOCK_BYTES + 1) })],
  ];
  for (const [on, frame] of bad) {
    const { blocks, peer, heard } = await rig();
    (await peer(keys[2])).send(on, frame);
    await until("a block", () => blocks.length > 0);
    expect(blocks.map(({ reason }) => reason)).toEqual(["malformed"]);
    expect(heard.filter((text) => !text.startsWith("connected"))).toEqual([]);
  }
});

test("whoever is no validator is neither heard nor answered", async () => {
  const { heard, blocks, peer, gateway } = await rig();
  const stranger = await peer(identityFromSeed(new Uint8Array(32).fill(9)).publicKey);
  const member = await peer(keys[3]);
  for (const { on, message } of MESSAGES) stranger.send(on, encodeMessage(message));
  gateway.network.send(-1, { type: "hello", view: 1 });
  member.send("votes", encodeMessage({ type: "hello", view: 1 }));
  await until("the member", () => heard.some((text) => text.startsWith("hello")) && member.got.length > 0);
  expect(heard).toHaveLength(2);
  expect(stranger.got).toEqual([]);
  expect(blocks).toEqual([]);
});

test("a flooding peer's frames are bounded in number, and another's vote passes meanwhile", async () => {
  const { committee, heard, peer } = await rig();
  const [flooder, honest] = [await peer(keys[1]), await peer(keys[2])];
  const frame = encodeMessage({ type: "vote", vote });
  const flood = 20_000;
  for (let i = 0; i < flood; i++) flooder.send("votes", frame);
  honest.send("votes", frame);
  await until("the honest vote", () => heard.includes(`vote of ${committee.indexOf(keys[2])}`));
  // Turn about, however long the other's queue is.
  expect(heard.indexOf(`vote of ${committee.indexOf(keys[2])}`)).toBeLessThan(20);
  honest.send("votes", encodeMessage({ type: "hello", view: 9 }));
  await until("the honest greeting", () => heard.includes(`hello of ${committee.indexOf(keys[2])}`));
  expect(heard.length).toBeLessThan(SPECS.votes.queue.maxFrames + 200);
});
