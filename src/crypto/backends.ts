// Which implementation of each primitive works on this machine, and why where it is not the fastest: for the start-up
// log, since a slow fallback must never be silent.
import type { Bls } from "./bls.ts";
import { ed25519Backend } from "./identity.ts";
import { secp256k1Backend } from "./secp256k1.ts";

export interface BackendReport {
  readonly primitive: "bls12-381" | "secp256k1" | "ed25519";
  readonly backend: string;
  /** Why a faster one is not in use; undefined if this is the fastest. */
  readonly fallback: string | undefined;
}

/** A report of every primitive with more than one implementation; `bls` where the node uses it. */
export function reportBackends(bls?: Bls): readonly BackendReport[] {
  const reports: BackendReport[] = [];
  if (bls !== undefined) {
    const reasons = bls.rejected.map(({ name, reason }) => `${name}: ${reason}`);
    const fallback = reasons.length === 0 ? undefined : reasons.join("; ");
    reports.push({ primitive: "bls12-381", backend: bls.backend, fallback });
  }
  const [secp256k1, ed25519] = [secp256k1Backend(), ed25519Backend()];
  reports.push({ primitive: "secp256k1", backend: secp256k1.name, fallback: secp256k1.reason });
  reports.push({ primitive: "ed25519", backend: ed25519.name, fallback: ed25519.reason });
  return reports;
}
