// The driver's turns: what is decided together is written together, on a real file, before any of it leaves; and a
// journal that cannot be written to, after which nothing of that turn or of any later one leaves (R15, R16).
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import type { JournalRecord } from "#consensus/effects.ts";
import type { CoreMessage } from "#consensus/events.ts";
import { ALL_RULES } from "#consensus/rules.ts";
import { type CoreConfig, DEFAULT_TIMING, NOTHING_RESTORED } from "#consensus/state.ts";
import { createDriver, type Driver } from "#node/consensus/driver.ts";
import { openJournal } from "#node/consensus/journal.ts";
import type { ApplicationPort, Body, JournalPort, SchemePort } from "#node/consensus/ports.ts";
import { guardedDriver, mortalApplication } from "#node/validators/lifetime.ts";
import { ZERO_HASH } from "#types/ids.ts";
import type { VoteKind } from "#types/vote.ts";
import { createSimChain, GENESIS, makeBody, newChainDisk, type SimBody } from "../../sim/chain.ts";
import { createStandIn } from "../../sim/stand-in.ts";
import { temporaryFolder } from "../../support/kora.ts";

const FULL = new Error("database or disk is full");

interface Rig {
  readonly driver: Driver<Body>;
  readonly sent: CoreMessage["type"][];
  readonly clock: { now: number };
  readonly disk: { full: boolean };
}

function rig(): Rig {
  const clock = { now: 0 };
  const disk = { full: false };
  const sent: CoreMessage["type"][] = [];
  const journal: JournalPort<Body> = {
    load: () => NOTHING_RESTORED,
    append: () => {},
    reserve: () => {},
    commit() {
      if (disk.full) throw FULL;
    },
    body: () => undefined,
    prune: () => {},
  };
  const scheme = {
    sign: (subject, done) =>
      done({
        ...subject,
        signer: 0,
        partial: new Uint8Array(96),
        seedPartial: new Uint8Array(96),
        envelope: new Uint8Array(64),
      }),
  } as Partial<SchemePort> as SchemePort;
  const application = {
    tip: () => ({ digest: ZERO_HASH, height: 0 }),
    isFinal: () => true,
  } as Partial<ApplicationPort<Body>> as ApplicationPort<Body>;
  const driver = createDriver<Body>(
    { epoch: 0, n: 4, me: 0, scheme: "threshold", genesis: ZERO_HASH, timing: DEFAULT_TIMING },
    {
      journal,
      scheme,
      application,
      network: {
        send: (_to, message) => sent.push(message.type),
        sendBody: () => {},
        requestBody: () => {},
        block: () => {},
      },
      clock: { now: () => clock.now, wall: () => clock.now / 1000, alarm: () => {} },
      observer: { fault: () => {}, halted: () => {} },
    },
  );
  return { driver, sent, clock, disk };
}

/** Enough peers tell what they hold of this validator's, so that it may sign; then the first leader is late. */
function toTheFirstVote({ driver, clock }: Rig): void {
  driver.start();
  for (const peer of [1, 2]) driver.message(peer, { type: "echo", vote: undefined });
  clock.now = 60_000;
  driver.wake();
}

test("a vote leaves once it is durable", () => {
  const healthy = rig();
  toTheFirstVote(healthy);
  expect(healthy.sent).toContain("vote");
});

test("a vote that could not be written does not leave, not with a later event either", () => {
  const broken = rig();
  broken.disk.full = true;
  expect(() => toTheFirstVote(broken)).toThrow(FULL);
  broken.disk.full = false;
  expect(broken.driver.halted).toBeTrue();
  broken.driver.message(3, { type: "hello", view: 1 });
  broken.clock.now += 60_000;
  broken.driver.wake();
  expect(broken.sent).not.toContain("vote");
});

test("the failure reaches whoever stops the node, and no peer is blamed for it", () => {
  const broken = rig();
  const failures: unknown[] = [];
  const stop = new AbortController();
  const driver = guardedDriver(broken.driver, {
    stopped: stop.signal,
    fail: (error) => failures.push(error),
  });
  broken.disk.full = true;
  toTheFirstVote({ ...broken, driver });
  expect(failures).toEqual([FULL]);
});

test("a stopped node hears nothing more, and drops the answers that were under way", async () => {
  const { driver, sent } = rig();
  const stop = new AbortController();
  const guarded = guardedDriver(driver, { stopped: stop.signal, fail: () => {} });
  guarded.start();
  const said = sent.length;
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = {
    finalize: (_body: Body, _certificate: undefined, done: () => void) => promise.then(done),
  } as unknown as ApplicationPort<Body>;
  let answered = false;
  mortalApplication(slow, stop.signal).finalize({} as Body, undefined, () => {
    answered = true;
  });
  stop.abort();
  guarded.message(1, { type: "hello", view: 1 });
  resolve();
  await promise;
  await Bun.sleep(0);
  expect([answered, sent.length]).toEqual([false, said]);
});

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

interface Diary {
  readonly driver: Driver<SimBody>;
  /** What was written, what left and what the chain was told, in order; reading it empties it. */
  read(): string[];
  /** A vote of another member arrives. */
  hear(signer: number, kind: VoteKind): void;
}

