// What the core is told. Every event arrives with the driver's monotonic time beside it; nothing here reads a clock.
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Message } from "#types/message.ts";
import type { Subject, Vote } from "#types/vote.ts";

/** The consensus messages; bodies are the driver's. */
export type CoreMessage = Exclude<Message, { readonly type: "body" | "bodyRequest" }>;

/** A certificate whose signature was examined. */
export interface Examined {
  readonly certificate: Certificate;
  readonly valid: boolean;
  /** sha256(LEADER, seed), 32 bytes: chooses the next leader (R12). Undefined without a seed. */
  readonly lottery: Uint8Array | undefined;
}

export type Event =
  /** Once, after createCore. */
  | { readonly type: "start" }
  /** The deadline that was last set has passed. */
  | { readonly type: "tick" }
  /** `from` is the sender's index as the transport authenticated it. */
  | { readonly type: "message"; readonly from: number; readonly message: CoreMessage }
  /** A validator became reachable. */
  | { readonly type: "connected"; readonly peer: number }
  /** Whether executable transactions wait (R1). In the solo scheme `true` asks for one block. */
  | { readonly type: "work"; readonly pending: boolean }
  /** Answer to sign. */
  | { readonly type: "signed"; readonly vote: Vote }
  /** Answer to authenticate. */
  | { readonly type: "authenticated"; readonly vote: Vote; readonly from: number; readonly valid: boolean }
  /** Answer to recover: a certificate, or the signers whose partials are bad. */
  | {
      readonly type: "recovered";
      readonly subject: Subject;
      readonly result: Examined | undefined;
      readonly bad: readonly number[];
    }
  /** Answer to examinePartial. */
  | { readonly type: "partialExamined"; readonly vote: Vote; readonly valid: boolean }
  /** Answer to examine. */
  | { readonly type: "examined"; readonly from: number; readonly results: readonly Examined[] }
  /** Answer to build; undefined when it failed for good. The body is with the driver. */
  | {
      readonly type: "built";
      readonly view: number;
      readonly parentView: number;
      readonly payload: Hash | undefined;
    }
  /** Answer to verify. "early": the timestamp is too far ahead of this clock, which is no verdict (R3). */
  | {
      readonly type: "verified";
      readonly view: number;
      readonly payload: Hash;
      readonly verdict: "valid" | "invalid" | "early";
    }
  /** Answer to certify (R4). */
  | { readonly type: "certified"; readonly view: number; readonly payload: Hash; readonly valid: boolean }
  /** chain.db holds the block of this view durably. */
  | { readonly type: "acknowledged"; readonly view: number };
