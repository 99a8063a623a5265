// What goes into a ceremony and what comes out of it. The driver performs effects in the order given: a `persist` is
// durable before anything behind it leaves this node.

import type { Confirm, StatusStage } from "#types/ceremony.ts";
import type { CeremonyFault, CeremonyRecord, DealerStatement } from "#types/ceremony-record.ts";
import type { CeremonyOutput } from "./output.ts";

export type CeremonyEvent =
  /** Begins, or goes on after a restart: sends what peers may lack. Exactly once, first. */
  | { readonly kind: "start" }
  /** Bytes from an authenticated peer; `from` is its member number. */
  | { readonly kind: "message"; readonly from: number; readonly bytes: Uint8Array }
  /** The retry period has passed: say what is held, so that peers send what is lacking. */
  | { readonly kind: "tick" }
  /** Dealers need not wait any longer for players that are silent. */
  | { readonly kind: "deadline" }
  /** Agreement chose this set of logs. */
  | { readonly kind: "agreed"; readonly set: Uint8Array };

export type CeremonyEffect =
  | { readonly kind: "persist"; readonly record: CeremonyRecord }
  /** Over the authenticated, encrypted channel: deals carry secrets. */
  | { readonly kind: "send"; readonly to: number; readonly bytes: Uint8Array }
  /** Enough valid logs are known: `candidate()` has an answer, or a better one than before. */
  | { readonly kind: "candidate" }
  /** A peer says that the set is agreed: time to take part in the agreement, which tells it. */
  | { readonly kind: "behind" }
  /** Somebody was caught; told once per member and kind. */
  | {
      readonly kind: "fault";
      readonly member: number;
      readonly fault: CeremonyFault;
      readonly detail: string;
    }
  /** A peer speaks of another ceremony; told once per member. */
  | { readonly kind: "elsewhere"; readonly member: number; readonly round: number }
  /** The key is known, but nobody may use it yet. */
  | { readonly kind: "output"; readonly output: CeremonyOutput }
  /** A quorum confirmed the same output and its trial signature verified: it may be used. */
  | { readonly kind: "final"; readonly result: CeremonyResult };

/** A finished ceremony. */
export interface CeremonyResult {
  readonly output: CeremonyOutput;
  /** Undefined if this node is no player, or lost what it acknowledged. */
  readonly share: Uint8Array | undefined;
  /** Confirmations of a quorum, ascending by player. */
  readonly confirms: readonly Confirm[];
}

/** Who was caught at what; `evidence` shows it to others. */
export interface CaughtMember {
  readonly member: number;
  readonly fault: CeremonyFault;
  readonly evidence: readonly DealerStatement[];
}

/** Where a ceremony stands, for people. */
export interface CeremonyProgress {
  readonly stage: StatusStage;
  /** Evaluations held, of as many dealers. */
  readonly shares: number;
  /** Acknowledgements held, of as many players. */
  readonly acks: number;
  readonly closed: boolean;
  /** Valid logs held, of those required. */
  readonly logs: number;
  /** Players that confirmed. */
  readonly confirms: readonly number[];
  /** Dealers whose evaluation is missing, and players whose acknowledgement is. */
  readonly silentDealers: readonly number[];
  readonly silentPlayers: readonly number[];
  /** Last stage each member spoke of; undefined before it was heard. */
  readonly peers: readonly (StatusStage | undefined)[];
  readonly faults: readonly CaughtMember[];
}
