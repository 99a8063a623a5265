// What a validator tells its operator: latencies from sight to certificate, the guard's refusals, and its concerns.
import { expect, test } from "bun:test";
import type { JournalRecord } from "#consensus/effects.ts";
import { type Core, DEFAULT_TIMING, newCore, roundOf } from "#consensus/state.ts";
import { createLogger } from "#node/log.ts";
import { createMetrics } from "#node/metrics.ts";
import { watchConsensus } from "#node/validators/observe.ts";
import { ZERO_HASH } from "#types/ids.ts";
import type { VoteKind } from "#types/vote.ts";

function rig() {
  const timing = DEFAULT_TIMING;
  const core: Core = newCore({ epoch: 0, n: 4, me: 0, scheme: "threshold", genesis: ZERO_HASH, timing });
  const metrics = createMetrics();
  const clock = { now: 1_000 };
  const watch = watchConsensus(
    metrics,
    createLogger({ level: "silent", format: "json" }),
    () => core,
    () => clock.now,
  );
  const certificate = (kind: VoteKind, view: number): JournalRecord => ({
    type: "certificate",
    certificate: {
      ...{ kind, epoch: 0, view, parentView: 0, payload: ZERO_HASH },
      ...{ signature: new Uint8Array(0), seed: new Uint8Array(0) },
    },
    lottery: undefined,
  });
  const value = (name: string): number =>
    Number(
      metrics
        .text()
        .split("\n")
        .find((line) => line.startsWith(`${name} `))
        ?.split(" ")[1],
    );
  return { core, clock, watch, certificate, value };
}

test("latencies run from the sight of a proposal to the certificate, and only where it was seen", () => {
  const { core, clock, watch, certificate, value } = rig();
  roundOf(core, 3).proposedAt = 1_000;
  // Known by its certificate alone: there is nothing to measure from.
  roundOf(core, 4).seenAt = 1_000;
  clock.now = 1_250;
  watch.recorded(certificate("notarize", 3));
  watch.recorded(certificate("notarize", 4));
  clock.now = 1_500;
  watch.recorded(certificate("finalize", 3));
  watch.recorded(certificate("finalize", 4));
  watch.recorded(certificate("nullify", 3));
  expect([value("kora_notarization_seconds_count"), value("kora_notarization_seconds_sum")]).toEqual([
    1, 0.25,
  ]);
  expect([value("kora_finalization_seconds_count"), value("kora_finalization_seconds_sum")]).toEqual([
    1, 0.5,
  ]);
});

test("views that the guard barred are counted once each, from zero", () => {
  const { core, watch, certificate, value } = rig();
  expect(value("kora_signing_guard_refusals_total")).toBe(0);
  core.view = 500;
  core.signFloor = 502;
  watch.recorded(certificate("nullify", 499));
  expect(value("kora_signing_guard_refusals_total")).toBe(1);
  for (core.view = 501; core.view < 600; core.view++) watch.recorded(certificate("nullify", core.view - 1));
  expect(value("kora_signing_guard_refusals_total")).toBe(3);
});

test("votes that came too late or never are counted, and own proposals that others voted for", () => {
  const { watch, certificate, value } = rig();
  const figures = () => [
    value("kora_consensus_votes_missed_total"),
    value("kora_consensus_proposals_notarized_total"),
  ];
  const vote = (view: number): JournalRecord => ({
    type: "vote",
    vote: {
      ...{ kind: "notarize", epoch: 0, view, parentView: 0, payload: ZERO_HASH, signer: 0 },
      ...{ partial: new Uint8Array(0), seedPartial: new Uint8Array(0), envelope: new Uint8Array(0) },
    },
  });
  expect(figures()).toEqual([0, 0]);
  watch.proposed(1);
  watch.recorded(vote(1));
  watch.recorded(certificate("notarize", 1));
  watch.recorded(certificate("finalize", 1));
  expect(figures()).toEqual([0, 1]);
  watch.proposed(2);
  watch.recorded(certificate("nullify", 2));
  watch.recorded(certificate("notarize", 3));
  watch.recorded(vote(3));
  watch.recorded(certificate("finalize", 3));
  expect(figures()).toEqual([1, 1]);
  // Of proposals that led nowhere only some are remembered.
  for (let view = 10; view < 30; view++) watch.proposed(view);
  watch.recorded(certificate("notarize", 10));
  watch.recorded(certificate("notarize", 29));
  expect(figures()).toEqual([3, 2]);
});

test("evidence is counted by kind, from zero", () => {
  const { watch, value } = rig();
  const counted = (kind: string): number => value(`kora_consensus_faults_total{kind="${kind}"}`);
  const first = { kind: "nullify", epoch: 0, view: 3, parentView: 0, payload: ZERO_HASH, signer: 2 } as const;
  const bytes = new Uint8Array(0);
  const signed = { ...first, partial: bytes, seedPartial: bytes, envelope: bytes };
  const fault = { kind: "nullifyAndFinalize", signer: 2, first: signed, second: signed } as const;
  watch.recorded({ type: "fault", fault });
  watch.recorded({ type: "fault", fault });
  expect(["conflictingNotarize", "conflictingFinalize", "nullifyAndFinalize"].map(counted)).toEqual([
    0, 0, 2,
  ]);
});

test("a guard that bars the view is a concern that names what lifts it, until the view is passed", () => {
  const { core, watch } = rig();
  core.view = 57;
  core.signFloor = 1_024;
  const [concern, ...others] = watch.concerns(3);
  expect(concern).toContain("1024");
  expect(concern).toContain("consensus.guard_override");
  expect(others).toEqual([]);
  core.view = 1_025;
  expect(watch.concerns(3)).toEqual([]);
});

test("too few validators and a chain that stands still are concerns, until they are over", () => {
  const { clock, watch, certificate } = rig();
  expect(watch.concerns(2)).toEqual([]);
  expect(watch.concerns(1)).toEqual(["1 validators connected, 2 needed for a quorum"]);
  clock.now += 45_000;
  expect(watch.concerns(3)).toEqual(["nothing became final for 45 s"]);
  watch.recorded(certificate("finalize", 1));
  expect(watch.concerns(3)).toEqual([]);
});
