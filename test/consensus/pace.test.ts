// R1, R7 and section 9: how long a leader is waited for, when a view is given up, how much its leader may build, and what
// those who are behind are told. All in one core's own time.
import { expect, test } from "bun:test";
import { step } from "#consensus/core.ts";
import type { Effect } from "#consensus/effects.ts";
import { type Core, DEFAULT_TIMING, MAX_UNFINALIZED_FULL } from "#consensus/state.ts";
import type { VoteKind } from "#types/vote.ts";
import { certificate, examined, PAYLOAD, signingCore, vote } from "../support/core.ts";

const { leaderTimeout, maxTimeout, timeoutRetry, blockTime, retention } = DEFAULT_TIMING;
const ME = 0;
const OTHER = 1;

/** Everybody's certificate of `view` arrives; the next view is led by `next`. */
function accept(core: Core, kind: VoteKind, view: number, next: number, now: number): readonly Effect[] {
  return step(core, { type: "examined", from: 1, results: [examined(certificate(kind, view), next)] }, now);
}

/** `view` is notarized and certified: the core moves on to the next. */
function certified(core: Core, view: number, next: number, now: number): readonly Effect[] {
  const asked = accept(core, "notarize", view, next, now);
  expect(asked.some(({ type }) => type === "certify")).toBe(true);
  return step(core, { type: "certified", view, payload: PAYLOAD, valid: true }, now);
}

const tick = (core: Core, now: number): readonly Effect[] => step(core, { type: "tick" }, now);
const gaveUp = (effects: readonly Effect[]): boolean =>
  effects.some((effect) => effect.type === "sign" && effect.subject.kind === "nullify");
const buildOf = (effects: readonly Effect[]) => effects.find((effect) => effect.type === "build");

/** Milliseconds from `since` after which the current view is given up, if they are `patience`. */
function isGivenUpAfter(core: Core, since: number, patience: number): boolean {
  return !gaveUp(tick(core, since + patience - 1)) && gaveUp(tick(core, since + patience));
}

test("a leader is waited for twice as long with every failing view beyond f, up to the longest", () => {
  const core = signingCore();
  let now = 1_000;
  for (let failed = 1; failed <= 9; failed++) {
    accept(core, "nullify", failed, OTHER, now);
    expect(core.failures).toBe(failed);
    const patience = Math.min(maxTimeout, leaderTimeout * 2 ** Math.max(0, failed - 1));
    expect(isGivenUpAfter(core, now, patience), `after ${failed} failing views`).toBe(true);
    now += patience + 1;
  }
  // The same holds of the certificate, where the leader was heard of.
  accept(core, "nullify", 10, OTHER, now);
  step(core, { type: "authenticated", vote: vote("notarize", OTHER, 11), from: OTHER, valid: true }, now);
  expect(isGivenUpAfter(core, now, maxTimeout)).toBe(true);
});

test("a finalization makes the timers short again", () => {
  const core = signingCore();
  step(core, { type: "work", pending: true }, 0);
  for (let view = 1; view <= 6; view++) accept(core, "nullify", view, OTHER, 1_000);
  accept(core, "finalize", 7, OTHER, 2_000);
  expect(core.view).toBe(8);
  expect(core.failures).toBe(0);
  expect(isGivenUpAfter(core, 2_000, blockTime + leaderTimeout)).toBe(true);
});

test("a leader builds for half its timer, and for half as long again with every failing view beyond f", () => {
  const core = signingCore();
  const now = 1_000;
  for (let failed = 1; failed <= 5; failed++) {
    const build = buildOf(accept(core, "nullify", failed, ME, now));
    expect(build?.deadline).toBe(now + leaderTimeout / 2 / 2 ** Math.max(0, failed - 1));
    expect(build?.empty).toBe(false);
  }
});

test("a leader whose block fails to build gives its view up at once", () => {
  const core = signingCore();
  expect(buildOf(accept(core, "nullify", 1, ME, 1_000))).toBeDefined();
  const answer = { type: "built", view: 2, parentView: 0, payload: undefined } as const;
  expect(gaveUp(step(core, answer, 1_001))).toBe(true);
});

test("above so many blocks that are certified and not final, only empty ones are built", () => {
  const core = signingCore();
  step(core, { type: "work", pending: true }, 0);
  for (let view = 1; view < MAX_UNFINALIZED_FULL; view++) certified(core, view, OTHER, 1_000);
  /** What is built once `view` is certified at `now`, when its time has come. */
  const builtOn = (view: number, now: number) => {
    certified(core, view, ME, now);
    return buildOf(tick(core, now + blockTime));
  };
  expect(builtOn(MAX_UNFINALIZED_FULL, 2_000)?.empty).toBe(false);
  expect(builtOn(MAX_UNFINALIZED_FULL + 1, 5_000)?.empty).toBe(true);
  accept(core, "finalize", MAX_UNFINALIZED_FULL, OTHER, 8_000);
  expect(builtOn(MAX_UNFINALIZED_FULL + 2, 9_000)?.empty).toBe(false);
});

test("a view that was given up is told again with the certificate to enter it", () => {
  const core = signingCore();
  const now = 1_000;
  accept(core, "nullify", 1, OTHER, now);
  expect(isGivenUpAfter(core, now, leaderTimeout)).toBe(true);
  step(core, { type: "signed", vote: vote("nullify", ME, 2) }, now + leaderTimeout);
  const retried = tick(core, now + timeoutRetry);
  const told = retried.flatMap((effect) => (effect.type === "send" ? [effect.message] : []));
  expect(told).toContainEqual({ type: "vote", vote: vote("nullify", ME, 2) });
  expect(told).toContainEqual({ type: "certificates", certificates: [certificate("nullify", 1)] });
});

test("a peer that is behind is told how to get here, once in a while", () => {
  const core = signingCore();
  accept(core, "nullify", 1, OTHER, 1_000);
  accept(core, "nullify", 2, OTHER, 1_000);
  const late = (now: number): Effect | undefined => {
    const message = { type: "vote", vote: vote("nullify", 2, 1) } as const;
    return step(core, { type: "message", from: 2, message }, now).find(({ type }) => type === "send");
  };
  const certificates = [certificate("nullify", 1), certificate("nullify", 2)];
  const answer = { type: "send", to: 2, message: { type: "certificates", certificates } } as const;
  expect(late(1_001)).toEqual(answer);
  expect(late(1_000 + timeoutRetry)).toBeUndefined();
  expect(late(1_001 + timeoutRetry)).toEqual(answer);
});

test("what is final is pruned from the journal only once it is durable elsewhere", () => {
  const core = signingCore();
  const prunes = (effects: readonly Effect[]) => effects.filter(({ type }) => type === "prune");
  expect(prunes(accept(core, "finalize", 1_000, OTHER, 1_000))).toEqual([]);
  expect(Math.min(...core.rounds.keys())).toBeGreaterThanOrEqual(1_000 - retention);
  const acknowledged = step(core, { type: "acknowledged", view: 600 }, 1_001);
  expect(prunes(acknowledged)).toEqual([{ type: "prune", below: 600 - retention }]);
});
