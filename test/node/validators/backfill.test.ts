// Runs of final blocks: what a server gives, what a client believes, whom it cuts off, and how a node that is far
// behind arrives at the tip.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { headerHash } from "#crypto/digest.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import type { ChannelSpec, Transport } from "#net/types.ts";
import { type Backfill, createBackfill } from "#node/validators/backfill.ts";
import { channelSpecs } from "#node/validators/channels.ts";
import { createMarshal } from "#node/validators/marshal.ts";
import { createRunSource, type RunStart, verifyRun } from "#node/validators/runs.ts";
import type { Archive } from "#state/types.ts";
import { type BlockRun, decodeBackfill, encodeBackfill, MAX_RUN_BLOCKS } from "#types/backfill.ts";
import { encodeBlock, joinBlock } from "#types/block.ts";
import type { Certificate } from "#types/certificate.ts";
import { encodeHeader } from "#types/header.ts";
import type { Height } from "#types/ids.ts";
import { openTestChain, transfer } from "../../support/chain.ts";
import { COMMITTEE, type FinalChain, makeFinalChain, openCommittee } from "../../support/finality.ts";
import { until } from "../../support/kora.ts";
import { createMemoryNetwork, type MemoryNetwork } from "../../support/memory-transport.ts";

const BLOCKS = 40;
const EVERY = 10;
const MAX_BLOCK_BYTES = 64 * 1024;
const PLENTY = 1_000_000;
const SPEC: ChannelSpec = channelSpecs(MAX_BLOCK_BYTES).backfill;
let source: FinalChain;
beforeAll(async () => {
  source = await makeFinalChain(BLOCKS, EVERY);
});
afterAll(() => source.chain.close());

const tipAt = (height: number) =>
  height === 0
    ? { hash: source.chain.genesisHash, height }
    : { hash: source.blocks[height - 1]!.hash, height };
const wireAt = (height: number): Uint8Array => {
  const stored = source.archive.block(height as Height)!;
  return joinBlock(stored.header, stored.body);
};
const certificateAt = (height: number): Certificate => source.certify(source.blocks[height - 1]!);
const verified = (run: BlockRun, from = 0) => verifyRun(run, tipAt(from), source.verifier);

describe("a server", () => {
  test("gives what one certificate proves, and nothing where nothing is proven", () => {
    const whole = collectRun(source.archive, 7, 1, PLENTY);
    expect([whole.id, whole.blocks.length, whole.headers.length]).toEqual([7, BLOCKS, 0]);
    expect(whole.certificate?.payload).toBe(source.blocks[BLOCKS - 1]!.hash);
    expect(collectRun(source.archive, 7, BLOCKS + 1, PLENTY).blocks).toEqual([]);
    const bare = { ...source.archive, block: (height: Height) => strip(source.archive.block(height)) };
    expect(collectRun(bare, 7, 1, PLENTY)).toEqual({
      id: 7,
      blocks: [],
      headers: [],
      certificate: undefined,
    });
  });

  test("fills the bytes it may send and proves the rest with headers", () => {
    const size = wireAt(1).length;
    const run = collectRun(source.archive, 1, 1, size * 3);
    expect([run.blocks.length, run.headers.length]).toEqual([3, EVERY - 3]);
    expect(verified(run)?.blocks.map(({ hash }) => hash)).toEqual(
      source.blocks.slice(0, 3).map(({ hash }) => hash),
    );
    expect(verified(run)?.certificate).toBeUndefined();
    expect(run.blocks.length).toBeLessThanOrEqual(MAX_RUN_BLOCKS);
  });
});

function collectRun(archive: Archive, id: number, from: number, maxBytes: number): BlockRun {
  return createRunSource(archive).collect(id, from, maxBytes);
}

function strip<T extends { readonly certificate: unknown }>(stored: T | undefined) {
  return stored && { ...stored, certificate: undefined };
}

