// A deliberately naive second implementation of the store's root: every block sorts all keys, compares them with the
// state before, and rebuilds the whole tree from the list of all ops. Shares no code with src/state.
import { createHash } from "node:crypto";

const LEAVES = 2048;
const NONE = 2n ** 64n - 1n;

function sha(...parts: Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function u64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(value);
  return out;
}

interface RefOp {
  readonly key: string;
  readonly leaf: Buffer;
  readonly kind: number;
  readonly next: string;
  readonly value: string;
}

export interface RefState {
  readonly ops: readonly RefOp[];
  readonly live: readonly boolean[];
  /** Hex key to SN. */
  readonly where: ReadonlyMap<string, number>;
  readonly floor: number;
  readonly root: string;
}

const empty: RefState = { ops: [], live: [], where: new Map(), floor: 0, root: "" };
export const REFERENCE_EMPTY: RefState = empty;

function treeRoot(ops: readonly RefOp[], live: readonly boolean[], floor: number): string {
  const twigs = Math.max(1, Math.ceil(ops.length / LEAVES));
  let level: Buffer[] = [];
  let width = 1;
  while (width < twigs) width *= 2;
  for (let twig = 0; twig < width; twig++) {
    let nodes: Buffer[] = [];
    const bits = Buffer.alloc(LEAVES / 8);
    for (let i = 0; i < LEAVES; i++) {
      const sn = twig * LEAVES + i;
      nodes.push(ops[sn]?.leaf ?? Buffer.alloc(32));
      if (live[sn]) bits[i >> 3] = bits[i >> 3]! | (1 << (i & 7));
    }
    while (nodes.length > 1) {
      const above: Buffer[] = [];
      for (let i = 0; i < nodes.length; i += 2) above.push(sha(nodes[i]!, nodes[i + 1]!));
      nodes = above;
    }
    level.push(sha(Buffer.of(2), nodes[0]!, bits));
  }
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let i = 0; i < level.length; i += 2) above.push(sha(level[i]!, level[i + 1]!));
    level = above;
  }
  return `0x${sha(Buffer.of(3), u64(BigInt(ops.length)), u64(BigInt(floor)), level[0]!).toString("hex")}`;
}

/** The state after a block that leaves exactly `values` (hex key to hex value, sentinel not counted). */
export function referenceBlock(
  parent: RefState,
  height: number,
  values: ReadonlyMap<string, string>,
): RefState {
  const zero = "00".repeat(32);
  const end = "ff".repeat(32);
  const keys = [zero, ...[...values.keys()].sort()];
  const ops = [...parent.ops];
  const live = [...parent.live];
  const where = new Map(parent.where);
  const append = (
    key: string,
    next: string,
    kind: number,
    value: string,
    prev: number | undefined,
  ): number => {
    const leaf = sha(
      Buffer.of(0),
      Buffer.from(key, "hex"),
      Buffer.from(next, "hex"),
      Buffer.of(kind),
      u64(prev === undefined ? NONE : BigInt(prev)),
      u64(BigInt(height)),
      Buffer.from(value, "hex"),
    );
    ops.push({ key, leaf, kind, next, value });
    live.push(kind !== 3);
    if (prev !== undefined) live[prev] = false;
    return ops.length - 1;
  };
  const nextOf = new Map(keys.map((key, i) => [key, keys[i + 1] ?? end]));
  const touched = new Set<string>();
  for (const key of keys) {
    const before = parent.where.get(key);
    const value = key === zero ? "" : values.get(key)!;
    const op = before === undefined ? undefined : parent.ops[before]!;
    if (op === undefined || op.value !== value || op.next !== nextOf.get(key)) touched.add(key);
  }
  for (const key of parent.where.keys()) if (!nextOf.has(key)) touched.add(key);
  if (touched.size === 0) return parent;
  for (const key of [...touched].sort()) {
    const prev = parent.where.get(key);
    if (nextOf.has(key)) {
      where.set(key, append(key, nextOf.get(key)!, 1, key === zero ? "" : values.get(key)!, prev));
    } else {
      append(key, zero, 3, "", prev);
      where.delete(key);
    }
  }
  const start = parent.ops.length;
  const count = live.filter(Boolean).length;
  let floor = parent.floor;
  let budget = touched.size + 1;
  for (;;) {
    while (floor < start && !live[floor]) floor++;
    if (budget === 0 || floor >= start || ops.length - floor <= 2 * count) break;
    const op = ops[floor]!;
    where.set(op.key, append(op.key, op.next, 2, op.value, floor));
    floor++;
    budget--;
  }
  return { ops, live, where, floor, root: treeRoot(ops, live, floor) };
}

/** Hashed key of an account, in hex. */
export function referenceAccountKey(address: string): string {
  return sha(Buffer.of(1), Buffer.from(address.slice(2), "hex")).toString("hex");
}

/** Hashed key of a slot, in hex. */
export function referenceSlotKey(address: string, incarnation: number, slot: string): string {
  return sha(
    Buffer.of(2),
    Buffer.from(address.slice(2), "hex"),
    u64(BigInt(incarnation)),
    Buffer.from(slot.slice(2), "hex"),
  ).toString("hex");
}

/** Value bytes of an account record, in hex. */
export function referenceAccountValue(
  nonce: bigint,
  balance: bigint,
  codeHash: string,
  incarnation: number,
): string {
  let digits = balance === 0n ? "" : balance.toString(16);
  if (digits.length % 2 === 1) digits = `0${digits}`;
  return u64(nonce).toString("hex") + u64(BigInt(incarnation)).toString("hex") + codeHash.slice(2) + digits;
}
