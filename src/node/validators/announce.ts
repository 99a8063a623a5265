// Final blocks for those who only follow: validators announce each with its certificate, followers check it and pass it
// on. A follower that misses one fetches the run it lacks.
import { holdsTogether } from "#chain/body.ts";
import type { Chain } from "#chain/chain.ts";
import { headerHash } from "#crypto/digest.ts";
import { createLru } from "#lib/bounded.ts";
import { KoraError } from "#lib/error.ts";
import type { Channel, ChannelSpec, FrameHandler, Transport } from "#net/types.ts";
import { decodeFinalBlock, encodeFinalBlock, type FinalBlock } from "#types/backfill.ts";
import { decodeBlock, encodeBlock, type WireBlock } from "#types/block.ts";
import { type Certificate, decodeCertificate } from "#types/certificate.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import type { CertificateVerifier } from "./votes.ts";

const BLOCK_SECONDS = 60;
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
  readonly spec: ChannelSpec;
  readonly chain: Chain;
  readonly verifier: CertificateVerifier;
  readonly maxBlockBytes: number;
  /** A final block was announced; called once for each. */
  readonly announced: (block: Announced) => void;
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

/** Opens the channel on `transport`, which must not have started; disposing stops announcing. */
export function startAnnouncing(options: AnnounceOptions): Disposable {
  const { transport, spec, chain, verifier, maxBlockBytes, announced } = options;
  const seen = createLru<Hash, true>(MAX_SEEN);
  const receive: FrameHandler = (from, frame) => {
    try {
      const message = decodeFinalBlock(frame, maxBlockBytes);
      const { payload } = message.certificate;
      if (seen.has(payload) || chain.ledger.isFinal(payload)) return;
      const found = examine(message, verifier);
      if (found === undefined) {
        transport.block(from, BLOCK_SECONDS, "bad announcement");
        return;
      }
      seen.set(payload, true);
      tell(frame, from);
      announced(found);
    } catch (error) {
      if (!(error instanceof KoraError && error.code.startsWith("BAD_"))) throw error;
      transport.block(from, BLOCK_SECONDS, "bad announcement");
    }
  };
  const channel: Channel = transport.open(spec, receive);
  function tell(frame: Uint8Array, except: IdentityKey | undefined): void {
    for (const { peer, listed } of transport.peers()) {
      if (!listed && peer !== except) channel.send(peer, frame);
    }
  }
  const stop = chain.service.events.snapshotPersisted.add(({ block, height }) => {
    if (seen.has(block.hash)) return;
    const followed = transport.peers().some(({ listed }) => !listed);
    const certificate = followed ? chain.history.certificate(height) : undefined;
    if (certificate === undefined) return;
    seen.set(block.hash, true);
    const wire = encodeBlock({
      header: block.header,
      transactions: block.transactions.map(({ raw }) => raw),
    });
    tell(encodeFinalBlock({ certificate: decodeCertificate(certificate), block: wire }), undefined);
  });
  return { [Symbol.dispose]: stop };
}
