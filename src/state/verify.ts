// Proofs about a state root, their byte format, and their verification with nothing but hashes: inclusion, absence,
// an earlier block's value, and the manifest that state sync starts from. Imports nothing of the store.
import { sha256Into } from "#crypto/sha256.ts";
import { compareBytes, equalBytes } from "#lib/bytes.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import type { Account } from "#types/account.ts";
import { type Address, bytesOf, type Hash } from "#types/ids.ts";
import {
  accountKey,
  decodeAccount,
  emptyNodes,
  HASH_BYTES,
  isOp,
  MAX_OP_BYTES,
  MAX_UPPER_DEPTH,
  NONE,
  OP_KEY,
  OP_NEXT,
  opHeight,
  opIsLive,
  opPrev,
  opValue,
  PAIR_BYTES,
  type StoredAccount,
  slotKey,
  stateRoot,
  TWIG_BITS_BYTES,
  TWIG_DEPTH,
  TWIG_LEAVES,
  TWIG_MESSAGE_BYTES,
  twigCount,
  upperDepth,
  writeTwigMessage,
} from "./format.ts";

/** An op with the path from its leaf to a root. */
export interface OpProof {
  readonly sn: number;
  readonly nextSN: number;
  readonly floorSN: number;
  /** The leaf message. */
  readonly op: Uint8Array;
  /** 11 siblings, leaf level first. */
  readonly siblings: readonly Uint8Array[];
  /** Activity bits of the op's twig, 256 bytes. */
  readonly bits: Uint8Array;
  /** Siblings above the twig root, lowest first. */
  readonly upper: readonly Uint8Array[];
}

/** What a key held at a root: the key's own op, or that of the key before it when it was absent. */
export interface KeyProof {
  readonly witness: OpProof;
  /** For a height before the root's: the op that replaced the witness since; undefined if it is still live. */
  readonly successor: OpProof | undefined;
}

/** A proof of an account, and of slots under its incarnation. */
export interface StateProof {
  readonly account: KeyProof;
  readonly slots: readonly KeyProof[];
}

/** Slots that one proof covers at most. */
export const MAX_PROOF_SLOTS = 1_024;
/** Bytes of one op proof at most: about 12.6 kB at an absurd 2^53 ops, 1 kB at two million. */
export const MAX_OP_PROOF_BYTES: number =
  3 * 8 + 4 + MAX_OP_BYTES + (TWIG_DEPTH + MAX_UPPER_DEPTH) * HASH_BYTES + TWIG_BITS_BYTES;
/** Bytes of a whole proof at most. */
export const MAX_PROOF_BYTES: number = 8 + (1 + MAX_PROOF_SLOTS) * (1 + 2 * MAX_OP_PROOF_BYTES);

const FORMAT = 1;

function malformed(why: string): KoraError {
  return new KoraError(`malformed proof: ${why}`, { code: "BAD_PROOF" });
}

/** The proof does not prove what it claims. */
function wrong(why: string): KoraError {
  return new KoraError(`the proof does not hold: ${why}`, { code: "PROOF_FAILED" });
}

function writeOpProof(to: Writer, proof: OpProof): void {
  to.u64(proof.sn).u64(proof.nextSN).u64(proof.floorSN).bytes(proof.op);
  for (const sibling of proof.siblings) to.raw(sibling);
  to.raw(proof.bits);
  for (const sibling of proof.upper) to.raw(sibling);
}

function readOpProof(from: Reader): OpProof {
  const sn = from.u64();
  const nextSN = from.u64();
  const floorSN = from.u64();
  if (sn >= nextSN || floorSN > nextSN) throw malformed("an SN lies outside of the log");
  const op = from.bytes(MAX_OP_BYTES);
  if (!isOp(op)) throw malformed("a leaf is not an op");
  const siblings = Array.from({ length: TWIG_DEPTH }, () => from.raw(HASH_BYTES));
  const bits = from.raw(TWIG_BITS_BYTES);
  const upper = Array.from({ length: upperDepth(nextSN) }, () => from.raw(HASH_BYTES));
  return { sn, nextSN, floorSN, op, siblings, bits, upper };
}

