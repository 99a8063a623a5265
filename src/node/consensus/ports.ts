// What the consensus driver needs from outside, as callbacks and plain calls, so that the node's real parts and the
// simulator's fill it alike. A callback may be called at once or later, but once.
import type { Blame, BlockContext, Fault, JournalRecord } from "#consensus/effects.ts";
import type { CoreMessage, Examined } from "#consensus/events.ts";
import type { BlockFacts } from "#consensus/header.ts";
import type { Restored } from "#consensus/state.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Subject, Vote } from "#types/vote.ts";

/** A block as the driver handles it: the application's value with the facts that consensus reads. */
export interface Body {
  readonly facts: BlockFacts;
  /** Bytes of its wire form. */
  readonly size: number;
}

/** R15: the vote journal. `commit` makes everything appended since the last one durable, or throws. */
export interface JournalPort<B extends Body> {
  load(): Restored;
  append(record: JournalRecord, body: B | undefined): void;
  /** R18: journal first, then the guard file; durable when it returns. */
  reserve(upTo: number): void;
  commit(): void;
  body(digest: Hash): B | undefined;
  prune(below: number): void;
}

/** What recovery found: the certificate, or whose partials are bad. */
export interface Recovery {
  readonly result: Examined | undefined;
  readonly bad: readonly number[];
}

/** The cryptography of one committee (section 1: threshold, identity, solo). */
export interface SchemePort {
  sign(subject: Subject, done: (vote: Vote) => void): void;
  authenticate(vote: Vote): boolean;
  recover(subject: Subject, votes: readonly Vote[], done: (recovery: Recovery) => void): void;
  examinePartial(vote: Vote, done: (valid: boolean) => void): void;
  examine(
    certificates: readonly Certificate[],
    seeds: readonly (Uint8Array | undefined)[],
    done: (results: readonly Examined[]) => void,
  ): void;
  /** R13: prevrandao of a child of the round with this seed; undefined where no seed exists: not checked. */
  prevRandao(parentSeed: Uint8Array | undefined): Hash | undefined;
}

export interface BuildRequest {
  readonly context: Omit<BlockContext, "payload">;
  readonly prevRandao: Hash | undefined;
  /** Monotonic ms: propose what there is by then. */
  readonly deadline: number;
  readonly empty: boolean;
}

export type BodyVerdict =
  | { readonly kind: "valid" }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "missing"; readonly digest: Hash };

/** The chain, as consensus uses it. */
export interface ApplicationPort<B extends Body> {
  build(request: BuildRequest, done: (body: B | undefined) => void): void;
  /** Executes on the parent; "missing" names an ancestor that must be executed first. */
  verify(body: B, done: (verdict: BodyVerdict) => void): void;
  /** Makes the next block final; `done` once it is durable in chain.db. */
  finalize(body: B, certificate: Certificate | undefined, done: () => void): void;
  /** Newest durable block. */
  tip(): { readonly digest: Hash; readonly height: number };
  /** Height of any block known, executed or final. */
  heightOf(digest: Hash): number | undefined;
  /** Whether chain.db holds this block. */
  isFinal(digest: Hash): boolean;
  /** A body of the archive. */
  body(digest: Hash): B | undefined;
  /** The certified tip moved; `seed` is the seed signature of its round. */
  certifiedTip(digest: Hash, seed: Uint8Array | undefined): void;
}

export interface NetworkPort<B extends Body> {
  /** `to`: a validator's index, or EVERYONE. */
  send(to: number, message: CoreMessage): void;
  sendBody(to: number, body: B): void;
  requestBody(to: number, digest: Hash): void;
  block(peer: number, reason: Blame): void;
}

export interface ClockPort {
  /** Monotonic ms. */
  now(): number;
  /** Seconds since the Unix epoch. */
  wall(): number;
  /** Calls `driver.wake` at `at`; replaces the previous alarm. */
  alarm(at: number): void;
}

/** What others in the node want to know; called after the commit that makes it true. */
export interface ObserverPort {
  fault(fault: Fault): void;
  halted(reason: string): void;
}

export interface DriverPorts<B extends Body> {
  readonly journal: JournalPort<B>;
  readonly scheme: SchemePort;
  readonly application: ApplicationPort<B>;
  readonly network: NetworkPort<B>;
  readonly clock: ClockPort;
  readonly observer: ObserverPort;
  /**
   * Brings the chain towards a final height by other means than one body after the other; calls back once it is there,
   * or nobody has more. Without it every missing body is fetched by itself.
   */
  readonly catchUp?: (height: number, done: () => void) => void;
}
