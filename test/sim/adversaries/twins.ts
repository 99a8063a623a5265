// One key on two processes that know nothing of each other; the network shows each to a part of the others.
import type { Adversary } from "./types.ts";

export const twins: Adversary = { name: "twins", provable: false, twin: true };
