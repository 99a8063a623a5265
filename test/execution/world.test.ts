// The journaled World against a naive model that copies everything at each checkpoint, and what its change set says.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { World } from "#execution/world.ts";
import { EMPTY_BYTES, toHex } from "#lib/bytes.ts";
import { type Address, address, type Hash, hash } from "#types/ids.ts";
import { type MemoryState, memoryState, type PlainAccount } from "../support/memory-state.ts";

const ADDRESSES = [1, 2, 3, 4].map((n) => address(`0x${String(n).repeat(40)}`));
const SLOTS = [0, 1, 2].map((n) => hash(`0x${String(n).repeat(64)}`));
const CODES = [EMPTY_BYTES, Uint8Array.of(1), Uint8Array.of(2, 3)];

interface Model {
  accounts: Map<
    Address,
    { nonce: bigint; balance: bigint; code: Uint8Array; storage: Map<Hash, Uint8Array> }
  >;
  warm: Set<string>;
}

const copyModel = (model: Model): Model => ({
  accounts: new Map(
    Array.from(model.accounts, ([at, account]) => [at, { ...account, storage: new Map(account.storage) }]),
  ),
  warm: new Set(model.warm),
});

type Step =
  | { kind: "balance" | "nonce" | "code" | "remove" | "warm"; at: number; value: number }
  | { kind: "storage" | "warmSlot"; at: number; slot: number; value: number }
  | { kind: "checkpoint" | "revert" | "commit" | "transaction" };

type Value<A> = A extends fc.Arbitrary<infer V> ? V : never;

const at = fc.nat(ADDRESSES.length - 1);
const slot = fc.nat(SLOTS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom("balance", "nonce", "code", "warm"), at, value: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove"), at, value: fc.constant(0) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom("storage", "warmSlot"), at, slot, value: fc.nat(2) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("checkpoint", "revert", "commit") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("transaction") }) },
) as fc.Arbitrary<Step>;

const initial = fc.array(
  fc.record({
    at,
    balance: fc.nat(3),
    code: fc.nat(2),
    slots: fc.array(fc.tuple(slot, fc.integer({ min: 1, max: 3 }))),
  }),
  { maxLength: 4 },
);

function startState(accounts: Value<typeof initial>): [Address, PlainAccount][] {
  return accounts.map(({ at: index, balance, code, slots }) => [
    ADDRESSES[index]!,
    {
      nonce: 0n,
      balance: BigInt(balance),
      code: CODES[code]!,
      storage: new Map(slots.map(([key, value]) => [SLOTS[key]!, Uint8Array.of(value)])),
    },
  ]);
}

const valueBytes = (value: number): Uint8Array => (value === 0 ? EMPTY_BYTES : Uint8Array.of(value));

/** Runs the same steps on both; checkpoints that a transaction leaves open end with it. */
function play(state: MemoryState, steps: readonly Step[]): { world: World; model: Model } {
  const world = new World(state);
  let model: Model = { accounts: state.dump() as Model["accounts"], warm: new Set() };
  const open: { mark: number; saved: Model }[] = [];
  world.begin();
  for (const item of steps) {
    switch (item.kind) {
      case "checkpoint":
        open.push({ mark: world.checkpoint(), saved: copyModel(model) });
        break;
      case "commit":
        open.pop();
        break;
      case "revert": {
        const last = open.pop();
        if (last === undefined) break;
        world.revert(last.mark);
        model = last.saved;
        break;
      }
      case "transaction":
        open.length = 0;
        world.begin();
        model.warm.clear();
        break;
      default:
        change(world, model, item);
    }
  }
  return { world, model };
}

function change(world: World, model: Model, item: Extract<Step, { at: number }>): void {
  const target = ADDRESSES[item.at]!;
  const entry = world.entry(target);
  if (item.kind === "warm") {
    world.warm(target);
    model.warm.add(target);
    return;
  }
  if (item.kind === "warmSlot") {
    world.warmSlot(target, SLOTS[item.slot]!);
    model.warm.add(target).add(`${target} ${SLOTS[item.slot]}`);
    return;
  }
  if (item.kind === "remove") {
    // Removing ends an account's part in a transaction; warm slots of it are not asked for afterwards.
    world.remove(entry);
    model.accounts.delete(target);
    for (const key of SLOTS) model.warm.delete(`${target} ${key}`);
    return;
  }
  const known = model.accounts.get(target) ?? {
    nonce: 0n,
    balance: 0n,
    code: EMPTY_BYTES,
    storage: new Map(),
  };
  model.accounts.set(target, known);
  if (item.kind === "balance") {
    world.setBalance(entry, BigInt(item.value));
    known.balance = BigInt(item.value);
  } else if (item.kind === "nonce") {
    world.setNonce(entry, BigInt(item.value));
    known.nonce = BigInt(item.value);
  } else if (item.kind === "code") {
    world.setCode(entry, CODES[item.value]!);
    known.code = CODES[item.value]!;
  } else if (item.kind === "storage") {
    // Only existing accounts have storage: writing to one makes it exist first.
    world.setBalance(entry, entry.balance);
    world.setStorage(entry, SLOTS[item.slot]!, valueBytes(item.value));
    if (item.value === 0) known.storage.delete(SLOTS[item.slot]!);
    else known.storage.set(SLOTS[item.slot]!, valueBytes(item.value));
  }
}

function describeAll(accounts: ReadonlyMap<Address, PlainAccount>): string[] {
  return Array.from(accounts, ([where, { nonce, balance, code, storage }]) => {
    const slots = Array.from(storage, ([key, value]) => `${key}=${toHex(value)}`).sort();
    return `${where} ${nonce} ${balance} ${toHex(code)} ${slots.join()}`;
  }).sort();
}

