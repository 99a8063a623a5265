// Inputs of the next block of a local chain, kept durably until that block holds them, and visible to readers at
// once. What each input means is in inputs.ts; that it is applied is the executor's business.
import type { StateInput } from "#execution/types.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { KoraError } from "#lib/error.ts";
import type { StateDb, StateReader } from "#state/types.ts";
import type { StateChanges } from "#types/account.ts";
import type { Height } from "#types/ids.ts";
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

const NOTE = "pending-inputs";
const NONE: BlockInputs = { state: [] };
const MAX_NOTE_BYTES = 0xffff_ffff;

function mergeInput(inputs: readonly StateInput[], input: StateInput): readonly StateInput[] {
  const index = inputs.findIndex(({ address }) => address === input.address);
  if (index === -1) return [...inputs, input];
  const before = inputs[index] as StateInput;
  const storage = new Map([...(before.storage ?? []), ...(input.storage ?? [])]);
  const merged = { ...before, ...input, ...(storage.size > 0 && { storage }) };
  return inputs.with(index, merged);
}

interface Waiting {
  readonly height: number;
  readonly inputs: BlockInputs;
}

function readNote(bytes: Uint8Array | undefined): Waiting | undefined {
  if (bytes === undefined) return undefined;
  const reader = new Reader(bytes);
  const height = reader.u64();
  const inputs = decodeInputs(reader.bytes(MAX_NOTE_BYTES));
  reader.end();
  return { height, inputs };
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
  let waiting = readNote(state.notes.get(NOTE));
  let overlay: { readonly of: BlockInputs; readonly changes: StateChanges } | undefined;

  const current = (): BlockInputs | undefined =>
    waiting !== undefined && waiting.height === state.head().height + 1 ? waiting.inputs : undefined;

  const store = (inputs: BlockInputs): void => {
    assertDev(dev);
    const height = state.head().height + 1;
    const empty = isEmptyInputs(inputs);
    const note = empty ? undefined : new Writer().u64(height).bytes(encodeInputs(inputs)).finish();
    state.notes.set(NOTE, note);
    waiting = empty ? undefined : { height, inputs };
    onChange();
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
      const inputs = current() ?? NONE;
      const merged = mergeInput(inputs.state, input);
      if (merged.length > MAX_STATE_INPUTS) {
        throw new KoraError(`more than ${MAX_STATE_INPUTS} accounts written before one block`, {
          code: "TOO_MANY_INPUTS",
          hint: "mine a block",
        });
      }
      store({ ...inputs, state: merged });
    },
    set: (fields) => store(withoutUndefined(current() ?? NONE, fields)),
    changes,
    latest() {
      const above = changes();
      return above === undefined ? state.latest() : overlayReader(state.latest(), above);
    },
    clear: () => store(NONE),
  };
}
