// A validator from proposal to final block: what leaves and when, each verdict's vote, a disk that fails, the signing
// guard, and its end. Chain, journal, guard and cryptography are real; clock and network are a test's.
import { Database } from "bun:sqlite";
import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_TIMING } from "#consensus/state.ts";
import { keccakHash } from "#crypto/hash.ts";
import { KoraError } from "#lib/error.ts";
import { readGuard } from "#node/consensus/journal.ts";
import { encodeCertificate } from "#types/certificate.ts";
import type { Header } from "#types/header.ts";
import { bytesOf, hash, height } from "#types/ids.ts";
import type { Message } from "#types/message.ts";
import { encodeVote } from "#types/vote.ts";
import { temporaryFolder, until } from "../../support/kora.ts";
import {
  openStage,
  type Puppet,
  type Stage,
  type StageOptions,
  startValidator,
  subjectOf,
  type TestValidator,
  type ValidatorOptions,
} from "../../support/validator.ts";

const { leaderTimeout, certificationTimeout, timeoutRetry } = DEFAULT_TIMING;
const OTHER_HASH = hash(`0x${"5e".repeat(32)}`);

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Scene {
  readonly stage: Stage;
  readonly puppets: readonly [Puppet, Puppet, Puppet];
  readonly folder: string;
  /** Starts the validator, again if it was stopped. */
  start(options?: Partial<ValidatorOptions>): Promise<TestValidator>;
}

async function setScene(options: StageOptions): Promise<Scene> {
  const stage = await openStage(options);
  closing.push(() => stage.close());
  const folder = temporaryFolder();
  closing.push(() => folder[Symbol.dispose]());
  return {
    stage,
    puppets: stage.puppets as unknown as Scene["puppets"],
    folder: folder.path,
    async start(more = {}) {
      const node = await startValidator(stage, { folder: folder.path, ...more });
      closing.push(() => node.stop());
      return node;
    },
  };
}

/** Member 0 at its start: index 1 leads view 1, so it waits for a proposal. */
const voter = (options: Partial<StageOptions> = {}): Promise<Scene> => setScene({ me: 0, ...options });

/**
 * Resolves once the validator was told by all puppets what they hold of it, so that it may sign (R18). Twice: the first
 * time a puppet's answer to the validator's own greeting may still be on its way.
 */
async function heeded({ puppets }: Scene): Promise<void> {
  for (const puppet of [...puppets, ...puppets]) await puppet.heeded();
}

const saidOf = ({ said }: TestValidator, ...names: string[]): string[] =>
  said.filter((name) => names.some((start) => name.startsWith(start)));
/** Votes, certificates and bodies: neither greetings nor requests. */
const votesOf = (node: TestValidator): string[] =>
  saidOf(node, "notarize ", "nullify ", "finalize ", "certificate ", "body").filter(
    (name) => name !== "bodyRequest",
  );

const says = (node: TestValidator, name: string): Promise<true> =>
  until(name, () => (node.said.includes(name) ? true : undefined));

/** Whether what leaves was written before, and its view reserved. */
function durable(message: Message, { database, guard }: Pick<TestValidator, "database" | "guard">): boolean {
  const has = (sql: string, ...values: (string | number | Uint8Array)[]): boolean =>
    database()
      .query(sql)
      .get(...values) !== null;
  switch (message.type) {
    case "vote": {
      const { vote } = message;
      const { kind, view, payload } = vote;
      const body = has("SELECT 1 FROM bodies WHERE digest = ?", bytesOf(payload));
      const written = has("SELECT 1 FROM votes WHERE vote = ?", encodeVote(vote));
      return written && (kind === "nullify" || body) && (readGuard(guard)?.upTo ?? 0) >= view;
    }
    case "certificates":
      return message.certificates.every((one) =>
        has("SELECT 1 FROM certificates WHERE certificate = ?", encodeCertificate(one)),
      );
    case "body":
      return has("SELECT 1 FROM bodies WHERE body = ?", message.body);
    default:
      return true;
  }
}

