// The core alone, event by event: bounds and refusals that a schedule meets too rarely to be shown by one.
import { expect, test } from "bun:test";
import { createCore, step } from "#consensus/core.ts";
import type { Effect } from "#consensus/effects.ts";
import type { Event } from "#consensus/events.ts";
import { MAX_FAULTS_PER_SIGNER } from "#consensus/fault.ts";
import { fetchMissing, MAX_WANTS } from "#consensus/resolver.ts";
import { type Core, DEFAULT_TIMING, NOTHING_RESTORED } from "#consensus/state.ts";
import { hash } from "#types/ids.ts";
import { certificate, examined, startedCore, vote } from "../support/core.ts";

const typesOf = (effects: readonly Effect[]): string[] => effects.map(({ type }) => type);

test("a certificate is taken from however far ahead, once it is verified", () => {
  const core = startedCore();
  const far = certificate("nullify", 40_000_000);
  const message = { type: "certificates", certificates: [far] } as const;
  expect(typesOf(step(core, { type: "message", from: 1, message }, 1))).toEqual(["examine"]);
  step(core, { type: "examined", from: 1, results: [examined(far)] }, 2);
  expect(core.view).toBe(40_000_001);
  expect(core.rounds.size).toBeLessThan(8);
});

test("a far notarization costs later steps nothing for the views between", () => {
  const core = startedCore();
  for (const view of [30_000_000, 20_000_000, 10_000_000]) {
    const results = [examined(certificate("notarize", view))];
    step(core, { type: "examined", from: 1, results }, 1);
  }
  const before = performance.now();
  for (let i = 1; i <= 200; i++) step(core, { type: "tick" }, i * DEFAULT_TIMING.timeoutRetry);
  expect(core.retryAt).toBe(201 * DEFAULT_TIMING.timeoutRetry);
  // 200 walks over thirty million views would take minutes.
  expect(performance.now() - before).toBeLessThan(5_000);
});

test("what a journal holds below the window is forgotten at the start, and pruned", () => {
  const { config } = startedCore();
  const views = Array.from({ length: 1_000 }, (_, i) => i + 1);
  const certificates = views.map((view) => examined(certificate("finalize", view)));
  const core = createCore(config, { ...NOTHING_RESTORED, certificates, acknowledgedView: 1_000 });
  const below = 1_000 - DEFAULT_TIMING.retention;
  expect(step(core, { type: "start" }, 0)).toContainEqual({ type: "prune", below });
  expect(Math.min(...core.rounds.keys())).toBe(below);
  expect(core.rounds.size).toBeLessThan(DEFAULT_TIMING.retention + 4);
});

test("an echo tells of this epoch only", () => {
  const core = startedCore();
  const echo = (epoch: number): readonly Effect[] =>
    step(
      core,
      { type: "message", from: 1, message: { type: "echo", vote: vote("nullify", 0, 9, epoch) } },
      1,
    );
  expect(typesOf(echo(1))).toEqual([]);
  expect(core.echoes.size).toBe(0);
  expect(typesOf(echo(0))).toEqual(["authenticate"]);
});

test("an echoed vote that the journal lacks bars its view; with the operator's word it binds instead", () => {
  const tell = (guardOverride: number): Core => {
    const config = { ...startedCore().config, guardOverride };
    const core = createCore(config, NOTHING_RESTORED);
    step(core, { type: "start" }, 0);
    step(core, { type: "authenticated", vote: vote("nullify", 0, 9), from: 1, valid: true }, 1);
    return core;
  };
  expect(tell(0).signFloor).toBe(9);
  expect(tell(8).signFloor).toBe(9);
  const lifted = tell(1_024);
  expect(lifted.signFloor).toBe(8);
  expect(lifted.rounds.get(9)?.mine.nullify).toBeDefined();
});

test("what is wanted longest makes room for what is wanted now", () => {
  const core = startedCore();
  for (let view = 1; view <= MAX_WANTS + 5; view++) fetchMissing(core, [{ view, kind: "notarize" }], 1);
  const views = [...core.wants.values()].map(({ want }) => want.view);
  expect(views).toHaveLength(MAX_WANTS);
  expect([Math.min(...views), Math.max(...views)]).toEqual([6, MAX_WANTS + 5]);
});

test("a caught signer's partial is checked alone once, however many votes follow", () => {
  const core = startedCore();
  core.caught.fill(true);
  const asked: Effect[] = [];
  for (const signer of [1, 2, 3, 0]) {
    const event = {
      type: "authenticated",
      vote: vote("nullify", signer),
      from: signer,
      valid: true,
    } as const;
    asked.push(...step(core, event, 1).filter(({ type }) => type === "examinePartial"));
  }
  expect(asked).toHaveLength(3);
});

test("a certificate is asked for once a fetch timeout, of one peer after the other", () => {
  const core = startedCore();
  const requests = (now: number): number[] =>
    step(core, { type: "tick" }, now).flatMap((effect) =>
      effect.type === "send" && effect.message.type === "request" ? [effect.to] : [],
    );
  const { fetchTimeout } = DEFAULT_TIMING;
  const want = { view: 5, kind: "notarize" } as const;
  fetchMissing(core, [want], 3);
  expect(core.effects.at(-1)).toEqual({ type: "send", to: 3, message: { type: "request", wants: [want] } });
  fetchMissing(core, [want], 2);
  expect(requests(fetchTimeout - 1)).toEqual([]);
  expect(requests(fetchTimeout)).toEqual([1]);
  expect(requests(2 * fetchTimeout - 1)).toEqual([]);
  expect(requests(2 * fetchTimeout)).toEqual([2]);
});

test("what one signer is proven of is written down a bounded number of times", () => {
  const core = startedCore();
  const faults: Effect[] = [];
  for (let i = 0; i < 40; i++) {
    const payload = hash(`0x${i.toString(16).padStart(64, "1")}`);
    const event = { type: "authenticated", vote: { ...vote("finalize", 2), payload }, from: 2, valid: true };
    faults.push(...step(core, event as Event, 1).filter(({ type }) => type === "fault"));
  }
  expect(faults).toHaveLength(MAX_FAULTS_PER_SIGNER);
  expect(core.rounds.get(1)?.tallies.finalize.votes.filter(Boolean)).toHaveLength(1);
});
