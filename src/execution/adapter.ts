// Shows a World to the EVM library as the state manager and the journal it expects. One adapter serves one EVM for
// its whole life; `attach` points both to the World of the block or call at hand.
import type { EVM } from "@ethereumjs/evm";
import { Account, KECCAK256_NULL, KECCAK256_RLP, Address as LibraryAddress } from "@ethereumjs/util";
import { assert } from "#lib/assert.ts";
import { fromHex, padLeft, trimLeft } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, bytesOf, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";
import type { Entry, World } from "./world.ts";

type StateManager = EVM["stateManager"];
type Journal = EVM["journal"];

/** Stands for "some storage": the library only compares it with the root of an empty trie (EIP-7610). */
const NON_EMPTY_ROOT = new Uint8Array(32).fill(1);

function notSupported(what: string): KoraError {
  return new KoraError(`the EVM asked its state for ${what}, which Kora does not offer`, {
    code: "INVARIANT",
  });
}

/** The library's account, with its storage root answered only when asked. */
class AccountView extends Account {
  readonly #world: World;
  readonly #entry: Entry;

  constructor(world: World, entry: Entry) {
    const codeHash = entry.codeHash === EMPTY_CODE_HASH ? KECCAK256_NULL : bytesOf(entry.codeHash);
    super(entry.nonce, entry.balance, KECCAK256_RLP, codeHash);
    this.#world = world;
    this.#entry = entry;
  }

  override get storageRoot(): Uint8Array {
    return this.#world.hasStorage(this.#entry) ? NON_EMPTY_ROOT : KECCAK256_RLP;
  }
}

/** An account as the library's opcodes see it, at this moment. */
export function viewOf(world: World, entry: Entry): Account {
  return new AccountView(world, entry);
}

/** An address that knows how the World calls it. */
class KeyedAddress extends LibraryAddress {
  readonly key: Address;

  constructor(key: Address) {
    super(bytesOf(key));
    this.key = key;
  }
}

/** The library's form of an address. */
export function keyedAddress(key: Address): LibraryAddress {
  return new KeyedAddress(key);
}

/** `0x` and the hex of an address, as the World keys its accounts. */
export function keyOf(target: LibraryAddress): Address {
  return target instanceof KeyedAddress ? target.key : (`0x${target.bytes.toHex()}` as Address);
}

const slotKey = (key: Uint8Array): Hash => `0x${padLeft(key, 32).toHex()}` as Hash;
const addressKey = (bytes: Uint8Array): Address => `0x${bytes.toHex()}` as Address;
const prefixed = (text: string): string => (text.startsWith("0x") ? text : `0x${text}`);

/** The state manager and the journal of one EVM. */
export interface StateAdapter {
  readonly stateManager: StateManager;
  readonly journal: Journal;
  /** The World that is served. */
  readonly world: () => World;
  /** Serves `world` from now on. */
  attach(world: World): void;
}

/** An adapter that serves nothing until `attach`. */
export function createStateAdapter(): StateAdapter {
  let world: World | undefined;
  const checkpoints: number[] = [];
  const current = (): World => {
    assert(world !== undefined, "the EVM runs on an attached world");
    return world;
  };
  const pop = (): number => {
    const checkpoint = checkpoints.pop();
    assert(checkpoint !== undefined, "checkpoints and their ends are balanced");
    return checkpoint;
  };
  const journaling = {
    async checkpoint() {
      checkpoints.push(current().checkpoint());
    },
    async commit() {
      pop();
    },
    async revert() {
      current().revert(pop());
    },
  };
  return {
    stateManager: { ...stateMethods(current), ...journaling },
    journal: { ...journalMethods(current), ...journaling } as unknown as Journal,
    world: current,
    attach(next) {
      world = next;
      checkpoints.length = 0;
    },
  };
}

type StateMethods = Omit<StateManager, "checkpoint" | "commit" | "revert">;

function stateMethods(current: () => World): StateMethods {
  return {
    async getAccount(target) {
      const entry = current().entry(keyOf(target));
      return entry.exists ? viewOf(current(), entry) : undefined;
    },
    async putAccount(target, account) {
      putAccount(current(), target, account);
    },
    async deleteAccount(target) {
      current().remove(current().entry(keyOf(target)));
    },
    async modifyAccountFields(target, fields) {
      const entry = current().entry(keyOf(target));
      assert(fields.codeHash === undefined, "code is set through putCode");
      current().write(entry, fields.nonce ?? entry.nonce, fields.balance ?? entry.balance, entry.codeHash);
    },
    async putCode(target, code) {
      current().setCode(current().entry(keyOf(target)), code);
    },
    async getCode(target) {
      return current().code(current().entry(keyOf(target)));
    },
    async getCodeSize(target) {
      return current().code(current().entry(keyOf(target))).length;
    },
    async getStorage(target, key) {
      return current().storage(current().entry(keyOf(target)), slotKey(key));
    },
    async putStorage(target, key, value) {
      current().setStorage(current().entry(keyOf(target)), slotKey(key), trimLeft(value));
    },
    // Called when a contract is made. That collides with an account that has storage (EIP-7610): there is none to clear.
    async clearStorage(target) {
      current().noteCreation(current().entry(keyOf(target)));
    },
    originalStorageCache: {
      async get(target, key) {
        return current().originalStorage(current().entry(keyOf(target)), slotKey(key));
      },
      clear() {},
    },
    clearCaches() {},
    async getStateRoot() {
      throw notSupported("a state root");
    },
    async setStateRoot() {
      throw notSupported("another state root");
    },
    async hasStateRoot() {
      throw notSupported("a state root");
    },
    shallowCopy() {
      throw notSupported("a copy");
    },
  };
}

function putAccount(world: World, target: LibraryAddress, account: Account | undefined): void {
  const entry = world.entry(keyOf(target));
  if (account === undefined) world.remove(entry);
  else world.write(entry, account.nonce, account.balance, entry.codeHash);
}

/** The part of the library's journal that its EVM calls. */
function journalMethods(current: () => World): Partial<Journal> {
  return {
    async putAccount(target, account) {
      putAccount(current(), target, account);
    },
    async deleteAccount(target) {
      current().remove(current().entry(keyOf(target)));
    },
    isWarmedAddress: (target) => current().isWarm(addressKey(target)),
    addWarmedAddress: (target) => current().warm(addressKey(target)),
    addAlwaysWarmAddress: (target) => current().warm(prefixed(target) as Address),
    addAlwaysWarmSlot: (target, key) =>
      current().warmSlot(prefixed(target) as Address, slotKey(fromHex(prefixed(key)))),
    isWarmedStorage: (target, key) => current().isWarmSlot(addressKey(target), slotKey(key)),
    addWarmedStorage: (target, key) => current().warmSlot(addressKey(target), slotKey(key)),
    async cleanup() {
      current().removeEmptyTouched();
    },
    cleanJournal() {},
  };
}
