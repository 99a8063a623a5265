// Repeats old votes and certificates, its own and others', and proposes on parents long buried.
import type { CoreMessage } from "#consensus/events.ts";
import type { Adversary, Rogue } from "./types.ts";

const MEMORY = 64;
const heard = new WeakMap<Rogue, CoreMessage[]>();

function remember(rogue: Rogue, message: CoreMessage): void {
  const list = heard.get(rogue) ?? [];
  heard.set(rogue, list);
  if (list.length < MEMORY) list.push(message);
  else list[rogue.rng.below(MEMORY)] = message;
}

export const outdated: Adversary = {
  name: "outdated",
  provable: false,
  onReceive(rogue, _from, message) {
    if (message.type === "certificates") remember(rogue, message);
    return true;
  },
  onSend(rogue, to, message) {
    remember(rogue, message);
    const old = heard.get(rogue);
    if (old !== undefined && rogue.rng.chance(0.5)) rogue.send(to, rogue.rng.pick(old));
    return message;
  },
};
