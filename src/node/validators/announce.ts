// Final blocks for those who only follow: members of the committee gossip each with its certificate, followers check it
// before they pass it on. A follower that misses one fetches the run it lacks.
import { holdsTogether } from "#chain/body.ts";
import type { Chain } from "#chain/chain.ts";
import { headerHash } from "#crypto/digest.ts";
import { createLru } from "#lib/bounded.ts";
import { refusesBytes } from "#lib/error.ts";
import type { TopicSpec, Transport, Verdict } from "#net/types.ts";
import { decodeFinalBlock, encodeFinalBlock, type FinalBlock } from "#types/backfill.ts";
import { decodeBlock, encodeBlock, type WireBlock, wireOf } from "#types/block.ts";
import { type Certificate, decodeCertificate } from "#types/certificate.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import type { CertificateVerifier } from "./votes.ts";

/** Announcements that were judged. */
const MAX_SEEN = 1_024;

/** An announced block whose certificate is right. */
export interface Announced {
  readonly wire: WireBlock;
  readonly hash: Hash;
  readonly certificate: Certificate;
}

export interface AnnounceOptions {
  readonly transport: Transport;
  readonly spec: TopicSpec;
  readonly chain: Chain;
  readonly verifier: CertificateVerifier;
  readonly maxBlockBytes: number;
  /** Called once for each final block that others announced; undefined for a member, which announces its own. */
  readonly announced: ((block: Announced) => void) | undefined;
}

/** The announced block, or undefined if anything about it is wrong. */
function examine({ certificate, block }: FinalBlock, verifier: CertificateVerifier): Announced | undefined {
  const wire = decodeBlock(block);
  const hash = headerHash(wire.header);
  if (certificate.kind !== "finalize" || certificate.payload !== hash || !holdsTogether(wire))
    return undefined;
  const valid = verifier.examine([certificate], [undefined])[0]?.valid === true;
  return valid ? { wire, hash, certificate } : undefined;
}

/** Joins the topic on `transport`, which must not have started; disposing stops announcing. */
export function startAnnouncing(options: AnnounceOptions): Disposable {
  const { transport, spec, chain, verifier, maxBlockBytes, announced } = options;
  const seen = createLru<Hash, true>(MAX_SEEN);
  const judge =
    (tell: (block: Announced) => void) =>
    (from: IdentityKey, bytes: Uint8Array): Verdict => {
      try {
        const message = decodeFinalBlock(bytes, maxBlockBytes);
        const { payload } = message.certificate;
        if (seen.has(payload) || chain.ledger.isFinal(payload)) return "ignore";
        const found = examine(message, verifier);
        if (found === undefined) {
          transport.report(from, "badSignature");
          return "reject";
        }
        seen.set(payload, true);
        tell(found);
        return "accept";
      } catch (error) {
        if (!refusesBytes(error)) throw error;
        transport.report(from, "malformed");
        return "reject";
      }
    };
  // A member only speaks: it learns of final blocks from the others, certificates first.
  const topic = transport.join(spec, announced && judge(announced));
  const stop = chain.service.events.snapshotPersisted.add(({ block, height }) => {
    // What a follower heard it passed on by accepting it.
    if (announced !== undefined || !topic.heard()) return;
    const certificate = chain.history.certificate(height);
    if (certificate === undefined) return;
    const wire = encodeBlock(wireOf(block));
    void topic.publish(encodeFinalBlock({ certificate: decodeCertificate(certificate), block: wire }));
  });
  return { [Symbol.dispose]: stop };
}