describe("World", () => {
  test("reads, reverts and warm sets agree with a model that copies at each checkpoint", () => {
    fc.assert(
      fc.property(initial, fc.array(step, { maxLength: 60, size: "max" }), (accounts, steps) => {
        const { world, model } = play(memoryState(startState(accounts)), steps);
        for (const target of ADDRESSES) {
          const entry = world.entry(target);
          const expected = model.accounts.get(target);
          expect(entry.exists).toBe(expected !== undefined);
          expect([entry.nonce, entry.balance]).toEqual([expected?.nonce ?? 0n, expected?.balance ?? 0n]);
          expect(world.code(entry)).toEqual(expected?.code ?? EMPTY_BYTES);
          expect(world.isWarm(target)).toBe(model.warm.has(target));
          for (const key of SLOTS) {
            expect(world.storage(entry, key)).toEqual(expected?.storage.get(key) ?? EMPTY_BYTES);
            expect(world.isWarmSlot(target, key)).toBe(model.warm.has(`${target} ${key}`));
          }
        }
      }),
      { numRuns: 1000, verbose: 1 },
    );
  });

  test("the change set, applied to the state it was made on, gives what the model holds", () => {
    fc.assert(
      fc.property(initial, fc.array(step, { maxLength: 60, size: "max" }), (accounts, steps) => {
        const state = memoryState(startState(accounts));
        const { world, model } = play(state, steps);
        state.apply(world.changes());
        expect(describeAll(state.dump())).toEqual(describeAll(model.accounts));
      }),
      { numRuns: 1000, verbose: 1 },
    );
  });

  test("the change set is the same whatever the order in which accounts and slots were written", () => {
    const write = fc.record({ at, slot, value: fc.nat(3), balance: fc.nat(3) });
    const distinct = fc.uniqueArray(write, { selector: (item) => `${item.at} ${item.slot}`, maxLength: 12 });
    fc.assert(
      fc.property(initial, distinct, fc.infiniteStream(fc.nat()), (accounts, writes, random) => {
        const perform = (order: readonly Value<typeof write>[]): string[] => {
          const world = new World(memoryState(startState(accounts)));
          for (const item of order) {
            world.begin();
            const entry = world.entry(ADDRESSES[item.at]!);
            world.setBalance(entry, BigInt(item.at));
            world.setStorage(entry, SLOTS[item.slot]!, valueBytes(item.value));
          }
          return Array.from(world.changes().accounts, ([where, { account, reset, storage }]) => {
            const slots = Array.from(storage, ([key, value]) => `${key}=${toHex(value)}`).sort();
            return `${where} ${account?.balance} ${reset} ${slots.join()}`;
          }).sort();
        };
        const keyed = writes.map((item) => ({ item, key: random.next().value as number }));
        const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
        expect(perform(shuffled)).toEqual(perform(writes));
      }),
      { numRuns: 500, verbose: 1 },
    );
  });

  test("writes that leave things as they were, and accounts that came and went, are no changes", () => {
    const [kept, brief] = [ADDRESSES[0]!, ADDRESSES[1]!];
    const storage = new Map([[SLOTS[0]!, Uint8Array.of(9)]]);
    const world = new World(memoryState([[kept, { nonce: 1n, balance: 5n, code: EMPTY_BYTES, storage }]]));
    world.begin();
    world.setBalance(world.entry(kept), 6n);
    world.setStorage(world.entry(kept), SLOTS[0]!, EMPTY_BYTES);
    world.setBalance(world.entry(brief), 1n);
    world.begin();
    world.setBalance(world.entry(kept), 5n);
    world.setStorage(world.entry(kept), SLOTS[0]!, Uint8Array.of(9));
    world.remove(world.entry(brief));
    expect(world.changes().accounts.size).toBe(0);
  });

  test("a removed and re-created account is reset and carries only its new storage and code", () => {
    const target = ADDRESSES[0]!;
    const storage = new Map([[SLOTS[0]!, Uint8Array.of(9)]]);
    const state = memoryState([[target, { nonce: 1n, balance: 5n, code: CODES[1]!, storage }]]);
    const world = new World(state);
    world.begin();
    world.remove(world.entry(target));
    world.begin();
    world.setCode(world.entry(target), CODES[2]!);
    world.setStorage(world.entry(target), SLOTS[1]!, Uint8Array.of(4));
    const { accounts, code } = world.changes();
    const changed = accounts.get(target);
    expect(changed?.reset).toBe(true);
    expect([...(changed?.storage ?? [])]).toEqual([[SLOTS[1]!, Uint8Array.of(4)]]);
    expect([...code.values()]).toEqual([CODES[2]!]);
  });

  test("EIP-161: what a transaction touched and left empty goes; RIPEMD-160 stays touched through a revert", () => {
    const ripemd = address(`0x${"03".padStart(40, "0")}`);
    const empty: PlainAccount = { nonce: 0n, balance: 0n, code: EMPTY_BYTES, storage: new Map() };
    const state = memoryState([
      [ADDRESSES[0]!, empty],
      [ADDRESSES[1]!, empty],
      [ADDRESSES[2]!, empty],
      [ripemd, empty],
    ]);
    const world = new World(state);
    world.begin();
    world.touch(world.entry(ADDRESSES[0]!));
    const mark = world.checkpoint();
    world.touch(world.entry(ADDRESSES[1]!));
    world.touch(world.entry(ripemd));
    world.revert(mark);
    world.removeEmptyTouched();
    state.apply(world.changes());
    expect([...state.dump().keys()]).toEqual([ADDRESSES[1]!, ADDRESSES[2]!]);
  });
});
