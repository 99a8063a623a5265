// One block's batch: from the net changes to appended ops, moves of the floor raise, and the new root.
// Deterministic in (parent state, height, changes). Writes nothing to disk and leaves the committed state alone.
import { assert } from "#lib/assert.ts";
import type { Account, StateChanges } from "#types/account.ts";
import type { Address, Hash } from "#types/ids.ts";
import {
  type Base,
  buildTable,
  type CreatedKey,
  type Fingerprinted,
  type Found,
  fetchOps,
  findFingerprint,
  fingerprinted,
  type Layer,
  type View,
  viewOf,
  walkOp,
} from "./base.ts";
import {
  accountPreimage,
  encodeAccount,
  HASH_BYTES,
  hasValue,
  incarnationOf,
  KIND_DEL,
  KIND_MOVE,
  KIND_PUT,
  keyOfPreimage,
  NONE,
  OP_HEIGHT,
  OP_KEY,
  OP_KIND,
  OP_PREV,
  OP_VALUE,
  type StoredAccount,
  slotPreimage,
  TWIG_LEAVES,
  writeOp,
  writeU64,
} from "./format.ts";
import { headOf, type LinkedWrite, linkWrites, type Write } from "./links.ts";
import { buildPatch, type Extent, type OpRun, type TreePatch } from "./tree.ts";

const ZERO_KEY = new Uint8Array(HASH_BYTES);
const NO_VALUE = new Uint8Array(0);
const MAX_SLOT_BYTES = 32;

/** Ops being appended. */
interface Appender {
  readonly start: number;
  count: number;
  length: number;
  data: Uint8Array;
  offsets: Uint32Array;
  /** High and low fingerprint of each op's key. */
  fingerprints: Uint32Array;
}

function createAppender(start: number, ops: number): Appender {
  return {
    start,
    count: 0,
    length: 0,
    data: new Uint8Array(ops * 160 + 256),
    offsets: new Uint32Array(ops + 2),
    fingerprints: new Uint32Array(2 * ops + 4),
  };
}

/** Makes room for one op of `bytes` bytes and returns where it goes. Its key's fingerprint is that. */
function reserve(to: Appender, bytes: number, high: number, low: number): number {
  const at = to.length;
  to.length += bytes;
  if (to.length > to.data.length) {
    const grown = new Uint8Array(to.length * 2);
    grown.set(to.data);
    to.data = grown;
  }
  if (to.count + 2 > to.offsets.length) {
    const grown = new Uint32Array(to.offsets.length * 2);
    grown.set(to.offsets);
    to.offsets = grown;
    const more = new Uint32Array(to.offsets.length * 2);
    more.set(to.fingerprints);
    to.fingerprints = more;
  }
  to.fingerprints[2 * to.count] = high;
  to.fingerprints[2 * to.count + 1] = low;
  to.count++;
  to.offsets[to.count] = to.length;
  return at;
}

/** What the changes mean for records: incarnations resolved, writes by key. */
interface Resolved {
  readonly accounts: Map<Address, StoredAccount | undefined>;
  readonly slots: Map<Address, ReadonlyMap<Hash, Uint8Array>>;
  readonly reset: Set<Address>;
  readonly writes: Write[];
}

/** A key that a block may change, before its op is looked up. */
interface Wanted extends Fingerprinted {
  readonly preimage: Uint8Array;
}

function wanted(base: Base, preimage: Uint8Array): Wanted {
  const { key, high, low } = fingerprinted(base, keyOfPreimage(preimage));
  return { key, high, low, preimage };
}

/** What becomes of one key; undefined if nothing does. */
function toWrite(at: Wanted, before: Found | undefined, value: Uint8Array | undefined): Write | undefined {
  if (before === undefined && value === undefined) return undefined;
  if (before !== undefined && value !== undefined && hasValue(before.op, value)) return undefined;
  const { key, high, low, preimage } = at;
  return { key, high, low, head: headOf(key), before, value, preimage };
}

function recordOf({ nonce, balance, codeHash }: Account, incarnation: number): StoredAccount {
  return { nonce, balance, codeHash, incarnation };
}

function resolveAccounts(view: View, height: number, changes: StateChanges, to: Resolved): void {
  const { base } = view;
  const entries = [...changes.accounts];
  const keys = entries.map(([address]) => wanted(base, accountPreimage(address)));
  const firsts = fetchOps(base, keys);
  entries.forEach(([address, change], i) => {
    const at = keys[i] as Wanted;
    const before = findFingerprint(view, at.key, at.high, at.low, firsts[i]);
    const fresh = before === undefined || change.reset;
    const account =
      change.account === undefined
        ? undefined
        : recordOf(change.account, fresh ? height : incarnationOf(before.op, OP_VALUE));
    to.accounts.set(address, account);
    if (account === undefined || fresh) to.reset.add(address);
    const write = toWrite(at, before, account === undefined ? undefined : encodeAccount(account));
    if (write !== undefined) to.writes.push(write);
  });
}

function resolveSlots(view: View, changes: StateChanges, to: Resolved): void {
  const { base } = view;
  const keys: Wanted[] = [];
  const values: Uint8Array[] = [];
  for (const [address, { storage }] of changes.accounts) {
    const account = to.accounts.get(address);
    if (account === undefined || storage.size === 0) continue;
    to.slots.set(address, storage);
    for (const [slot, value] of storage) {
      assert(value.length <= MAX_SLOT_BYTES && value[0] !== 0, "slot values have no leading zeros");
      keys.push(wanted(base, slotPreimage(address, account.incarnation, slot)));
      values.push(value);
    }
  }
  const firsts = fetchOps(base, keys);
  keys.forEach((at, i) => {
    const before = findFingerprint(view, at.key, at.high, at.low, firsts[i]);
    const value = values[i] as Uint8Array;
    const write = toWrite(at, before, value.length === 0 ? undefined : value);
    if (write !== undefined) to.writes.push(write);
  });
}

