// Which implementation of each primitive works on this machine, and why where it is not the fastest: for the start-up
// log, since a slow fallback must never be silent.
import type { Bls } from "./bls.ts";
import { ed25519Backend } from "./identity.ts";
import { secp256k1Backend } from "./secp256k1.ts";

export interface BackendReport {
  readonly primitive: "bls12-381" | "secp256k1" | "ed25519";
  readonly backend: string;
  /** Why a faster one is not in use; undefined if this is the fastest, or the one that was asked for. */
  readonly fallback: string | undefined;
}

/** Reports of the primitives that every node uses. */
export function reportBackends(): readonly BackendReport[] {
  const [secp256k1, ed25519] = [secp256k1Backend(), ed25519Backend()];
  return [
    { primitive: "secp256k1", backend: secp256k1.name, fallback: secp256k1.reason },
    { primitive: "ed25519", backend: ed25519.name, fallback: ed25519.reason },
  ];
}

/** The report of a node's threshold signatures. */
export function reportBls({ backend, rejected }: Bls): BackendReport {
  const reasons = rejected.map(({ name, reason }) => `${name}: ${reason}`);
  return {
    primitive: "bls12-381",
    backend,
    fallback: reasons.length === 0 ? undefined : reasons.join("; "),
  };
}
