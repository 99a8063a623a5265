// The last step of a ceremony: every player signs the digest of the output with its identity, and a trial message with
// its new share. The key may be used once q players confirmed the same digest and their partials recover a signature
// that verifies under the group's key. Partials are checked one by one only if the recovered signature is wrong.
import { assert } from "#lib/assert.ts";
import { equalBytes } from "#lib/bytes.ts";
import { type Confirm, encodeConfirms } from "#types/ceremony.ts";
import type { CeremonyOutput } from "./output.ts";
import { broadcast, type CeremonyState, fault, persist, statusOf } from "./state.ts";

/** Signs and sends this player's confirmation, and looks again at those that came before the output was known. */
export function confirmOutput(state: CeremonyState): void {
  const { rules, output, share } = state;
  if (output === undefined) return;
  const early = [...state.confirms.values()];
  state.confirms.clear();
  for (const confirm of early) keepConfirm(state, confirm);
  if (rules.player === undefined || share === undefined) return;
  const partial = rules.scheme.signPartial(share, rules.domain.trial(output.digest));
  const signed = rules.domain.confirm(rules.player, output.digest, partial);
  const { digest } = output;
  const signature = rules.identity.sign(signed);
  const own: Confirm = { kind: "confirm", player: rules.player, digest, partial, signature };
  state.confirms.set(rules.player, own);
  broadcast(state, own);
}

function isSigned(state: CeremonyState, confirm: Confirm): boolean {
  const { info, domain, identity } = state.rules;
  const key = info.players[confirm.player];
  if (key === undefined) return false;
  return identity.verify(
    key,
    domain.confirm(confirm.player, confirm.digest, confirm.partial),
    confirm.signature,
  );
}

/** Takes a confirmation from its player or passed on by another member. */
export function acceptConfirm(state: CeremonyState, from: number, confirm: Confirm): void {
  if (state.rules.playerMembers[confirm.player] === undefined) return;
  if (state.confirms.has(confirm.player) && state.output !== undefined) return;
  if (!isSigned(state, confirm)) {
    fault(state, from, "bad-signature", "a confirmation is not signed");
    return;
  }
  if (state.output === undefined) state.confirms.set(confirm.player, confirm);
  else keepConfirm(state, confirm);
}

/** Keeps a signed confirmation of the known output; another digest is its player's fault. */
function keepConfirm(state: CeremonyState, confirm: Confirm): void {
  const { rules, output } = state;
  const member = rules.playerMembers[confirm.player] as number;
  if (output === undefined || state.badPartials.has(confirm.player)) return;
  if (!equalBytes(confirm.digest, output.digest)) {
    fault(state, member, "bad-confirmation", "confirms another output");
    return;
  }
  state.confirms.set(confirm.player, confirm);
}

/** Drops confirmations whose partial signature is wrong and names their players; there is at least one. */
function dropBadPartials(state: CeremonyState, output: CeremonyOutput, message: Uint8Array): void {
  const { rules } = state;
  const before = state.badPartials.size;
  for (const confirm of [...state.confirms.values()]) {
    if (rules.scheme.verifyPartial(output.group, confirm.player, message, confirm.partial)) continue;
    state.confirms.delete(confirm.player);
    state.badPartials.add(confirm.player);
    const member = rules.playerMembers[confirm.player] as number;
    fault(state, member, "bad-confirmation", "its trial signature does not verify");
  }
  assert(state.badPartials.size > before, "partials that all verify recover a signature that verifies");
}

/** Tells that the ceremony is over; told again after a restart, since the first time may have been lost. */
export function tellFinal(state: CeremonyState): void {
  const { output, final, share } = state;
  if (output === undefined || final === undefined) return;
  state.effects.push({ kind: "final", result: { output, share, confirms: final } });
}

/** Finishes the ceremony if a quorum confirmed and its trial signature verifies. */
export function finalize(state: CeremonyState): void {
  const { rules, output } = state;
  if (output === undefined || state.final !== undefined) return;
  const message = rules.domain.trial(output.digest);
  while (state.confirms.size >= rules.threshold) {
    const quorum = [...state.confirms.values()].sort((a, b) => a.player - b.player).slice(0, rules.threshold);
    const signature = rules.scheme.recover(quorum.map(({ player, partial }) => ({ index: player, partial })));
    if (signature !== undefined && rules.scheme.verify(output.group, message, signature)) {
      persist(state, { kind: "final", confirms: encodeConfirms(quorum) });
      state.final = quorum;
      tellFinal(state);
      broadcast(state, statusOf(state));
      return;
    }
    dropBadPartials(state, output, message);
  }
}