describe("a client believes a run", () => {
  const run = (change: Partial<BlockRun> = {}): BlockRun => ({
    id: 1,
    blocks: [wireAt(1), wireAt(2)],
    headers: [],
    certificate: certificateAt(2),
    ...change,
  });
  test("that begins on its tip, hangs together and ends in a finalization", () => {
    expect(verified(run())?.blocks.map(({ hash }) => hash)).toEqual([
      source.blocks[0]!.hash,
      source.blocks[1]!.hash,
    ]);
    const header = encodeHeader(source.blocks[1]!.header);
    expect(verified(run({ blocks: [wireAt(1)], headers: [header] }))?.blocks).toHaveLength(1);
  });
  test("and none whose transactions are not those of its final header", () => {
    const { header } = source.blocks[0]!;
    const stuffed = encodeBlock({ header, transactions: [transfer({ from: 1, nonce: 0 }).raw] });
    expect(verified(run({ blocks: [stuffed, wireAt(2)] }))).toBeUndefined();
  });
  test("and none with a hole, a foreign block, the wrong certificate or none", async () => {
    const { header } = source.blocks[1]!;
    const edited = { ...header, timestamp: header.timestamp + 1 };
    const forged = { ...source.blocks[1]!, header: edited, hash: headerHash(edited) };
    const foreign = await openCommittee(source.chain.genesisHash);
    const wrong: Partial<BlockRun>[] = [
      { blocks: [wireAt(1), wireAt(3)], certificate: certificateAt(3) },
      { blocks: [wireAt(2)] },
      { blocks: [wireAt(2), wireAt(1)] },
      { blocks: [wireAt(1), wireAt(2), wireAt(3)] },
      { headers: [encodeHeader(source.blocks[3]!.header)], certificate: certificateAt(4) },
      {
        blocks: [wireAt(1)],
        headers: [encodeHeader(edited)],
        certificate: source.certify(forged, "notarize"),
      },
      { certificate: undefined },
      { certificate: source.certify(source.blocks[1]!, "notarize") },
      { certificate: foreign.certify(source.blocks[1]!) },
      { certificate: { ...certificateAt(2), view: 3 } },
      { certificate: { ...certificateAt(2), seed: certificateAt(3).seed } },
    ];
    for (const change of wrong) expect(verified(run(change))).toBeUndefined();
    expect(verified(run(), 1)).toBeUndefined();
  });
});

interface Peer {
  readonly transport: Transport;
  readonly blocked: string[];
}

function join(network: MemoryNetwork, member: number): Peer {
  const transport = network.join(COMMITTEE[member]!.publicKey);
  const blocked: string[] = [];
  const { block } = transport;
  transport.block = (peer, seconds, reason) => {
    blocked.push(reason);
    block(peer, seconds, reason);
  };
  return { transport, blocked };
}

function serve({ transport }: Peer, archive = source.archive, timeoutMs = 2_000): Backfill {
  const { verifier } = source;
  return createBackfill({
    transport,
    spec: SPEC,
    archive,
    verifier,
    maxBlockBytes: MAX_BLOCK_BYTES,
    timeoutMs,
  });
}

async function lengthOf(client: Backfill, start: RunStart, signal: AbortSignal): Promise<number> {
  const found = await client.next(start, signal);
  return found.kind === "run" ? found.run.blocks.length : 0;
}

const asking = (id: number, from: number): Uint8Array =>
  encodeBackfill({ type: "request", request: { id, from } });

