// Whether the group's key is this chain's: a wrong one makes every honest peer look like a liar, which an operator has
// to be told. Judges keys, not peers.
import { KoraError } from "#lib/error.ts";
import type { Logger } from "#node/log.ts";
import type { Archive } from "#state/types.ts";
import { MAX_RUN_BLOCKS } from "#types/backfill.ts";
import { decodeCertificate } from "#types/certificate.ts";
import type { Height } from "#types/ids.ts";
import type { CertificateVerifier } from "./votes.ts";

/** Blocks below the head among which the newest certificate is looked for: those of a run have one together. */
const MAX_LOOKED_AT: number = 2 * MAX_RUN_BLOCKS;

/** Throws GROUP_KEY_MISMATCH when the newest finalization in the archive is not of the verifier's group. */
export function checkOwnFinality(archive: Archive, head: Height, verifier: CertificateVerifier): void {
  for (let at = head; at > 0 && at > head - MAX_LOOKED_AT; at--) {
    const certificate = archive.block(at as Height)?.certificate;
    if (certificate === undefined) continue;
    if (verifier.examine([decodeCertificate(certificate)], [undefined])[0]?.valid === true) return;
    throw new KoraError("the chain in the data directory was made final by another group", {
      code: "GROUP_KEY_MISMATCH",
      kind: "safety",
      why: `the finalization of block ${at} does not verify under the group's public key`,
      hint: "correct consensus.group_public_key or the committee's files, or give the chain of this group",
    });
  }
}

export interface JudgedKey {
  /** The same verifier, watched. */
  readonly verifier: CertificateVerifier;
  concerns(): readonly string[];
}

/** Watches what verifies: a key under which something does not, and nothing ever did, is probably not the chain's. */
export function judgedBy(verifier: CertificateVerifier, log: Pick<Logger, "warn">): JudgedKey {
  let good = 0;
  let bad = 0;
  const doubtful = (): boolean => good === 0 && bad > 0;
  return {
    verifier: {
      examine(certificates, seeds) {
        const results = verifier.examine(certificates, seeds);
        const doubted = doubtful();
        for (const { valid } of results) valid ? good++ : bad++;
        if (doubtful() && !doubted) {
          log.warn("a finalization does not verify under the group's public key, and none has yet", {
            try: "compare consensus.group_public_key with output.json of a validator",
          });
        }
        return results;
      },
    },
    concerns: () => (doubtful() ? ["no finalization verifies under the group's public key"] : []),
  };
}
