// Inputs of the next block of a local chain, kept durably until that block holds them, and visible to readers at
// once. What each input means is in inputs.ts; that it is applied is the executor's business.
import type { StateInput } from "#execution/types.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import type { Notes, StateDb, StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import type { Address, Hash, Height } from "#types/ids.ts";
import { type BlockInputs, decodeInputs, encodeInputs, isEmptyInputs, MAX_STATE_INPUTS } from "./inputs.ts";
import { changesOfInputs, overlayReader } from "./overlay.ts";

export interface PendingInputs {
  /** Inputs of the block at `height`; undefined unless it is the next one and something is set. */
  for(height: Height): BlockInputs | undefined;
  /** Adds a state write; durable when it returns. Throws NOT_DEV or TOO_MANY_INPUTS. */
  write(input: StateInput): void;
  /** Sets or (with undefined) unsets header fields; durable when it returns. Throws NOT_DEV. */
  set(fields: HeaderInputs): void;
  /** What readers of `latest` see above the committed state; undefined without state writes. */
  changes(): StateChanges | undefined;
  /** The committed state with those changes. */
  latest(): StateReader;
  /** Drops everything that waits. */
  clear(): void;
}

/** Header fields that can be set by hand. */
export type HeaderInputs = {
  readonly [K in Exclude<keyof BlockInputs, "state">]?: BlockInputs[K] | undefined;
};

/** Notes: for which height the set is, with its header fields; and each state write, by its number in the set. */
const SET_NOTE = "waiting-inputs";
const WRITE_NOTES = `${SET_NOTE}/`;
const NONE: BlockInputs = { state: [] };
const MAX_NOTE_BYTES = 0xffff_ffff;

/** What waits for the block at one height. */
interface Waiting {
  readonly height: number;
  fields: BlockInputs;
  /** One note each: a write costs the same however many wait. */
  readonly writes: StateInput[];
  /** All of it, one input for each account, once somebody has asked. */
  merged: BlockInputs | undefined;
}

function mergeWrites(writes: readonly StateInput[]): readonly StateInput[] {
  const merged = new Map<Address, StateInput>();
  const storages = new Map<Address, Map<Hash, Uint8Array>>();
  for (const input of writes) {
    const { address } = input;
    if (input.storage !== undefined) {
      const storage = storages.get(address) ?? new Map<Hash, Uint8Array>();
      for (const [slot, value] of input.storage) storage.set(slot, value);
      storages.set(address, storage);
    }
    const storage = storages.get(address);
    merged.set(address, { ...merged.get(address), ...input, ...(storage !== undefined && { storage }) });
  }
  return [...merged.values()];
}

function readWrites(notes: Notes): StateInput[] {
  const writes: StateInput[] = [];
  for (let note = notes.get(`${WRITE_NOTES}0`); note !== undefined; ) {
    writes.push(...decodeInputs(note).state);
    note = notes.get(`${WRITE_NOTES}${writes.length}`);
  }
  return writes;
}

/** What is noted for the block at `height`. */
function readWaiting(notes: Notes, height: number): Waiting | undefined {
  const note = notes.get(SET_NOTE);
  if (note === undefined) return undefined;
  const reader = new Reader(note);
  const noted = reader.u64();
  const fields = decodeInputs(reader.bytes(MAX_NOTE_BYTES));
  reader.end();
  if (noted !== height) return undefined;
  return { height, fields, writes: readWrites(notes), merged: undefined };
}

function withoutUndefined(inputs: BlockInputs, fields: HeaderInputs): BlockInputs {
  const merged = { ...inputs, ...fields };
  return Object.fromEntries(
    Object.entries(merged).filter(([, value]) => value !== undefined),
  ) as unknown as BlockInputs;
}

/** Throws NOT_DEV unless the genesis says dev. */
export function assertDev(dev: boolean): void {
  if (dev) return;
  throw new KoraError("the state of this chain is written by transactions alone", {
    code: "NOT_DEV",
    why: "its genesis is not that of a local development chain",
  });
}

/** The inputs that wait in `state`'s notes. `dev`: what the genesis says; `onChange`: what is visible has changed. */
export function createPendingInputs(state: StateDb, dev: boolean, onChange: () => void): PendingInputs {
  const { notes } = state;
  let waiting = readWaiting(notes, state.head().height + 1);
  let overlay: { readonly of: BlockInputs; readonly changes: StateChanges } | undefined;

  /** The set for the next block, if there is one. */
  const held = (): Waiting | undefined => (waiting?.height === state.head().height + 1 ? waiting : undefined);

  const current = (): BlockInputs | undefined => {
    const set = held();
    if (set === undefined || (set.writes.length === 0 && isEmptyInputs(set.fields))) return undefined;
    set.merged ??= { ...set.fields, state: mergeWrites(set.writes) };
    return set.merged;
  };

  const keepFields = (height: number, fields: BlockInputs): void =>
    notes.set(SET_NOTE, new Writer().u64(height).bytes(encodeInputs(fields)).finish());

  /** An empty set for the next block; writes of the one before go first, so that they are never taken for its own. */
  const begin = (): Waiting => {
    const height = state.head().height + 1;
    notes.together(() => {
      notes.removeAll(WRITE_NOTES);
      keepFields(height, NONE);
    });
    waiting = { height, fields: NONE, writes: [], merged: undefined };
    return waiting;
  };

  const changes = (): StateChanges | undefined => {
    const inputs = current();
    if (inputs === undefined || inputs.state.length === 0) return undefined;
    if (overlay?.of !== inputs) {
      overlay = { of: inputs, changes: changesOfInputs(state.latest(), inputs.state) };
    }
    return overlay.changes;
  };

  return {
    for: (height) => (waiting?.height === height ? current() : undefined),
    write(input) {
      assertDev(dev);
      const set = held() ?? begin();
      if (set.writes.length >= MAX_STATE_INPUTS) {
        throw new KoraError(`more than ${MAX_STATE_INPUTS} writes before one block`, {
          code: "TOO_MANY_INPUTS",
          hint: "mine a block",
        });
      }
      notes.set(`${WRITE_NOTES}${set.writes.length}`, encodeInputs({ state: [input] }));
      set.writes.push(input);
      set.merged = undefined;
      onChange();
    },
    set(fields) {
      assertDev(dev);
      const set = held() ?? begin();
      const merged = withoutUndefined(set.fields, fields);
      keepFields(set.height, merged);
      set.fields = merged;
      set.merged = undefined;
      onChange();
    },
    changes,
    latest() {
      const above = changes();
      return above === undefined ? state.latest() : overlayReader(state.latest(), above);
    },
    clear() {
      assertDev(dev);
      // Also a set of another height, which a rollback would make the next one's.
      if (notes.get(SET_NOTE) !== undefined) begin();
      onChange();
    },
  };
}