describe("over a transport", () => {
  test("a liar is cut off, the next peer is asked, and nobody honest is cut off", async () => {
    const network = createMemoryNetwork();
    const [liar, honest, behind] = [join(network, 0), join(network, 1), join(network, 2)];
    const channel = liar.transport.open(SPEC, (from, frame) => {
      const asked = decodeBackfill(frame, SPEC.maxFrameBytes);
      if (asked.type !== "request") return;
      const run = { id: asked.request.id, blocks: [wireAt(2)], headers: [], certificate: certificateAt(2) };
      channel.send(from, encodeBackfill({ type: "run", run }));
    });
    serve(honest);
    const client = serve(behind, { ...source.archive, block: () => undefined }, 500);
    // Validators are asked before others.
    behind.transport.allow([liar.transport.self]);
    for (const { transport } of [liar, honest, behind]) await transport.start();
    const signal = new AbortController().signal;
    expect(await lengthOf(client, tipAt(0), signal)).toBe(BLOCKS);
    expect(await lengthOf(client, tipAt(0), signal)).toBe(BLOCKS);
    expect(behind.blocked).toEqual(["bad backfill"]);
    expect(honest.blocked).toEqual([]);
    expect(behind.transport.isConnected(honest.transport.self)).toBeTrue();
  });

  test("garbage, truncated requests and oversized runs cost their sender the connection; answers unasked for do not", async () => {
    const network = createMemoryNetwork();
    const server = join(network, 0);
    serve(server);
    await server.transport.start();
    const request = encodeBackfill({ type: "request", request: { id: 1, from: 1 } });
    const bad = [Uint8Array.of(9), request.subarray(0, -1), Uint8Array.of(...request, 0), new Uint8Array(0)];
    for (const [at, frame] of bad.entries()) {
      const sender = createSender(network, 5 + at);
      await sender.transport.start();
      sender.channel.send(server.transport.self, frame);
      await until("the end", () => !server.transport.isConnected(sender.transport.self));
    }
    expect(server.blocked).toHaveLength(bad.length);
    const eager = createSender(network, 9);
    await eager.transport.start();
    const run: BlockRun = { id: 3, blocks: [wireAt(1)], headers: [], certificate: certificateAt(1) };
    eager.channel.send(server.transport.self, encodeBackfill({ type: "run", run }));
    eager.channel.send(server.transport.self, request);
    await until("an answer", () => eager.answers.length > 0);
    expect(server.transport.isConnected(eager.transport.self)).toBeTrue();
  });

  test("a peer that answers late is waited for twice as long each time, until it is heard", async () => {
    const network = createMemoryNetwork();
    const [slow, behind] = [join(network, 0), join(network, 1)];
    const LATE_MS = 150;
    const TIMEOUT_MS = 10;
    const channel = slow.transport.open(SPEC, async (from, frame) => {
      const asked = decodeBackfill(frame, SPEC.maxFrameBytes);
      if (asked.type !== "request") return;
      await Bun.sleep(LATE_MS);
      const run = { id: asked.request.id, blocks: [wireAt(1)], headers: [], certificate: certificateAt(1) };
      channel.send(from, encodeBackfill({ type: "run", run }));
    });
    const client = serve(behind, { ...source.archive, block: () => undefined }, TIMEOUT_MS);
    for (const { transport } of [slow, behind]) await transport.start();
    const { signal } = new AbortController();
    const waits: number[] = [];
    for (let heard = false; !heard; ) {
      const began = performance.now();
      heard = (await lengthOf(client, tipAt(0), signal)) === 1;
      waits.push(performance.now() - began);
      expect(waits.length).toBeLessThan(20);
    }
    expect(waits.length).toBeGreaterThan(2);
    for (const [at, wait] of waits.slice(0, -1).entries())
      expect(wait).toBeGreaterThan(TIMEOUT_MS * 2 ** at - 2);
    expect(behind.blocked).toEqual([]);
  });

  /** A node that asks one who has nothing, and one who says nothing until told; `listed`: the first is a member. */
  async function besideOneSilent(listed: boolean) {
    const network = createMemoryNetwork();
    const [empty, silent, behind] = [join(network, 0), join(network, 1), join(network, 2)];
    serve(empty, { ...source.archive, block: () => undefined });
    const state = { asked: 0, speaks: false };
    const channel = silent.transport.open(SPEC, (from, frame) => {
      state.asked++;
      const asked = decodeBackfill(frame, SPEC.maxFrameBytes);
      if (asked.type !== "request" || !state.speaks) return;
      const run = collectRun(source.archive, asked.request.id, asked.request.from, PLENTY);
      channel.send(from, encodeBackfill({ type: "run", run }));
    });
    const client = serve(behind, { ...source.archive, block: () => undefined }, 20);
    if (listed) behind.transport.allow([behind.transport.self, empty.transport.self]);
    for (const { transport } of [empty, silent, behind]) await transport.start();
    return { state, next: () => client.next(tipAt(0), new AbortController().signal) };
  }

  test("strangers who say nothing do not keep back what a member has said, and are heard when they speak", async () => {
    const { state, next } = await besideOneSilent(true);
    for (let round = 0; round < 6; round++) expect(await next()).toEqual({ kind: "exhausted" });
    expect(state.asked).toBe(1);
    state.speaks = true;
    let found = await next();
    for (let round = 0; round < 8 && found.kind === "exhausted"; round++) found = await next();
    expect(found.kind).toBe("run");
  });

  test("where no member is known, who was silent once is asked again at once", async () => {
    const { state, next } = await besideOneSilent(false);
    expect(await next()).toEqual({ kind: "exhausted" });
    state.speaks = true;
    expect((await next()).kind).toBe("run");
    expect(state.asked).toBe(2);
  });

  test("strangers together get a quarter of the time, and a member waits for none of them", async () => {
    const network = createMemoryNetwork();
    const server = join(network, 0);
    /** What was read at a stretch, and when. */
    const turns: { readonly first: number; readonly began: number; last: number; ended: number }[] = [];
    const costly = {
      ...source.archive,
      block(height: Height) {
        const began = performance.now();
        while (performance.now() < began + 0.5);
        const stored = source.archive.block(height);
        let turn = turns.at(-1);
        if (turn === undefined || height <= turn.last) {
          turn = { first: height, began, last: height, ended: began };
          turns.push(turn);
        }
        turn.last = height;
        turn.ended = performance.now();
        return stored;
      },
    };
    serve(server, costly);
    const strangers = [1, 2, 3].map((i) => createSender(network, 20 + i));
    const member = createSender(network, 30);
    server.transport.allow([server.transport.self, member.transport.self]);
    for (const { transport } of [server, ...strangers, member]) await transport.start();
    const answered = (): number => strangers.reduce((sum, { answers }) => sum + answers.length, 0);
    const EACH = 4;
    for (const { channel } of strangers) {
      for (let i = 0; i < EACH; i++) channel.send(server.transport.self, asking(i, 1));
    }
    await until("the first answer", () => answered() > 0);
    member.channel.send(server.transport.self, asking(1, 2));
    await until("the member's", () => member.answers.length === 1);
    expect(answered()).toBeLessThan(strangers.length * EACH);
    await until("all answers", () => answered() === strangers.length * EACH);
    expect(new Set(strangers.map(({ answers }) => answers.length))).toEqual(new Set([EACH]));
    const theirs = turns.filter(({ first }) => first === 1);
    expect(theirs).toHaveLength(strangers.length * EACH);
    for (const [at, { began, ended }] of theirs.slice(0, -1).entries())
      expect(theirs[at + 1]!.began - ended).toBeGreaterThan(3 * (ended - began) - 2);
  }, 60_000);

  test("whoever does not take its answer is read to no further, and then gets what it asked for last", async () => {
    const network = createMemoryNetwork();
    const server = join(network, 0);
    let read = 0;
    const counted = {
      ...source.archive,
      block(height: Height) {
        if (height === 1) read++;
        return source.archive.block(height);
      },
    };
    serve(server, counted);
    const transport = network.join(identityFromSeed(new Uint8Array(32).fill(40)).publicKey);
    const gate = Promise.withResolvers<void>();
    const ids: number[] = [];
    const channel = transport.open(SPEC, async (_from, frame) => {
      const answer = decodeBackfill(frame, SPEC.maxFrameBytes);
      if (answer.type === "run") ids.push(answer.run.id);
      await gate.promise;
    });
    const other = createSender(network, 41);
    for (const each of [server.transport, transport, other.transport]) await each.start();
    channel.send(server.transport.self, asking(1, 1));
    await until("the first answer", () => ids.length === 1);
    for (let id = 2; id <= 9; id++) channel.send(server.transport.self, asking(id, 1));
    other.channel.send(server.transport.self, asking(1, 1));
    await until("the answer of another", () => other.answers.length === 1);
    expect([read, ids]).toEqual([2, [1]]);
    gate.resolve();
    await until("the last answer", () => ids.length > 1);
    other.channel.send(server.transport.self, asking(2, 1));
    await until("the answer of another", () => other.answers.length === 2);
    expect([read, ids]).toEqual([4, [1, 9]]);
  });

  test("whoever has gone before its turn costs nothing", async () => {
    const network = createMemoryNetwork();
    const server = join(network, 0);
    const gone = createSender(network, 50);
    const [first, last] = [createSender(network, 51), createSender(network, 52)];
    const asked: number[] = [];
    const counted = {
      ...source.archive,
      block(height: Height) {
        asked.push(height);
        // It goes while somebody else has the turn.
        if (height === 1) network.cut(gone.transport.self, server.transport.self);
        return source.archive.block(height);
      },
    };
    serve(server, counted);
    for (const { transport } of [server, first, gone, last]) await transport.start();
    first.channel.send(server.transport.self, asking(1, 1));
    gone.channel.send(server.transport.self, asking(1, 11));
    last.channel.send(server.transport.self, asking(1, 21));
    await until("the last answer", () => last.answers.length === 1);
    expect(first.answers).toHaveLength(1);
    expect(asked[0]).toBe(1);
    expect(asked.slice(1).filter((height, at) => height <= asked[at]!)).toEqual([21]);
  });

  test("a node that is behind executes and commits up to the tip, from an archive like any other", async () => {
    const network = createMemoryNetwork();
    const [server, late] = [join(network, 0), join(network, 1)] as const;
    serve(server);
    const chain = openTestChain();
    const sync = createMarshal(chain, serve(late, chain.state.archive));
    for (const { transport } of [server, late]) await transport.start();
    await sync.reach(BLOCKS);
    expect(sync.progress()).toBeUndefined();
    expect(chain.ledger.tip().hash).toBe(source.blocks[BLOCKS - 1]!.hash);
    expect(chain.state.archive.block(BLOCKS as Height)?.certificate).toBeDefined();
    expect(collectRun(chain.state.archive, 1, 1, PLENTY).blocks).toHaveLength(BLOCKS);
    chain.close();
  });

  test("a node that is told to stop gives up, though nobody answers", async () => {
    const network = createMemoryNetwork();
    const [silent, late] = [join(network, 0), join(network, 1)];
    silent.transport.open(SPEC, () => {});
    const chain = openTestChain();
    const sync = createMarshal(chain, serve(late, chain.state.archive, 60_000));
    for (const { transport } of [silent, late]) await transport.start();
    const running = sync.reach(BLOCKS);
    expect(sync.progress()).toMatchObject({ startingBlock: 0, currentBlock: 0, highestBlock: BLOCKS });
    await sync[Symbol.asyncDispose]();
    await running;
    expect(chain.ledger.tip().hash).toBe(chain.genesisHash);
    chain.close();
  });
});

function createSender(network: MemoryNetwork, seed: number) {
  const transport = network.join(identityFromSeed(new Uint8Array(32).fill(seed)).publicKey);
  const answers: Uint8Array[] = [];
  const channel = transport.open(SPEC, (_from, frame) => {
    answers.push(frame);
  });
  return { transport, channel, answers };
}