const WRITTEN: Record<JournalRecord["type"], (record: never) => string> = {
  vote: ({ vote }: Extract<JournalRecord, { type: "vote" }>) => vote.kind,
  certificate: ({ certificate }: Extract<JournalRecord, { type: "certificate" }>) =>
    `certificate ${certificate.kind}`,
  verdict: ({ valid }: Extract<JournalRecord, { type: "verdict" }>) => `verdict ${valid}`,
  body: () => "body",
  fault: () => "fault",
};

/** Member `me` with a journal on disk; of several, member 1 leads view 1, and `body` is what it builds. */
function diary(config: Pick<CoreConfig, "n" | "me" | "scheme">, body: SimBody): Diary {
  const folder = temporaryFolder();
  closing.push(() => folder[Symbol.dispose]());
  const events: string[] = [];
  const disk = newChainDisk(GENESIS);
  const inner = openJournal<SimBody>({
    path: join(folder.path, "consensus.db"),
    guard: join(folder.path, "guard"),
    encodeBody: () => new Uint8Array(8),
    decodeBody: () => body,
    acknowledgedView: () => 0,
  });
  closing.push(() => inner[Symbol.dispose]());
  const crypto = createStandIn(7, config.scheme, ALL_RULES);
  const driver = createDriver<SimBody>(
    { epoch: 0, genesis: GENESIS, timing: DEFAULT_TIMING, ...config },
    {
      journal: {
        ...inner,
        append(record, of) {
          events.push(`write ${WRITTEN[record.type](record as never)}`);
          inner.append(record, of);
        },
        reserve(upTo) {
          events.push("reserve");
          inner.reserve(upTo);
        },
        commit() {
          inner.commit();
          events.push("commit");
        },
      },
      scheme: crypto.port(config.me, () => {}),
      application: createSimChain(disk, GENESIS, {
        pulse() {},
        after: (_ms, run) => run(),
        buildTime: () => 0,
        verifyTime: () => 0,
        finalizeTime: () => 0,
        wall: () => 1,
        salt: () => 0,
        finalized: ({ facts }) => events.push(`deliver ${facts.height}`),
        durable: () => {},
      }),
      network: {
        send: (_to, message) => {
          if (message.type === "vote") events.push(`send ${message.vote.kind}`);
          else if (message.type === "certificates") events.push("send certificate");
        },
        sendBody: () => events.push("send body"),
        requestBody: () => {},
        block: () => {},
      },
      clock: { now: () => 0, wall: () => 1, alarm: () => {} },
      observer: { fault: () => {}, halted: (reason) => events.push(`halted: ${reason}`) },
    },
  );
  const { digest } = body.facts;
  driver.start();
  return {
    driver,
    read: () => events.splice(0),
    hear(signer, kind) {
      const subject = { kind, epoch: 0, view: 1, parentView: 0, payload: digest };
      driver.message(signer, { type: "vote", vote: crypto.vote(signer, subject) });
    },
  };
}

const FIRST = makeBody(
  {
    ...{ parent: GENESIS, height: 1, epoch: 0, view: 1, parentView: 0 },
    ...{ prevRandao: ZERO_HASH, timestamp: 1 },
  },
  false,
  0,
);

test("what one turn decides is one commit, and leaves after it in the order of the decisions", () => {
  const { driver, read, hear } = diary({ n: 4, me: 0, scheme: "threshold" }, FIRST);
  for (const peer of [1, 2]) driver.message(peer, { type: "echo", vote: undefined });
  read();
  driver.body(1, FIRST);
  hear(1, "notarize");
  expect(read()).toEqual(["reserve", "write body", "write notarize", "commit", "send notarize"]);
  // The third vote: certificate, verdict and finalize are one turn, since R3 has judged the block.
  hear(2, "notarize");
  expect(read()).toEqual([
    ...["write certificate notarize", "write verdict true", "write finalize", "commit"],
    ...["send certificate", "send finalize"],
  ]);
  hear(1, "finalize");
  expect(read()).toEqual([]);
  hear(2, "finalize");
  expect(read()).toEqual(["write certificate finalize", "commit", "deliver 1"]);
});

test("a leader's body is written with its vote and leaves before it, once", () => {
  const { driver, read, hear } = diary({ n: 4, me: 1, scheme: "threshold" }, FIRST);
  read();
  for (const peer of [0, 2]) driver.message(peer, { type: "echo", vote: undefined });
  expect(read()).toEqual(["reserve", "write body", "write notarize", "commit", "send body", "send notarize"]);
  for (const signer of [0, 2]) hear(signer, "notarize");
  expect(read()).toEqual([
    ...["write certificate notarize", "write verdict true", "write finalize", "commit"],
    ...["send certificate", "send finalize"],
  ]);
});

test("alone, a block is one commit, and an idle chain writes nothing", () => {
  const { driver, read } = diary({ n: 1, me: 0, scheme: "solo" }, FIRST);
  const block = [
    ...["write body", "write notarize", "write certificate notarize", "write verdict true", "write finalize"],
    ...["write certificate finalize", "commit"],
  ];
  expect(read()).toEqual([]);
  driver.work(true);
  expect(read()).toEqual(["reserve", ...block, "deliver 1"]);
  for (const pending of [false, false]) driver.work(pending);
  driver.wake();
  expect(read()).toEqual([]);
  driver.work(true);
  expect(read()).toEqual([...block, "deliver 2"]);
});
