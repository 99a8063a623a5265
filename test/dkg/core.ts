// The consensus core as the agreement of a simulated ceremony: virtual clock, and a journal that keeps what was
// committed and loses what was not.
import type { JournalRecord } from "#consensus/effects.ts";
import { NOTHING_RESTORED, type Restored, type Timing } from "#consensus/state.ts";
import type { Ceremony } from "#crypto/dkg/ceremony.ts";
import { AGREEMENT_TIMING, type Agreement, createAgreement, type SetBody } from "#node/ceremony/agreement.ts";
import type { JournalPort } from "#node/consensus/ports.ts";
import type { Hash } from "#types/ids.ts";

/** In the world's time steps. */
const TIMING: Timing = {
  ...AGREEMENT_TIMING,
  leaderTimeout: 15,
  certificationTimeout: 30,
  timeoutRetry: 10,
  fetchTimeout: 6,
  maxTimeout: 60,
  blockTime: 1,
  emptyBlockInterval: 1_000_000,
};

export interface SimulatedJournal {
  readonly records: JournalRecord[];
  readonly bodies: Map<Hash, SetBody>;
}

export interface SimulatedAgreement extends Agreement {
  /** Rings the alarm if it is due. */
  poll(): void;
}

export function createSimulatedJournal(): SimulatedJournal {
  return { records: [], bodies: new Map() };
}

function restore(journal: SimulatedJournal): Restored {
  const of = <T extends JournalRecord["type"]>(type: T): Extract<JournalRecord, { type: T }>[] =>
    journal.records.filter((record): record is Extract<JournalRecord, { type: T }> => record.type === type);
  return {
    ...NOTHING_RESTORED,
    votes: of("vote").map((record) => record.vote),
    certificates: of("certificate"),
    verdicts: of("verdict"),
    bodies: of("body"),
  };
}

function portOf(journal: SimulatedJournal): JournalPort<SetBody> {
  let pending: { record: JournalRecord; body: SetBody | undefined }[] = [];
  return {
    load: () => restore(journal),
    append: (record, body) => pending.push({ record, body }),
    reserve: () => {},
    commit() {
      for (const { record, body } of pending) {
        journal.records.push(record);
        if (body !== undefined) journal.bodies.set(body.facts.digest, body);
      }
      pending = [];
    },
    body: (digest) => journal.bodies.get(digest),
    prune: () => {},
  };
}

export function createSimulatedAgreement(
  ceremony: Ceremony,
  journal: SimulatedJournal,
  world: {
    now(): number;
    send(dealer: number, bytes: Uint8Array): void;
    agreed(set: Uint8Array): void;
    halted(reason: string): void;
  },
): SimulatedAgreement {
  let alarmAt = Number.POSITIVE_INFINITY;
  const agreement = createAgreement({
    ceremony,
    journal: portOf(journal),
    timing: TIMING,
    clock: {
      now: world.now,
      wall: () => 0,
      alarm: (at) => {
        alarmAt = at;
      },
    },
    send: world.send,
    agreed: world.agreed,
    twoVotes: () => {},
    halted: world.halted,
  });
  if (journal.records.length > 0) agreement.start();
  return {
    ...agreement,
    poll() {
      if (world.now() < alarmAt) return;
      alarmAt = Number.POSITIVE_INFINITY;
      agreement.wake();
    },
  };
}
