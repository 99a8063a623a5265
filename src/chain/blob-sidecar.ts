// Blob transactions as they are submitted: with their blobs, commitments and proofs beside them (EIP-4844's network
// form). Checks the sidecar and hands on the bare transaction; the blobs themselves are not kept.
import { sha256 } from "#crypto/hash.ts";
import { verifyBlobProofs } from "#execution/kzg.ts";
import { concatBytes, toHex } from "#lib/bytes.ts";
import { decodeRlp, encodeRlp, type RlpItem, rlpBytes, rlpList } from "#lib/rlp.ts";
import { type Hash, hash } from "#types/ids.ts";
import { decodeTransaction } from "#types/transaction.ts";
import { refuse } from "./pool-check.ts";
import type { PoolRejection } from "./pool-types.ts";

/** First byte of a blob transaction. */
export const BLOB_TRANSACTION_TYPE = 3;
/** Bytes of a blob transaction with its sidecar: six blobs of 128 KiB and what belongs to them. */
export const MAX_BLOB_TRANSACTION_BYTES: number = 1024 * 1024;
const BLOB_BYTES = 131_072;
const POINT_BYTES = 48;
/** First byte of a versioned hash of a KZG commitment. */
const KZG_VERSION = 1;

function versionedHash(commitment: Uint8Array): Hash {
  return hash(concatBytes(Uint8Array.of(KZG_VERSION), sha256(commitment).subarray(1)));
}

interface Sidecar {
  readonly blobs: readonly Uint8Array[];
  readonly commitments: readonly Uint8Array[];
  readonly proofs: readonly Uint8Array[];
}

function readSidecar(items: readonly RlpItem[]): Sidecar {
  const [blobs, commitments, proofs] = items;
  const fixed = (item: RlpItem | undefined, length: number): Uint8Array[] =>
    rlpList(item).map((each) => rlpBytes(each, length));
  return {
    blobs: fixed(blobs, BLOB_BYTES),
    commitments: fixed(commitments, POINT_BYTES),
    proofs: fixed(proofs, POINT_BYTES),
  };
}

function checkSidecar({ blobs, commitments, proofs }: Sidecar, hashes: readonly Hash[]): string | undefined {
  if (blobs.length !== hashes.length) {
    return `invalid number of ${blobs.length} blobs compared to ${hashes.length} blob hashes`;
  }
  if (commitments.length !== hashes.length) {
    return `invalid number of ${commitments.length} blob commitments compared to ${hashes.length} blob hashes`;
  }
  if (proofs.length !== hashes.length) {
    return `invalid number of ${proofs.length} blob proofs expected ${hashes.length}`;
  }
  for (const [index, commitment] of commitments.entries()) {
    const computed = versionedHash(commitment);
    if (computed !== hashes[index])
      return `blob ${index}: computed hash ${computed} mismatches transaction one`;
  }
  const proven = verifyBlobProofs(blobs.map(toHex), commitments.map(toHex), proofs.map(toHex));
  return proven ? undefined : "KZG verification error: invalid blob proof";
}

/**
 * The bare wire form of a submitted blob transaction whose sidecar is right, or why it is not. Throws BAD_RLP and
 * BAD_TRANSACTION. Sidecars with one proof per blob are taken in every fork: cells are sampled by nobody here.
 */
export function openBlobSubmission(raw: Uint8Array): Uint8Array | PoolRejection {
  const items = rlpList(decodeRlp(raw.subarray(1)));
  const [body, ...rest] = items;
  if (!Array.isArray(body)) return refuse("BLOB", "missing sidecar in blob transaction");
  if (rest.length !== 3) return refuse("BLOB", "unexpected sidecar version, want: 0, got: 1");
  const bare = concatBytes(Uint8Array.of(BLOB_TRANSACTION_TYPE), encodeRlp(body));
  const tx = decodeTransaction(bare);
  if (tx.type !== BLOB_TRANSACTION_TYPE) return refuse("BLOB", "missing sidecar in blob transaction");
  const wrong = checkSidecar(readSidecar(rest), tx.blobVersionedHashes);
  return wrong === undefined ? bare : refuse("BLOB", wrong);
}