function writeKeyProof(to: Writer, { witness, successor }: KeyProof): void {
  writeOpProof(to.u8(successor === undefined ? 0 : 1), witness);
  if (successor !== undefined) writeOpProof(to, successor);
}

function readKeyProof(from: Reader): KeyProof {
  const flag = from.u8();
  if (flag > 1) throw malformed(`flag ${flag}`);
  const witness = readOpProof(from);
  return { witness, successor: flag === 1 ? readOpProof(from) : undefined };
}

/** Bytes of a proof. */
export function encodeProof(proof: StateProof): Uint8Array {
  const to = new Writer(4096).u8(FORMAT);
  writeKeyProof(to, proof.account);
  to.u32(proof.slots.length);
  for (const slot of proof.slots) writeKeyProof(to, slot);
  return to.finish();
}

/** Inverse of encodeProof; throws BAD_PROOF or BAD_ENCODING for anything it would not have written. */
export function decodeProof(bytes: Uint8Array): StateProof {
  if (bytes.length > MAX_PROOF_BYTES) throw malformed(`${bytes.length} bytes, at most ${MAX_PROOF_BYTES}`);
  const from = new Reader(bytes);
  const format = from.u8();
  if (format !== FORMAT) throw malformed(`format ${format}`);
  const account = readKeyProof(from);
  const slots = Array.from({ length: from.count(MAX_PROOF_SLOTS) }, () => readKeyProof(from));
  from.end();
  return { account, slots };
}

function pair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const message = new Uint8Array(PAIR_BYTES);
  message.set(left);
  message.set(right, HASH_BYTES);
  const out = new Uint8Array(HASH_BYTES);
  sha256Into(message, out);
  return out;
}

function climb(node: Uint8Array, index: number, siblings: readonly Uint8Array[]): Uint8Array {
  for (const sibling of siblings) {
    node = index % 2 === 0 ? pair(node, sibling) : pair(sibling, node);
    index = Math.floor(index / 2);
  }
  return node;
}

function twigRoot(left: Uint8Array, bits: Uint8Array): Uint8Array {
  const message = new Uint8Array(TWIG_MESSAGE_BYTES);
  writeTwigMessage(message, left, 0, bits, 0);
  const out = new Uint8Array(HASH_BYTES);
  sha256Into(message, out);
  return out;
}

/** The root that an op proof leads to. */
export function rootOfOpProof({ sn, nextSN, floorSN, op, siblings, bits, upper }: OpProof): Uint8Array {
  const leaf = new Uint8Array(HASH_BYTES);
  sha256Into(op, leaf);
  const left = climb(leaf, sn % TWIG_LEAVES, siblings);
  const top = climb(twigRoot(left, bits), Math.floor(sn / TWIG_LEAVES), upper);
  return stateRoot(nextSN, floorSN, top);
}

function isActive({ sn, bits }: OpProof): boolean {
  const leaf = sn % TWIG_LEAVES;
  return ((bits[leaf >> 3] as number) & (1 << (leaf & 7))) !== 0;
}

function requireRoot(proof: OpProof, root: Uint8Array): void {
  if (proof.siblings.length !== TWIG_DEPTH || proof.upper.length !== upperDepth(proof.nextSN)) {
    throw malformed("a path has the wrong length");
  }
  if (proof.sn >= proof.nextSN || !isOp(proof.op)) throw malformed("an op is out of place");
  if (!equalBytes(rootOfOpProof(proof), root)) throw wrong("a path does not lead to the state root");
}

