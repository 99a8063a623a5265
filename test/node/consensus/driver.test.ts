// A journal that cannot be written to: nothing of that turn, or of any later one, leaves the driver (R15, R16).
import { expect, test } from "bun:test";
import type { CoreMessage } from "#consensus/events.ts";
import { DEFAULT_TIMING, NOTHING_RESTORED } from "#consensus/state.ts";
import { createDriver, type Driver } from "#node/consensus/driver.ts";
import type { ApplicationPort, Body, JournalPort, SchemePort } from "#node/consensus/ports.ts";
import { guardedDriver, mortalApplication } from "#node/validators/lifetime.ts";
import { ZERO_HASH } from "#types/ids.ts";

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
