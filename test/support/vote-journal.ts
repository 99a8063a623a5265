// Vote journals under test, closed when the test ends, and records to put into them. No signature in them is one.
import { join } from "node:path";
import { type ConsensusJournal, openJournal } from "#node/consensus/journal.ts";
import type { Body } from "#node/consensus/ports.ts";
import type { Certificate } from "#types/certificate.ts";
import { type Hash, hash, ZERO_HASH } from "#types/ids.ts";
import type { Vote, VoteKind } from "#types/vote.ts";
import { GENESIS_FACTS } from "../sim/chain.ts";
import { atEndOfTest } from "./lifetimes.ts";

export interface TestBody extends Body {
  readonly text: string;
}

export const bytes = (fill: number, length: number): Uint8Array => new Uint8Array(length).fill(fill);
export const payload: Hash = hash(bytes(7, 32));
export const body: TestBody = { facts: { ...GENESIS_FACTS, digest: payload }, size: 7, text: "a block" };

export function vote(kind: VoteKind, view: number): Vote {
  const named = kind !== "nullify";
  return {
    kind,
    epoch: 0,
    view,
    parentView: named ? view - 1 : 0,
    payload: named ? payload : ZERO_HASH,
    signer: 1,
    partial: bytes(view, 96),
    seedPartial: bytes(view + 1, 96),
    envelope: bytes(view + 2, 64),
  };
}

export function certificate(kind: VoteKind, view: number): Certificate {
  const { epoch, parentView, payload: of } = vote(kind, view);
  return { kind, epoch, view, parentView, payload: of, signature: bytes(3, 96), seed: bytes(4, 96) };
}

export interface TestJournal extends ConsensusJournal<TestBody> {
  /** May be left to the end of the test. */
  close(): void;
}

/** A function that opens the journal of a folder: consensus.db, and "guard" as its guard file. */
export function testJournals(): (folder: string) => TestJournal {
  const atEnd = atEndOfTest();
  return (folder) => {
    const journal = openJournal<TestBody>({
      path: join(folder, "consensus.db"),
      guard: join(folder, "guard"),
      encodeBody: ({ text }) => new TextEncoder().encode(text),
      decodeBody: (encoded) => ({ ...body, text: new TextDecoder().decode(encoded) }),
      acknowledgedView: () => 5,
    });
    let closed = false;
    const close = (): void => {
      if (closed) return;
      closed = true;
      journal[Symbol.dispose]();
    };
    atEnd(close);
    return { ...journal, close };
  };
}