/** Checks that the witness was alive in the block at `height` (undefined: in the root's own state). */
function requireAlive({ witness, successor }: KeyProof, root: Uint8Array, height: number | undefined): void {
  if (height !== undefined && !(Number.isSafeInteger(height) && height >= 0))
    throw malformed("no such height");
  requireRoot(witness, root);
  if (!opIsLive(witness.op)) throw wrong("the witness is a deletion");
  if (height !== undefined && opHeight(witness.op) > height)
    throw wrong("the witness is younger than the height");
  if (successor === undefined) {
    if (!isActive(witness)) throw wrong("the witness was replaced");
    return;
  }
  if (height === undefined) throw wrong("a current value has no successor");
  requireRoot(successor, root);
  const key = witness.op.subarray(OP_KEY, OP_KEY + HASH_BYTES);
  if (!equalBytes(successor.op.subarray(OP_KEY, OP_KEY + HASH_BYTES), key)) {
    throw wrong("the successor is of another key");
  }
  if (opPrev(successor.op) === NONE || opPrev(successor.op) !== witness.sn) {
    throw wrong("the successor did not replace the witness");
  }
  if (opHeight(successor.op) <= height) throw wrong("the witness was replaced before the height");
}

/**
 * What `key` held: its value, or undefined when the proof shows it absent. Throws PROOF_FAILED or BAD_PROOF.
 * With `height`, the state of that block, proved under the root of it or of a later one: that the root is not of an
 * earlier one, whose log says nothing of what came after, is for the caller to know.
 */
export function verifyKey(
  root: Uint8Array,
  key: Uint8Array,
  proof: KeyProof,
  height?: number,
): Uint8Array | undefined {
  requireAlive(proof, root, height);
  const { op } = proof.witness;
  const order = compareBytes(op.subarray(OP_KEY, OP_KEY + HASH_BYTES), key);
  if (order === 0) return opValue(op);
  if (order > 0 || compareBytes(key, op.subarray(OP_NEXT, OP_NEXT + HASH_BYTES)) >= 0) {
    throw wrong("the witness is neither the key's nor of the key before it");
  }
  return undefined;
}

/** What a verified proof says. */
export interface ProvenState {
  readonly account: Account | undefined;
  /** Value of each asked slot, in order: big-endian without leading zeros, empty for zero. */
  readonly slots: readonly Uint8Array[];
}

/** Verifies a proof of an account and of `slots` of it. Throws PROOF_FAILED or BAD_PROOF. */
export function verifyState(
  root: Hash,
  address: Address,
  slots: readonly Hash[],
  proof: StateProof,
  height?: number,
): ProvenState {
  const top = bytesOf(root);
  const value = verifyKey(top, accountKey(address), proof.account, height);
  const account: StoredAccount | undefined = value === undefined ? undefined : decodeAccount(value);
  if (account === undefined) {
    if (proof.slots.length > 0) throw malformed("slots of an account that is absent");
    return { account, slots: slots.map(() => new Uint8Array(0)) };
  }
  if (proof.slots.length !== slots.length)
    throw malformed(`${proof.slots.length} slots, not ${slots.length}`);
  const values = slots.map((slot, i) => {
    const key = slotKey(address, account.incarnation, slot);
    return verifyKey(top, key, proof.slots[i] as KeyProof, height) ?? new Uint8Array(0);
  });
  return { account, slots: values };
}

/** Roots and bits of all twigs of a state: what state sync verifies before it asks for ops. */
export interface Manifest {
  readonly nextSN: number;
  readonly floorSN: number;
  /** Left of the floor's twig: roots of the maximal complete subtrees, left to right. */
  readonly peaks: readonly Uint8Array[];
  /** From the floor's twig on. */
  readonly twigs: readonly { readonly left: Uint8Array; readonly bits: Uint8Array }[];
}

/** Twigs of one manifest at most: 2^28 ops between floor and tip, 38 MB. */
export const MAX_MANIFEST_TWIGS: number = 2 ** 17;
const TWIG_BYTES = HASH_BYTES + TWIG_BITS_BYTES;

