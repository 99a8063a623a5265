// What the core asks of its driver, to be performed in order: what is persisted is durable before anything after it
// leaves the process (R15). Answers come back as events.
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Subject, Vote } from "#types/vote.ts";
import type { CoreMessage } from "./events.ts";

/** An entry of the vote journal. A body's bytes are with the driver. */
export type JournalRecord =
  | { readonly type: "vote"; readonly vote: Vote }
  | {
      readonly type: "certificate";
      readonly certificate: Certificate;
      readonly lottery: Uint8Array | undefined;
    }
  | { readonly type: "verdict"; readonly view: number; readonly payload: Hash; readonly valid: boolean }
  | { readonly type: "body"; readonly view: number; readonly digest: Hash }
  | { readonly type: "fault"; readonly fault: Fault };

/** Where a block stands: what its header must repeat and what its parent is. */
export interface BlockContext {
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
  readonly parent: Hash;
  /** Seed signature of the parent's round; undefined at genesis and without seeds (R13). */
  readonly parentSeed: Uint8Array | undefined;
  readonly payload: Hash;
}

/** Two signed votes of one validator that no honest one would both sign. */
export interface Fault {
  readonly kind: "conflictingNotarize" | "conflictingFinalize" | "nullifyAndFinalize";
  readonly signer: number;
  readonly first: Vote;
  readonly second: Vote;
}

/** Why a peer is cut off for a while. */
export type Blame =
  | "equivocation"
  | "impersonation"
  | "badEnvelope"
  | "badPartial"
  | "badCertificate"
  | "wrongEpoch";

/** Every validator but this one. */
export const EVERYONE = -1;

export type Effect =
  | { readonly type: "persist"; readonly record: JournalRecord }
  /** R18: reserve views up to and including `upTo` in the journal, then in the guard file. */
  | { readonly type: "reserve"; readonly upTo: number }
  | { readonly type: "send"; readonly to: number; readonly message: CoreMessage }
  /** R2: send the body to every validator. */
  | { readonly type: "disseminate"; readonly digest: Hash }
  /** A body will be needed; whoever proposed it should have sent it. */
  | { readonly type: "expect"; readonly digest: Hash; readonly from: number }
  | { readonly type: "sign"; readonly subject: Subject }
  | { readonly type: "authenticate"; readonly vote: Vote; readonly from: number }
  | { readonly type: "recover"; readonly subject: Subject; readonly votes: readonly Vote[] }
  | { readonly type: "examinePartial"; readonly vote: Vote }
  | {
      readonly type: "examine";
      readonly from: number;
      readonly certificates: readonly Certificate[];
      /** Verified seed of each certificate's round, where known: spares the pairing (R11). */
      readonly seeds: readonly (Uint8Array | undefined)[];
    }
  /** R2: build on `context.parent`; stop at `deadline` (monotonic ms) or leave it `empty`. */
  | {
      readonly type: "build";
      readonly context: Omit<BlockContext, "payload">;
      readonly deadline: number;
      readonly empty: boolean;
    }
  | { readonly type: "verify"; readonly context: BlockContext }
  | { readonly type: "certify"; readonly context: BlockContext }
  /** The certified tip moved: what "pending" builds on. */
  | { readonly type: "certifiedTip"; readonly view: number; readonly payload: Hash }
  /** Final: deliver it and its ancestors by height. */
  | { readonly type: "finalize"; readonly certificate: Certificate }
  /** R17: forget views below. */
  | { readonly type: "prune"; readonly below: number }
  | { readonly type: "block"; readonly peer: number; readonly reason: Blame }
  | { readonly type: "fault"; readonly fault: Fault }
  /** Wake me at `at` (monotonic ms); replaces the previous deadline. */
  | { readonly type: "setTimer"; readonly at: number }
  /** R4, our own fault: the process must stop. */
  | { readonly type: "halt"; readonly reason: string };