describe("from proposal to final block", () => {
  /** Names of what left before it was durable. */
  const early: string[] = [];
  const leaving: ValidatorOptions["leaving"] = (message, disk) => {
    if (!durable(message, disk)) early.push(message.type);
  };
  afterEach(() => expect(early.splice(0)).toEqual([]));

  test("a voter's votes and certificates leave in their order, each written before (R15)", async () => {
    const scene = await voter();
    const node = await scene.start({ leaving });
    await heeded(scene);
    const [leader, second] = scene.puppets;
    const body = await scene.stage.build({ view: 1 });
    leader.sendBody(body);
    leader.vote(subjectOf("notarize", 1, body));
    await says(node, "notarize 1");
    second.vote(subjectOf("notarize", 1, body));
    await says(node, "finalize 1");
    expect(node.chain.ledger.tip().hash).toBe(scene.stage.genesis);
    for (const puppet of [leader, second]) puppet.vote(subjectOf("finalize", 1, body));
    await until("a final block", () => node.chain.ledger.tip().hash === body.facts.digest);
    expect(votesOf(node)).toEqual(["notarize 1", "certificate notarize 1", "finalize 1"]);
    expect(node.failures).toEqual([]);
  });

  test("a leader sends its block's body once, then the vote that proposes it", async () => {
    const scene = await setScene({ me: 1 });
    const node = await scene.start({ leaving });
    await says(node, "notarize 1");
    const [first, second] = scene.puppets;
    const vote = await until("the proposal", () => first.heard.find((message) => message.type === "vote"));
    if (vote.type !== "vote") throw new Error("a vote was looked for");
    const { payload } = vote.vote;
    for (const kind of ["notarize", "finalize"] as const) {
      for (const puppet of [first, second]) puppet.vote({ ...vote.vote, kind });
      if (kind === "notarize") await says(node, "finalize 1");
    }
    await until("a final block", () => node.chain.ledger.tip().hash === payload);
    expect(votesOf(node)).toEqual(["body", "notarize 1", "certificate notarize 1", "finalize 1"]);
    expect(node.engine.status.nodeStatus()).toMatchObject({ proposedCount: 1, finalizedHeight: 1 });
  });

  test("what is pending stands on the block that was certified, until that is final", async () => {
    const scene = await voter();
    const node = await scene.start({ leaving });
    await heeded(scene);
    const [leader, second] = scene.puppets;
    const body = await scene.stage.build({ view: 1 });
    const { seed } = scene.stage.committee.sign(subjectOf("notarize", 1, body));
    expect(node.chain.pending.begin(0).header.number as number).toBe(1);
    leader.sendBody(body);
    for (const puppet of [leader, second]) puppet.vote(subjectOf("notarize", 1, body));
    await says(node, "finalize 1");
    const certified = node.chain.pending.begin(0);
    expect(certified.ancestors.map(({ block }) => block.hash)).toEqual([body.facts.digest]);
    expect(certified.header).toMatchObject({
      number: 2,
      parentHash: body.facts.digest,
      mixHash: keccakHash(seed),
    });
    for (const puppet of [leader, second]) puppet.vote(subjectOf("finalize", 1, body));
    await until("a final block", () => node.chain.ledger.tip().hash === body.facts.digest);
    const final = node.chain.pending.begin(0);
    expect(final.ancestors).toEqual([]);
    expect(final.header).toEqual(certified.header);
  });

  test("a view that passed without it is fetched, executed and certified before the next is voted for (R4, R8)", async () => {
    const scene = await voter();
    const node = await scene.start({ leaving });
    await heeded(scene);
    const { stage, puppets } = scene;
    const first = await stage.build({ view: 1 });
    const notarization = stage.committee.sign(subjectOf("notarize", 1, first));
    const parent = { parentView: 1, parent: first.facts.digest, parentSeed: notarization.seed };
    const second = await stage.build({ view: 2, ...parent });
    puppets[1].say({ type: "certificates", certificates: [notarization] });
    const asked = await until("a request for the body", () =>
      puppets.find(({ heard }) => heard.some(({ type }) => type === "bodyRequest")),
    );
    expect(votesOf(node)).toEqual([]);
    asked.sendBody(first);
    await until("view 2", () => node.engine.status.nodeStatus().currentView === 2);
    const { leader } = node.engine.status.nodeStatus();
    const members = stage.committee.members.map(({ identity }) => identity.publicKey);
    const proposer = puppets.find(({ index }) => members[index] === leader);
    if (proposer === undefined) throw new Error("the validator leads view 2 itself: seat another");
    proposer.sendBody(second);
    proposer.vote(subjectOf("notarize", 2, second));
    await says(node, "notarize 2");
    expect(saidOf(node, "nullify")).toEqual([]);
  });
});

