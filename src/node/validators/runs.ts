// Runs of final blocks: what an archive can prove from a height on, and whether a received run is what it claims. One
// certificate at the end, parent hashes before it. Knows nothing of peers.
import { holdsTogether } from "#chain/body.ts";
import { headerHash } from "#crypto/digest.ts";
import { createLru } from "#lib/bounded.ts";
import type { Archive } from "#state/types.ts";
import { type BlockRun, MAX_RUN_BLOCKS, MAX_RUN_HEADERS } from "#types/backfill.ts";
import { decodeBlock, joinBlock, type WireBlock } from "#types/block.ts";
import { type Certificate, decodeCertificate } from "#types/certificate.ts";
import { decodeHeader, type Header } from "#types/header.ts";
import type { Hash, Height } from "#types/ids.ts";
import type { CertificateVerifier } from "./votes.ts";

/** Headers kept of what was proven with: whoever asks on asks for the same proof. */
const MAX_KEPT_HEADERS: number = 4 * MAX_RUN_HEADERS;

/** A run that hangs together, begins on the tip and is final. */
export interface VerifiedRun {
  readonly blocks: readonly { readonly wire: WireBlock; readonly hash: Hash }[];
  /** Finalization of the last block, where the run has one of just that. */
  readonly certificate: Certificate | undefined;
  /** Height that its certificate makes final: that of its last block, or above. */
  readonly finalHeight: number;
}

/** The block that a run has to follow. */
export interface RunStart {
  readonly hash: Hash;
  readonly height: number;
}

interface Proving {
  readonly header: Uint8Array;
  readonly certificate: Uint8Array | undefined;
}

export interface RunSource {
  /** The longest run from `from` that is provable and fits `maxBytes`; empty when there is none. */
  collect(id: number, from: number, maxBytes: number): BlockRun;
}

/** Runs out of an archive whose blocks are final for good. */
export function createRunSource(archive: Archive): RunSource {
  const proving = createLru<number, Proving>(MAX_KEPT_HEADERS);

  function provingAt(height: number): Proving | undefined {
    const kept = proving.get(height);
    if (kept !== undefined) return kept;
    const stored = archive.block(height as Height);
    if (stored === undefined) return undefined;
    const { header, certificate } = stored;
    proving.set(height, { header, certificate });
    return { header, certificate };
  }
  /** Headers from `from` up to the first block with a certificate; undefined where that is too far. */
  function proofFrom(from: number) {
    const headers: Uint8Array[] = [];
    for (let at = from; headers.length < MAX_RUN_HEADERS; at++) {
      const found = provingAt(at);
      if (found === undefined) return undefined;
      headers.push(found.header);
      if (found.certificate !== undefined) return { headers, certificate: found.certificate };
    }
    return undefined;
  }
  return {
    collect(id, from, maxBytes) {
      const blocks: Uint8Array[] = [];
      let provable = 0;
      let certificate: Uint8Array | undefined;
      let bytes = 0;
      for (let at = from; blocks.length < MAX_RUN_BLOCKS; at++) {
        const stored = archive.block(at as Height);
        if (stored === undefined) break;
        const wire = joinBlock(stored.header, stored.body);
        bytes += wire.length;
        if (bytes > maxBytes) break;
        blocks.push(wire);
        if (stored.certificate === undefined) continue;
        certificate = stored.certificate;
        provable = blocks.length;
      }
      if (certificate !== undefined) {
        blocks.length = provable;
        return { id, blocks, headers: [], certificate: decodeCertificate(certificate) };
      }
      const proof = blocks.length === 0 ? undefined : proofFrom(from + blocks.length);
      if (proof === undefined) return { id, blocks: [], headers: [], certificate: undefined };
      return { id, blocks, headers: proof.headers, certificate: decodeCertificate(proof.certificate) };
    },
  };
}

/** Checks a run: links, each block's own transactions, then the one signature. Undefined for a wrong one. */
export function verifyRun(
  run: BlockRun,
  start: RunStart,
  verifier: CertificateVerifier,
): VerifiedRun | undefined {
  const { certificate } = run;
  if (certificate?.kind !== "finalize") return undefined;
  let parent = start.hash;
  let height = start.height;
  const links = (header: Header): boolean => {
    if (header.parentHash !== parent || header.number !== height + 1) return false;
    parent = headerHash(header);
    height++;
    return true;
  };
  const blocks: { wire: WireBlock; hash: Hash }[] = [];
  for (const bytes of run.blocks) {
    const wire = decodeBlock(bytes);
    if (!(links(wire.header) && holdsTogether(wire))) return undefined;
    blocks.push({ wire, hash: parent });
  }
  for (const bytes of run.headers) if (!links(decodeHeader(bytes))) return undefined;
  if (certificate.payload !== parent) return undefined;
  if (verifier.examine([certificate], [undefined])[0]?.valid !== true) return undefined;
  return {
    blocks,
    certificate: run.headers.length === 0 ? certificate : undefined,
    finalHeight: height,
  };
}
