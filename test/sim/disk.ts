// The simulated vote journal and guard file: what was committed survives a kill, what was not is lost. A commit is all or
// nothing, as SQLite's is; only a reservation can be half done, in the journal and not yet in the guard file.
import type { Fault, JournalRecord } from "#consensus/effects.ts";
import type { Restored } from "#consensus/state.ts";
import {
  type JournalledReservation,
  nextReservation,
  type Reservation,
  signingFloor,
} from "#node/consensus/guard.ts";
import type { JournalPort } from "#node/consensus/ports.ts";
import type { Hash } from "#types/ids.ts";
import type { Vote } from "#types/vote.ts";
import type { SimBody } from "./chain.ts";

/** What survives a kill. */
export interface JournalDisk {
  /** Votes, certificates and verdicts by view. */
  readonly views: Map<number, JournalRecord[]>;
  readonly bodies: Map<Hash, { readonly view: number; readonly body: SimBody }>;
  readonly faults: Fault[];
  /** It stays when its view is pruned. */
  newestFinalization: CertificateRecord | undefined;
  reservation: JournalledReservation | undefined;
}

export interface GuardDisk {
  reservation: Reservation | undefined;
}

type CertificateRecord = Extract<JournalRecord, { readonly type: "certificate" }>;

export function newJournalDisk(): JournalDisk {
  return {
    views: new Map(),
    bodies: new Map(),
    faults: [],
    newestFinalization: undefined,
    reservation: undefined,
  };
}

/** A copy, as an operator's backup would be. */
export function backup(disk: JournalDisk): JournalDisk {
  return {
    ...disk,
    views: new Map([...disk.views].map(([view, records]) => [view, [...records]])),
    bodies: new Map(disk.bodies),
    faults: [...disk.faults],
  };
}

function viewOf(record: Exclude<JournalRecord, { readonly type: "fault" }>): number {
  if (record.type === "vote") return record.vote.view;
  return record.type === "certificate" ? record.certificate.view : record.view;
}

/** Writes one record. */
export function keep(disk: JournalDisk, record: JournalRecord, body?: SimBody): void {
  if (record.type === "fault") {
    disk.faults.push(record.fault);
    return;
  }
  const view = viewOf(record);
  if (record.type === "body") {
    if (body !== undefined) disk.bodies.set(record.digest, { view, body });
    return;
  }
  const records = disk.views.get(view);
  if (records === undefined) disk.views.set(view, [record]);
  else records.push(record);
  if (record.type === "certificate" && record.certificate.kind === "finalize") {
    const newest = disk.newestFinalization?.certificate.view ?? 0;
    if (view > newest) disk.newestFinalization = record;
  }
}

/** Whether this very vote is written. */
export function holdsVote(disk: JournalDisk, vote: Vote): boolean {
  for (const record of disk.views.get(vote.view) ?? [])
    if (record.type === "vote" && record.vote === vote) return true;
  return false;
}

export interface SimJournalHooks {
  /** Called before anything the process could be killed at. */
  pulse(): void;
  /** One record became durable. */
  committed(record: JournalRecord): void;
  acknowledgedView(): number;
}

export function createSimJournal(
  disk: JournalDisk,
  guard: GuardDisk,
  hooks: SimJournalHooks,
): JournalPort<SimBody> {
  let pending: { record: JournalRecord; body: SimBody | undefined }[] = [];

  return {
    load(): Restored {
      const votes = [];
      const { newestFinalization: newest } = disk;
      const certificates = newest === undefined ? [] : [newest];
      const verdicts = [];
      for (const records of disk.views.values()) {
        for (const record of records) {
          if (record.type === "vote") votes.push(record.vote);
          else if (record.type === "verdict") verdicts.push(record);
          else if (record.type === "certificate" && record !== newest) certificates.push(record);
        }
      }
      const bodies = [...disk.bodies].map(([digest, { view }]) => ({ view, digest }));
      const floor = signingFloor(disk.reservation, guard.reservation);
      return {
        votes,
        certificates,
        verdicts,
        bodies,
        signFloor: floor,
        acknowledgedView: hooks.acknowledgedView(),
      };
    },
    append(record, body) {
      hooks.pulse();
      pending.push({ record, body });
    },
    reserve(upTo) {
      hooks.pulse();
      const reservation = nextReservation(disk.reservation, guard.reservation, upTo);
      disk.reservation = reservation;
      hooks.pulse();
      guard.reservation = reservation;
    },
    commit() {
      hooks.pulse();
      for (const { record, body } of pending) {
        hooks.committed(record);
        keep(disk, record, body);
      }
      pending = [];
      hooks.pulse();
    },
    body: (digest) => disk.bodies.get(digest)?.body,
    prune(below) {
      for (const view of disk.views.keys()) if (view < below) disk.views.delete(view);
      disk.bodies.forEach(({ view }, digest) => {
        if (view < below) disk.bodies.delete(digest);
      });
    },
  };
}