interface Wrong {
  readonly what: string;
  readonly change: (header: Header) => Partial<Header>;
}

describe("what the application says of a proposal", () => {
  const WRONG: readonly Wrong[] = [
    { what: "whose execution gives another state", change: () => ({ stateRoot: OTHER_HASH }) },
    { what: "with another prevrandao (R13)", change: () => ({ mixHash: OTHER_HASH }) },
    { what: "on another parent", change: () => ({ parentHash: OTHER_HASH }) },
    { what: "at a wrong height", change: ({ number }) => ({ number: height(number + 1) }) },
    {
      what: "whose extraData names another view",
      change: ({ extraData }) => ({ extraData: extraData.map((byte, at) => (at === 15 ? byte + 1 : byte)) }),
    },
  ];
  test.each(WRONG)("a block $what is given up at once, without waiting for a timer", async ({ change }) => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    const good = await scene.stage.build({ view: 1 });
    const body = scene.stage.alter(good, change(good.block.header));
    const [leader] = scene.puppets;
    leader.sendBody(body);
    leader.vote(subjectOf("notarize", 1, body));
    await says(node, "nullify 1");
    expect(node.clock.now()).toBe(0);
    expect(saidOf(node, "notarize")).toEqual([]);
    expect(node.failures).toEqual([]);
  });

  test("a block ahead of this clock gets no vote, and is no reason to give up before the timer (R3)", async () => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    const good = await scene.stage.build({ view: 1 });
    const body = scene.stage.alter(good, { timestamp: good.block.header.timestamp + 60 });
    const [leader] = scene.puppets;
    leader.sendBody(body);
    leader.vote(subjectOf("notarize", 1, body));
    await leader.heeded();
    // It was looked at once it can be had back.
    await until("the body", () => {
      leader.ask(body.facts.digest);
      return leader.heard.some(({ type }) => type === "body");
    });
    node.clock.advance(leaderTimeout);
    expect(saidOf(node, "notarize", "nullify")).toEqual([]);
    node.clock.advance(certificationTimeout - leaderTimeout);
    expect(saidOf(node, "notarize", "nullify")).toEqual(["nullify 1"]);
  });

  test("a parent at or above the view can never be right: given up at once, body or not (R9)", async () => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    scene.puppets[0].vote({ ...subjectOf("notarize", 1), parentView: 1, payload: OTHER_HASH });
    await says(node, "nullify 1");
    expect(node.clock.now()).toBe(0);
  });

  test("a body that does not come is asked for, taken from whoever has it, and voted for", async () => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    const body = await scene.stage.build({ view: 1 });
    const [leader, second] = scene.puppets;
    leader.vote(subjectOf("notarize", 1, body));
    await leader.heeded();
    node.clock.advance(DEFAULT_TIMING.fetchTimeout / 10);
    const { digest } = body.facts;
    await until("a request to the leader", () =>
      leader.heard.some((message) => message.type === "bodyRequest" && message.digest === digest),
    );
    expect(votesOf(node)).toEqual([]);
    second.sendBody(body);
    await says(node, "notarize 1");
  });

  test("a final block that fails execution stops the node (R4)", async () => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    const { stage, puppets } = scene;
    const body = stage.alter(await stage.build({ view: 1 }), { stateRoot: OTHER_HASH });
    const certificates = (["notarize", "finalize"] as const).map((kind) =>
      stage.committee.sign(subjectOf(kind, 1, body)),
    );
    puppets[0].sendBody(body);
    puppets[1].say({ type: "certificates", certificates });
    await until("the failure", () => node.failures.length > 0);
    expect(node.failures).toEqual([expect.objectContaining({ code: "CONSENSUS_HALTED", kind: "safety" })]);
    expect(node.chain.ledger.tip().hash).toBe(stage.genesis);
    node.clock.advance(10 * timeoutRetry);
    expect(votesOf(node)).toEqual([]);
  });
});