/** Heights of the maximal complete subtrees over the first `twigs` twigs, left to right. */
export function peakLevels(twigs: number): number[] {
  const levels: number[] = [];
  for (let level = MAX_UPPER_DEPTH; level >= 0; level--) {
    if (Math.floor(twigs / 2 ** level) % 2 === 1) levels.push(level);
  }
  return levels;
}

/** Bytes of a manifest. */
export function encodeManifest({ nextSN, floorSN, peaks, twigs }: Manifest): Uint8Array {
  const to = new Writer(64 + twigs.length * TWIG_BYTES).u8(FORMAT).u64(nextSN).u64(floorSN);
  for (const peak of peaks) to.raw(peak);
  for (const { left, bits } of twigs) to.raw(left).raw(bits);
  return to.finish();
}

/** Inverse of encodeManifest; throws BAD_PROOF or BAD_ENCODING. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const from = new Reader(bytes);
  if (from.u8() !== FORMAT) throw malformed("unknown format");
  const nextSN = from.u64();
  const floorSN = from.u64();
  const first = Math.floor(floorSN / TWIG_LEAVES);
  const count = twigCount(nextSN) - first;
  if (floorSN > nextSN || count > MAX_MANIFEST_TWIGS || count < 1)
    throw malformed("floor and tip do not fit");
  if (from.remaining !== peakLevels(first).length * HASH_BYTES + count * TWIG_BYTES)
    throw malformed("length");
  const peaks = peakLevels(first).map(() => from.raw(HASH_BYTES));
  const twigs = Array.from({ length: count }, () => ({
    left: from.raw(HASH_BYTES),
    bits: from.raw(TWIG_BITS_BYTES),
  }));
  from.end();
  return { nextSN, floorSN, peaks, twigs };
}

/** The state root that a manifest amounts to. */
export function rootOfManifest({ nextSN, floorSN, peaks, twigs }: Manifest): Uint8Array {
  const empty = emptyNodes().upper;
  const first = Math.floor(floorSN / TWIG_LEAVES);
  let nodes: Uint8Array[] = twigs.map(({ left, bits }) => twigRoot(left, bits));
  let from = first;
  const levels = peakLevels(first);
  const depth = upperDepth(nextSN);
  for (let level = 0; level < depth; level++) {
    if (from % 2 === 1) {
      // The lowest peak not used yet is the left neighbour here.
      const peak = peaks[levels.indexOf(level)];
      if (peak === undefined) throw malformed("a peak is missing");
      nodes = [peak, ...nodes];
      from--;
    }
    const above: Uint8Array[] = [];
    for (let i = 0; i < nodes.length; i += 2) {
      above.push(pair(nodes[i] as Uint8Array, nodes[i + 1] ?? (empty[level] as Uint8Array)));
    }
    nodes = above;
    from /= 2;
  }
  return stateRoot(nextSN, floorSN, nodes[0] ?? (empty[depth] as Uint8Array));
}

/** Left root of a twig whose leaves are `ops`, dead ones included: what ops from any peer are checked against. */
export function leftRootOfOps(ops: readonly Uint8Array[]): Uint8Array {
  if (ops.length > TWIG_LEAVES || !ops.every(isOp)) throw malformed("not the ops of a twig");
  const empty = emptyNodes().leaf;
  let nodes: Uint8Array[] = ops.map((op) => {
    const leaf = new Uint8Array(HASH_BYTES);
    sha256Into(op, leaf);
    return leaf;
  });
  for (let level = 0; level < TWIG_DEPTH; level++) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < nodes.length; i += 2) {
      above.push(pair(nodes[i] as Uint8Array, nodes[i + 1] ?? (empty[level] as Uint8Array)));
    }
    nodes = above;
  }
  return nodes[0] ?? (empty[TWIG_DEPTH] as Uint8Array);
}
