// One block's batch: from the net changes to appended ops, moves of the floor raise, and the new root.
// Deterministic in (parent state, height, changes). Writes nothing to disk and leaves the committed state alone.
import { assert } from "#lib/assert.ts";
import type { Account, StateChanges } from "#types/account.ts";
import type { Address, Hash } from "#types/ids.ts";
import { Appender, type OpRun } from "./appender.ts";
import {
  type Base,
  buildTable,
  type CreatedKey,
  type Fingerprinted,
  type Found,
  findKeys,
  fingerprinted,
  type Layer,
  type View,
  viewOf,
  walkOp,
} from "./base.ts";
import {
  accountKey,
  accountPreimage,
  encodeAccount,
  hasValue,
  incarnationOf,
  NONE,
  OP_KEY,
  OP_NEXT,
  OP_VALUE,
  type StoredAccount,
  slotKey,
  slotPreimage,
} from "./format.ts";
import { linkWrites, type Write } from "./links.ts";
import { BitPatch, buildPatch } from "./patch.ts";
import type { TreePatch } from "./tree.ts";

const MAX_SLOT_BYTES = 32;

/** What the changes mean for records: incarnations resolved, writes by key. */
interface Resolved {
  readonly accounts: Map<Address, StoredAccount | undefined>;
  readonly slots: Map<Address, ReadonlyMap<Hash, Uint8Array>>;
  readonly reset: Set<Address>;
  readonly writes: Write[];
}

/** Adds what becomes of one key, if anything does. `preimage` makes its preimage. */
function addWrite(
  to: Write[],
  { key, high, low }: Fingerprinted,
  before: Found | undefined,
  value: Uint8Array | undefined,
  preimage: () => Uint8Array,
): void {
  if (before === undefined) {
    if (value !== undefined)
      to.push({ key, high, low, before, value, preimage: preimage(), next: undefined });
  } else if (value === undefined || !hasValue(before.op, value)) {
    to.push({ key, high, low, before, value, preimage: undefined, next: undefined });
  }
}

function recordOf({ nonce, balance, codeHash }: Account, incarnation: number): StoredAccount {
  return { nonce, balance, codeHash, incarnation };
}

function resolveAccounts(view: View, height: number, changes: StateChanges, to: Resolved): void {
  const keys: Fingerprinted[] = [];
  for (const address of changes.accounts.keys()) keys.push(fingerprinted(view.base, accountKey(address)));
  const found = findKeys(view, keys);
  let i = 0;
  for (const [address, change] of changes.accounts) {
    const at = keys[i] as Fingerprinted;
    const before = found[i++];
    const fresh = before === undefined || change.reset;
    const account =
      change.account === undefined
        ? undefined
        : recordOf(change.account, fresh ? height : incarnationOf(before.op, OP_VALUE));
    to.accounts.set(address, account);
    if (account === undefined || fresh) to.reset.add(address);
    const value = account === undefined ? undefined : encodeAccount(account);
    addWrite(to.writes, at, before, value, () => accountPreimage(address));
  }
}

function resolveSlots(view: View, changes: StateChanges, to: Resolved): void {
  const keys: Fingerprinted[] = [];
  const slots: { readonly address: Address; readonly incarnation: number; readonly slot: Hash }[] = [];
  const values: Uint8Array[] = [];
  for (const [address, { storage }] of changes.accounts) {
    if (storage.size === 0) continue;
    const account = to.accounts.get(address);
    if (account === undefined) continue;
    const { incarnation } = account;
    to.slots.set(address, storage);
    for (const [slot, value] of storage) {
      assert(value.length <= MAX_SLOT_BYTES && value[0] !== 0, "slot values have no leading zeros");
      keys.push(fingerprinted(view.base, slotKey(address, incarnation, slot)));
      slots.push({ address, incarnation, slot });
      values.push(value);
    }
  }
  findKeys(view, keys).forEach((before, i) => {
    const { address, incarnation, slot } = slots[i] as (typeof slots)[number];
    const value = values[i] as Uint8Array;
    addWrite(to.writes, keys[i] as Fingerprinted, before, value.length === 0 ? undefined : value, () =>
      slotPreimage(address, incarnation, slot),
    );
  });
}

function resolve(view: View, height: number, changes: StateChanges): Resolved {
  const resolved: Resolved = { accounts: new Map(), slots: new Map(), reset: new Set(), writes: [] };
  resolveAccounts(view, height, changes, resolved);
  resolveSlots(view, changes, resolved);
  return resolved;
}

/** Appends one op per changed key; `marks` follows. */
function emit(to: Appender, marks: BitPatch, linked: readonly Write[]): void {
  for (const write of linked) {
    const { before, value, next } = write;
    const prev = before?.sn ?? NONE;
    if (before !== undefined) marks.clear(before.sn);
    if (value === undefined) {
      to.del(write, prev);
      continue;
    }
    marks.set(to.end);
    if (next !== undefined) to.put(write, next, 0, value, prev);
    else if (before !== undefined) to.put(write, before.op, OP_NEXT, value, prev);
    else assert(false, "a key that comes into being has a next key");
  }
}

/** Advances the floor: re-appends its oldest live ops while the log is more than twice the live set. */
function raiseFloor(view: View, to: Appender, marks: BitPatch, live: number): number {
  const { fingerprint, fingerprintOut } = view.base;
  let budget = to.count + 1;
  let floor = view.tree.extent.floorSN;
  for (;;) {
    floor = marks.nextLive(floor, to.start);
    if (budget === 0 || floor === to.start || to.end - floor <= 2 * live) return floor;
    const op = walkOp(view, floor);
    fingerprint(op, OP_KEY);
    marks.clear(floor);
    marks.set(to.end);
    to.move(op, fingerprintOut[0] as number, fingerprintOut[1] as number, floor);
    floor++;
    budget--;
  }
}

interface Appended {
  readonly run: OpRun;
  readonly patch: TreePatch;
  readonly created: CreatedKey[];
  readonly deleted: Uint8Array[];
}

function append(view: View, linked: readonly Write[], height: number): Appended {
  const { nextSN, live: liveBefore } = view.tree.extent;
  // Each op may be followed by one that is moved, and one more.
  const most = linked.length * 2 + 1;
  const to = new Appender(nextSN, height, linked.length);
  const marks = new BitPatch(view.tree, nextSN + most, linked.length);
  emit(to, marks, linked);
  const created: CreatedKey[] = [];
  const deleted: Uint8Array[] = [];
  for (const { key, before, value, preimage } of linked) {
    if (before === undefined && preimage !== undefined) created.push({ key, preimage });
    if (value === undefined) deleted.push(key);
  }
  // The sentinel comes into being without a preimage.
  const live = liveBefore + linked.filter(({ before }) => before === undefined).length - deleted.length;
  const floorSN = raiseFloor(view, to, marks, live);
  const run = to.finish();
  const patch = buildPatch(view.tree, run, marks, { nextSN: to.end, floorSN, live });
  return { run, patch, created, deleted };
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
    return { ...common, ...nothing, root, table: new Int32Array(0) };
  }
  const appended = append(view, linked, height);
  return { ...common, ...appended, root: appended.patch.root, table: buildTable(appended.run) };
}
