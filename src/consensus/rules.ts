// A switch for every rule whose removal the simulator must notice. The product never passes any: all rules are on.

/** One entry per condition that can be removed alone; named after the rule it belongs to. */
export interface Rules {
  /** R3: the proposal comes from the view's leader. */
  readonly r3Leader: boolean;
  /** R3: no conflicting proposal is known. */
  readonly r3Conflict: boolean;
  /** R3: one notarize a view. */
  readonly r3NotarizeOnce: boolean;
  /** R3: no notarize after a nullify. */
  readonly r3NotNullified: boolean;
  /** R3: only in the current view, which is above the last finalized one. */
  readonly r3AboveFinalized: boolean;
  /** R3: the parent is certified by me. */
  readonly r3ParentCertified: boolean;
  /** R3: the parent is not below the last finalized view. */
  readonly r3ParentFloor: boolean;
  /** R3: every skipped view is nullified. */
  readonly r3Nullifications: boolean;
  /** R3: extraData holds the round. */
  readonly r3ExtraData: boolean;
  readonly r3ParentHash: boolean;
  readonly r3Height: boolean;
  readonly r3Timestamp: boolean;
  /** R3: the application verified the block. */
  readonly r3Verified: boolean;
  /** R4: the body is durable before the verdict is true. */
  readonly r4Durable: boolean;
  /** R5: a verdict of false is never built on and is nullified. */
  readonly r5Certified: boolean;
  /** R6: finalize only what is notarized. */
  readonly r6Notarized: boolean;
  readonly r6Certified: boolean;
  readonly r6NotNullified: boolean;
  readonly r6NotEquivocated: boolean;
  /** R6: only above the last finalized view. */
  readonly r6AboveFinalized: boolean;
  /** R7: no nullify after a finalize: the view is left with it. */
  readonly r7NotFinalized: boolean;
  /** R7: those who are behind are given the certificates that bring them here. */
  readonly r7Entry: boolean;
  /** R8: nullifications for every view above the chosen parent. */
  readonly r8Nullifications: boolean;
  /** R9: permanent parent errors nullify. */
  readonly r9Permanent: boolean;
  /** R12: the leader follows from the seed. */
  readonly r12Seed: boolean;
  /** R13: voters recompute prevrandao. */
  readonly r13Recomputed: boolean;
  /** R14: a domain of its own for every kind. */
  readonly r14Domains: boolean;
  /** R15: commit before anything leaves. */
  readonly r15CommitFirst: boolean;
  /** R15: the body is in the journal. */
  readonly r15Body: boolean;
  /** R15: acknowledged means durable in chain.db. */
  readonly r15Acknowledged: boolean;
  /** R16: own votes return to the tally. */
  readonly r16OwnVotes: boolean;
  /** R17: the floor does not regress. */
  readonly r17Floor: boolean;
  /** R17: the journal keeps what is final until chain.db holds it. */
  readonly r17Pruned: boolean;
  /** R18: the guard and the peers' echoes bar old views. */
  readonly r18Guard: boolean;
  /** Section 1: q = n - f. */
  readonly quorum: boolean;
  /** Section 5: one slot per signer. */
  readonly distinctSigners: boolean;
  /** Section 1: messages of another epoch are not taken. */
  readonly epoch: boolean;
}

export type RuleName = keyof Rules;

/** Everything enforced. */
export const ALL_RULES: Rules = {
  r3Leader: true,
  r3Conflict: true,
  r3NotarizeOnce: true,
  r3NotNullified: true,
  r3AboveFinalized: true,
  r3ParentCertified: true,
  r3ParentFloor: true,
  r3Nullifications: true,
  r3ExtraData: true,
  r3ParentHash: true,
  r3Height: true,
  r3Timestamp: true,
  r3Verified: true,
  r4Durable: true,
  r5Certified: true,
  r6Notarized: true,
  r6Certified: true,
  r6NotNullified: true,
  r6NotEquivocated: true,
  r6AboveFinalized: true,
  r7NotFinalized: true,
  r7Entry: true,
  r8Nullifications: true,
  r9Permanent: true,
  r12Seed: true,
  r13Recomputed: true,
  r14Domains: true,
  r15CommitFirst: true,
  r15Body: true,
  r15Acknowledged: true,
  r16OwnVotes: true,
  r17Floor: true,
  r17Pruned: true,
  r18Guard: true,
  quorum: true,
  distinctSigners: true,
  epoch: true,
};
