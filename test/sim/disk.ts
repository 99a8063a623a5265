// The simulated vote journal and guard file: what was committed survives a kill; what was not is lost, whole or torn.
import type { JournalRecord } from "#consensus/effects.ts";
import type { Restored } from "#consensus/state.ts";
import { signingFloor } from "#node/consensus/guard.ts";
import type { JournalPort } from "#node/consensus/ports.ts";
import type { Hash } from "#types/ids.ts";
import type { SimBody } from "./chain.ts";

/** What survives a kill. */
export interface JournalDisk {
  records: JournalRecord[];
  bodies: Map<Hash, { readonly view: number; readonly body: SimBody }>;
  reservation: { counter: number; upTo: number } | undefined;
}

export interface GuardDisk {
  reservation: { counter: number; upTo: number } | undefined;
}

export function newJournalDisk(): JournalDisk {
  return { records: [], bodies: new Map(), reservation: undefined };
}

/** A copy, as an operator's backup would be. */
export function backup(disk: JournalDisk): JournalDisk {
  return { records: [...disk.records], bodies: new Map(disk.bodies), reservation: disk.reservation };
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

  function viewOf(record: JournalRecord): number {
    if (record.type === "vote") return record.vote.view;
    if (record.type === "certificate") return record.certificate.view;
    if (record.type === "fault") return Number.POSITIVE_INFINITY;
    return record.view;
  }
  return {
    load(): Restored {
      const votes = [];
      const certificates = [];
      const verdicts = [];
      for (const record of disk.records) {
        if (record.type === "vote") votes.push(record.vote);
        else if (record.type === "certificate") certificates.push(record);
        else if (record.type === "verdict") verdicts.push(record);
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
      const counter = Math.max(disk.reservation?.counter ?? 0, guard.reservation?.counter ?? 0) + 1;
      disk.reservation = { counter, upTo };
      hooks.pulse();
      guard.reservation = { counter, upTo };
    },
    commit() {
      hooks.pulse();
      for (const { record, body } of pending) {
        hooks.committed(record);
        if (record.type === "body") {
          if (body !== undefined) disk.bodies.set(record.digest, { view: record.view, body });
        } else disk.records.push(record);
      }
      pending = [];
      hooks.pulse();
    },
    body: (digest) => disk.bodies.get(digest)?.body,
    prune(below) {
      const { records } = disk;
      let newest: JournalRecord | undefined;
      let highest = -1;
      let kept = 0;
      for (const record of records) {
        const view = viewOf(record);
        if (record.type === "certificate" && record.certificate.kind === "finalize" && view > highest) {
          newest = record;
          highest = view;
        }
        if (view >= below) records[kept++] = record;
      }
      records.length = kept;
      if (newest !== undefined && highest < below) records.unshift(newest);
      for (const [digest, { view }] of disk.bodies) if (view < below) disk.bodies.delete(digest);
    },
  };
}