describe("a disk that cannot be written", () => {
  /** Another writer keeps the journal's lock. */
  function blockDisk(folder: string): Database {
    const blocker = new Database(join(folder, "consensus.db"));
    blocker.run("BEGIN IMMEDIATE");
    return blocker;
  }

  test("the first vote's view cannot be reserved: the node stops, and no vote leaves, then or later", async () => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    const blocker = blockDisk(scene.folder);
    node.clock.advance(leaderTimeout);
    expect(node.failures).toEqual([expect.objectContaining({ code: "JOURNAL_FAILED" })]);
    expect(readGuard(node.guard)).toBeUndefined();
    blocker.close();
    node.clock.ring();
    node.clock.advance(10 * timeoutRetry);
    node.clock.ring();
    expect(votesOf(node)).toEqual([]);
  });

  test("a certificate and the vote that follows from it cannot be written: neither leaves", async () => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    const [leader, second, third] = scene.puppets;
    const body = await scene.stage.build({ view: 1 });
    leader.sendBody(body);
    leader.vote(subjectOf("notarize", 1, body));
    await says(node, "notarize 1");
    const blocker = blockDisk(scene.folder);
    second.vote(subjectOf("notarize", 1, body));
    await until("the failure", () => node.failures.length > 0);
    expect(node.failures).toEqual([expect.objectContaining({ code: "JOURNAL_FAILED" })]);
    blocker.close();
    third.vote(subjectOf("notarize", 1, body));
    node.clock.advance(10 * timeoutRetry);
    node.clock.ring();
    expect(votesOf(node)).toEqual(["notarize 1"]);
    // What the journal holds is what left.
    await node.stop();
    using database = new Database(join(scene.folder, "consensus.db"), { readonly: true });
    expect(database.query("SELECT kind FROM votes").all()).toEqual([{ kind: "notarize" }]);
    expect(database.query("SELECT kind FROM certificates").all()).toEqual([]);
  });
});

describe("the signing guard (R18)", () => {
  test("nothing is signed before as many others as make a quorum told what they hold", async () => {
    const scene = await voter({ greeting: [1] });
    const node = await scene.start();
    const [first, second] = scene.puppets;
    await first.heeded();
    node.clock.advance(certificationTimeout);
    expect(votesOf(node)).toEqual([]);
    expect(readGuard(node.guard)).toBeUndefined();
    second.say({ type: "echo", vote: undefined });
    await says(node, "nullify 1");
    expect(readGuard(node.guard)?.upTo).toBe(1_024);
  });

  test("a vote of its own that others hold and the journal lacks bars its view", async () => {
    const scene = await voter({ greeting: [] });
    const node = await scene.start();
    const { stage, puppets } = scene;
    const own = stage.committee.members[0]?.votes;
    own?.sign(subjectOf("nullify", 1), (vote) => puppets[0].say({ type: "echo", vote }));
    puppets[1].say({ type: "echo", vote: undefined });
    await puppets[0].heeded();
    await puppets[1].heeded();
    node.clock.advance(certificationTimeout);
    expect(votesOf(node)).toEqual([]);
    expect(node.engine.concerns?.()).toContainEqual(expect.stringContaining("bars votes up to view 1;"));
  });

  test("one key runs once, whatever the data directory; the lock ends with the node", async () => {
    const scene = await voter();
    const node = await scene.start();
    using other = temporaryFolder();
    const twin = scene.start({ folder: other.path, guard: node.guard });
    const refusal = await twin.catch((thrown: unknown) => thrown);
    expect(refusal).toBeInstanceOf(KoraError);
    expect(refusal).toMatchObject({ code: "KEY_IN_USE", kind: "safety" });
    await node.stop();
    await (await scene.start()).stop();
  });

  test("a journal from a backup, or none: nothing is signed in the views that its past may have signed in", async () => {
    const scene = await voter();
    /** One life that gives up view 1 if it may. */
    async function live(guardOverride: number): Promise<readonly string[]> {
      const node = await scene.start({ guardOverride });
      await heeded(scene);
      node.clock.advance(leaderTimeout);
      node.clock.advance(timeoutRetry);
      const said = votesOf(node);
      const barred = (node.engine.concerns?.() ?? []).some((why) => why.includes("up to view 1024"));
      expect(barred).toBe(said.length === 0);
      expect(node.failures).toEqual([]);
      await node.stop();
      return said;
    }
    const journal = join(scene.folder, "consensus.db");
    const remove = (): void => {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(journal + suffix, { force: true });
    };
    expect(await live(0)).toContain("nullify 1");
    const copy = readFileSync(journal);
    remove();
    expect(await live(0)).toEqual([]);
    // On the operator's word it votes, with a new reservation: the copy is older than that.
    expect(await live(1_024)).toContain("nullify 1");
    remove();
    writeFileSync(journal, copy);
    expect(await live(0)).toEqual([]);
  });
});

