// The consensus core as the agreement of a simulated ceremony: virtual clock, and a disk that keeps what was committed
// and loses what was not.
import type { Timing } from "#consensus/state.ts";
import type { Ceremony } from "#crypto/dkg/ceremony.ts";
import { AGREEMENT_TIMING, type Agreement, createAgreement } from "#node/ceremony/agreement.ts";
import { createCeremonyJournal } from "#node/ceremony/journal.ts";

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

const HASTY: Timing = { ...TIMING, leaderTimeout: 3, certificationTimeout: 5, timeoutRetry: 4 };

export interface SimulatedAgreement extends Agreement {
  /** Rings the alarm if it is due. */
  poll(): void;
}

/** A dealer's part in the agreement, over the journal entries in `disk`. */
export function createSimulatedAgreement(
  ceremony: Ceremony,
  disk: Uint8Array[],
  world: {
    now(): number;
    readonly hasty: boolean;
    send(dealer: number, bytes: Uint8Array): void;
    agreed(set: Uint8Array): void;
    halted(reason: string): void;
  },
): SimulatedAgreement {
  let alarmAt = Number.POSITIVE_INFINITY;
  const restarted = disk.length > 0;
  const agreement = createAgreement({
    ceremony,
    journal: createCeremonyJournal(ceremony, {
      load: () => disk,
      append: (entries) => {
        disk.push(...entries);
      },
    }),
    timing: world.hasty ? HASTY : TIMING,
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
  if (restarted) agreement.start();
  return {
    ...agreement,
    poll() {
      if (world.now() < alarmAt) return;
      alarmAt = Number.POSITIVE_INFINITY;
      agreement.wake();
    },
  };
}
