// Who may vote: the participants in the order of their keys, which is the order of signers and shares.
import type { IdentityKey } from "#types/identity.ts";

export interface Committee {
  /** Ascending by key bytes. */
  readonly participants: readonly IdentityKey[];
  /** This node's index; undefined for one that only follows. */
  readonly me: number | undefined;
  indexOf(key: IdentityKey): number | undefined;
}

/** The committee of `participants`, in whatever order they are given. */
export function createCommittee(participants: readonly IdentityKey[], self: IdentityKey): Committee {
  const sorted = [...participants].sort();
  const indices = new Map(sorted.map((key, index) => [key, index]));
  return { participants: sorted, me: indices.get(self), indexOf: (key) => indices.get(key) };
}