describe("its end", () => {
  test("after it nothing leaves and nothing is heard, and the journal is another's to open", async () => {
    const scene = await voter();
    const node = await scene.start();
    await heeded(scene);
    expect(node.clock.armed()).toBeTrue();
    await node.stop();
    expect(node.clock.armed()).toBeFalse();
    const said = node.said.length;
    scene.puppets[0].say({ type: "hello", view: 1 });
    node.clock.advance(certificationTimeout);
    node.clock.ring();
    expect([node.said.length, node.failures]).toEqual([said, []]);
    using database = new Database(join(scene.folder, "consensus.db"));
    database.run("BEGIN EXCLUSIVE");
  });

  test("a block at hand is judged to its end, and its verdict goes nowhere", async () => {
    const scene = await voter();
    const judging = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    let judged = false;
    const node = await scene.start({
      around: (chain) => ({
        ...chain,
        application: {
          ...chain.application,
          verify: ({ hash: digest }) =>
            chain.application.exclusive(async () => {
              judging.resolve();
              await gate.promise;
              judged = true;
              return { kind: "valid", digest };
            }),
        },
      }),
    });
    await heeded(scene);
    const body = await scene.stage.build({ view: 1 });
    scene.puppets[0].sendBody(body);
    scene.puppets[0].vote(subjectOf("notarize", 1, body));
    await judging.promise;
    let ended = false;
    const stopped = node.stop().then(() => {
      ended = true;
    });
    await until("the alarm gone", () => !node.clock.armed());
    await Bun.sleep(0);
    expect(ended).toBeFalse();
    gate.resolve();
    await stopped;
    expect([judged, votesOf(node), node.failures]).toEqual([true, [], []]);
  });

  test("the system's alarm is cancelled", async () => {
    const set = spyOn(globalThis, "setTimeout");
    const cleared = spyOn(globalThis, "clearTimeout");
    try {
      const scene = await voter();
      const node = await scene.start({ systemClock: true });
      await heeded(scene);
      await node.stop();
      // The greeting is repeated, and the first leader given up, long after this test: one of these alarms was set.
      const far = set.mock.calls.flatMap(([, ms], call) =>
        (ms ?? 0) > 100 && (ms ?? 0) <= timeoutRetry ? [set.mock.results[call]?.value] : [],
      );
      const stopped = new Set<unknown>(cleared.mock.calls.map(([timer]) => timer));
      expect(far.length).toBeGreaterThan(0);
      expect(far.filter((timer) => !stopped.has(timer))).toEqual([]);
    } finally {
      set.mockRestore();
      cleared.mockRestore();
    }
  });
});
