// The journal of the agreement's votes (R15, R16), kept with the ceremony's records. A ceremony is one short epoch:
// nothing is pruned, and against a restored backup stand the echoes of the peers, not a guard file (R18).
import type { JournalRecord } from "#consensus/effects.ts";
import { NOTHING_RESTORED, type Restored } from "#consensus/state.ts";
import type { Ceremony } from "#crypto/dkg/ceremony.ts";
import { malformed, Reader, Writer } from "#lib/codec.ts";
import type { JournalPort } from "#node/consensus/ports.ts";
import { readCertificate, writeCertificate } from "#types/certificate.ts";
import { bytesOf, type Hash, hash } from "#types/ids.ts";
import { readVote, writeVote } from "#types/vote.ts";
import { decodeBody, MAX_AGREEMENT_MESSAGE_BYTES, type SetBody } from "./agreement.ts";

/** Where entries are kept. `append` is durable, all or none, when it returns. */
export interface EntryLog {
  load(): readonly Uint8Array[];
  append(entries: readonly Uint8Array[]): void;
}

const TAGS = { vote: 0, certificate: 1, verdict: 2, body: 3 } as const;

/** Undefined for evidence, which the ceremony's own faults name. */
function encodeEntry(record: JournalRecord, body: SetBody | undefined): Uint8Array | undefined {
  const writer = new Writer(512);
  if (record.type !== "fault") writer.u8(TAGS[record.type]);
  switch (record.type) {
    case "vote":
      writeVote(writer, record.vote);
      break;
    case "certificate":
      writeCertificate(writer, record.certificate);
      break;
    case "verdict":
      writer.u64(record.view).raw(bytesOf(record.payload)).flag(record.valid);
      break;
    case "body":
      if (body === undefined) return undefined;
      writer.u64(record.view).bytes(body.bytes);
      break;
    case "fault":
      return undefined;
  }
  return writer.finish();
}

interface Loaded {
  readonly restored: Restored;
  readonly bodies: ReadonlyMap<Hash, SetBody>;
}

function decodeEntries(ceremony: Ceremony, entries: readonly Uint8Array[]): Loaded {
  const votes: Restored["votes"][number][] = [];
  const certificates: Restored["certificates"][number][] = [];
  const verdicts: Restored["verdicts"][number][] = [];
  const places: Restored["bodies"][number][] = [];
  const bodies = new Map<Hash, SetBody>();
  for (const bytes of entries) {
    const reader = new Reader(bytes);
    const tag = reader.u8();
    if (tag === TAGS.vote) votes.push(readVote(reader));
    else if (tag === TAGS.certificate) {
      certificates.push({ certificate: readCertificate(reader), lottery: undefined });
    } else if (tag === TAGS.verdict) {
      verdicts.push({ view: reader.u64(), payload: hash(reader.raw(32)), valid: reader.flag() });
    } else if (tag === TAGS.body) {
      const view = reader.u64();
      const body = decodeBody(ceremony, reader.bytes(MAX_AGREEMENT_MESSAGE_BYTES));
      places.push({ view, digest: body.facts.digest });
      bodies.set(body.facts.digest, body);
    } else throw malformed("unknown journal entry");
    reader.end();
  }
  return { restored: { ...NOTHING_RESTORED, votes, certificates, verdicts, bodies: places }, bodies };
}

/** The journal over `log`. */
export function createCeremonyJournal(ceremony: Ceremony, log: EntryLog): JournalPort<SetBody> {
  const { restored, bodies } = decodeEntries(ceremony, log.load());
  const kept = new Map(bodies);
  let pending: Uint8Array[] = [];
  return {
    load: () => restored,
    append(record, body) {
      const entry = encodeEntry(record, body);
      if (entry === undefined) return;
      pending.push(entry);
      if (record.type === "body" && body !== undefined) kept.set(body.facts.digest, body);
    },
    reserve: () => {},
    commit() {
      const entries = pending;
      pending = [];
      if (entries.length > 0) log.append(entries);
    },
    body: (digest) => kept.get(digest),
    prune: () => {},
  };
}