function resolve(view: View, height: number, changes: StateChanges): Resolved {
  const resolved: Resolved = { accounts: new Map(), slots: new Map(), reset: new Set(), writes: [] };
  resolveAccounts(view, height, changes, resolved);
  resolveSlots(view, changes, resolved);
  return resolved;
}

/** Appends one op per changed key; fills `dead` with the SNs they kill. */
function emit(to: Appender, linked: readonly LinkedWrite[], height: number, dead: number[]): void {
  for (const { key, high, low, next, before, value } of linked) {
    const prev = before?.sn ?? NONE;
    if (before !== undefined) dead.push(before.sn);
    const at = reserve(to, OP_VALUE + (value?.length ?? 0), high, low);
    if (value === undefined) {
      writeOp(to.data, at, { key, next: ZERO_KEY, kind: KIND_DEL, prev, height, value: NO_VALUE });
    } else {
      writeOp(to.data, at, { key, next, kind: KIND_PUT, prev, height, value });
    }
  }
}

/** Whether an SN of an earlier block is still live, given what this block killed so far. */
function liveness(view: View, dead: readonly number[]): (sn: number) => boolean {
  const killed = new Set(dead);
  let twig = -1;
  let bits: Uint8Array | undefined;
  return (sn) => {
    const at = Math.floor(sn / TWIG_LEAVES);
    if (at !== twig) {
      twig = at;
      bits = view.tree.bits(at);
    }
    const leaf = sn % TWIG_LEAVES;
    const set = bits !== undefined && ((bits[leaf >> 3] as number) & (1 << (leaf & 7))) !== 0;
    return set && !killed.has(sn);
  };
}

/** Advances the floor: re-appends its oldest live ops while the log is more than twice the live set. */
function raiseFloor(view: View, to: Appender, live: number, height: number, dead: number[]): number {
  const isLive = liveness(view, dead);
  const { fingerprint, fingerprintOut } = view.base;
  let budget = to.count + 1;
  let floor = view.tree.extent.floorSN;
  for (;;) {
    while (floor < to.start && !isLive(floor)) floor++;
    if (budget === 0 || floor === to.start || to.start + to.count - floor <= 2 * live) return floor;
    const op = walkOp(view, floor);
    fingerprint(op, OP_KEY);
    const at = reserve(to, op.length, fingerprintOut[0] as number, fingerprintOut[1] as number);
    to.data.set(op, at);
    to.data[at + OP_KIND] = KIND_MOVE;
    writeU64(to.data, at + OP_PREV, floor);
    writeU64(to.data, at + OP_HEIGHT, height);
    dead.push(floor);
    floor++;
    budget--;
  }
}

interface Appended {
  readonly run: OpRun;
  readonly fingerprints: Uint32Array;
  readonly patch: TreePatch;
  readonly created: CreatedKey[];
  readonly deleted: Uint8Array[];
}

function append(view: View, linked: readonly LinkedWrite[], height: number): Appended {
  const before: Extent = view.tree.extent;
  const dead: number[] = [];
  const to = createAppender(before.nextSN, linked.length * 2 + 1);
  emit(to, linked, height, dead);
  const created: CreatedKey[] = [];
  const deleted: Uint8Array[] = [];
  let live = before.live;
  for (const { key, before: found, value, preimage } of linked) {
    if (found === undefined) {
      live++;
      if (preimage !== undefined) created.push({ key, preimage });
    } else if (value === undefined) {
      live--;
      deleted.push(key);
    }
  }
  const floorSN = raiseFloor(view, to, live, height, dead);
  const run: OpRun = {
    start: to.start,
    count: to.count,
    data: to.data.subarray(0, to.length),
    offsets: to.offsets.subarray(0, to.count + 1),
  };
  const sets = (i: number): boolean => run.data[(run.offsets[i] as number) + OP_KIND] !== KIND_DEL;
  const extent: Extent = { nextSN: run.start + run.count, floorSN, live };
  const fingerprints = to.fingerprints.subarray(0, 2 * to.count);
  return { run, fingerprints, patch: buildPatch(view.tree, run, dead, sets, extent), created, deleted };
}

/** Builds the layer of a block on `parent`, or on the committed state. */
export function buildLayer(
  base: Base,
  parent: Layer | undefined,
  height: number,
  changes: StateChanges,
): Layer {
  const view = viewOf(base, parent);
  const { accounts, slots, reset, writes } = resolve(view, height, changes);
  const linked = linkWrites(view, writes);
  base.log.release();
  const overlay = { accounts, slots, reset, code: changes.code };
  const below = view.layers[0];
  const common = {
    ...overlay,
    height,
    parent: below,
    token: {},
    ground: view.layers[view.layers.length - 1]?.ground ?? base.ground,
    folded: false,
  };
  if (linked.length === 0) {
    const root = below?.root ?? base.tree.root;
    const nothing = { run: undefined, patch: undefined, created: [], deleted: [] };
    return { ...common, ...nothing, root, fingerprints: new Uint32Array(0), table: new Int32Array(0) };
  }
  const appended = append(view, linked, height);
  const table = buildTable(appended.fingerprints, appended.run.count);
  return { ...common, ...appended, root: appended.patch.root, table };
}
