// Inputs from outside transactions: inputs of the next block, visible at once, under its root, stored with it, and
// nowhere but on a chain whose genesis says dev.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type BlockInputs, decodeInputs, encodeInputs } from "#chain/inputs.ts";
import { overlayReader } from "#chain/overlay.ts";
import { createPendingInputs } from "#chain/pending-inputs.ts";
import type { StateInput } from "#execution/types.ts";
import { trimLeft } from "#lib/bytes.ts";
import type { AccountChange, StateChanges } from "#types/account.ts";
import { address, EMPTY_CODE_HASH, hash, height } from "#types/ids.ts";
import { openTestChain, testAddress, testGenesis, transfer } from "../support/chain.ts";
import { testChains } from "../support/lifetimes.ts";
import { memoryState } from "../support/memory-state.ts";

const { open: chain } = testChains();

const SLOT = hash(`0x${"01".padStart(64, "0")}`);
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(hash);
const bytes20 = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(address);
const stateInput = fc
  .record(
    {
      address: bytes20,
      balance: fc.bigInt(0n, 2n ** 256n - 1n),
      nonce: fc.bigInt(0n, 2n ** 64n - 1n),
      code: fc.uint8Array({ maxLength: 40 }),
      storage: fc
        .array(fc.tuple(bytes32, fc.uint8Array({ maxLength: 32 }).map(trimLeft)), {
          minLength: 1,
          maxLength: 3,
        })
        .map((slots) => new Map(slots)),
    },
    { requiredKeys: ["address"] },
  )
  .map((input) => input as StateInput);
const inputs = fc
  .record(
    {
      state: fc.array(stateInput, { maxLength: 4 }),
      timestamp: fc.nat(),
      prevRandao: bytes32,
      coinbase: bytes20,
      baseFeePerGas: fc.bigInt(0n, 2n ** 200n),
      gasLimit: fc.bigInt(0n, 2n ** 63n),
    },
    { requiredKeys: ["state"] },
  )
  .map((value) => value as BlockInputs);

test("inputs survive their encoding, and no cut of it is taken for inputs", () => {
  fc.assert(
    fc.property(inputs, fc.nat(), (value, cut) => {
      const encoded = encodeInputs(value);
      expect(decodeInputs(encoded)).toEqual(value);
      expect(() => decodeInputs(encoded.slice(0, cut % encoded.length))).toThrow();
    }),
  );
});

test("a write is visible at once, becomes part of the next block, and earlier heights never show it", async () => {
  const node = chain();
  await node.produce();
  const at = testAddress(40);
  node.inputs.write({ address: at, balance: 7n });
  node.inputs.write({ address: at, nonce: 3n, storage: new Map([[SLOT, Uint8Array.of(9)]]) });
  expect(node.inputs.latest().account(at)).toEqual({ balance: 7n, nonce: 3n, codeHash: EMPTY_CODE_HASH });
  expect(node.inputs.latest().storage(at, SLOT)).toEqual(Uint8Array.of(9));
  expect(node.state.latest().account(at)).toBeUndefined();

  const block = await node.produce();
  expect(node.state.latest().account(at)).toMatchObject({ balance: 7n, nonce: 3n });
  expect(node.state.at(height(1)).account(at)).toBeUndefined();
  expect(node.inputs.changes()).toBeUndefined();
  const stored = decodeInputs(node.state.archive.block(block.header.number)!.inputs!);
  expect(stored.state.length).toBe(1);

  // A second node needs the stored inputs to reproduce the block, and then does.
  const blind = chain();
  const first = node.history.block(height(1))!;
  for (const each of [first, block]) {
    const { seed } = node.state.archive.block(each.header.number)!;
    blind.application.seed(each, seed!);
  }
  expect((await blind.application.verify(first)).kind).toBe("valid");
  await blind.application.finalize(first.hash, { certificate: undefined, seed: undefined });
  expect(await blind.application.verify(block)).toMatchObject({ kind: "invalid" });
  for (const input of stored.state) blind.inputs.write(input);
  expect(await blind.application.verify(block)).toEqual({ kind: "valid", digest: block.hash });
});

test("a funded account can send at once", async () => {
  const node = chain();
  const poor = 30;
  expect((await node.service.submitTx(transfer({ from: poor, nonce: 0 }).raw)).kind).toBe("rejected");
  node.inputs.write({ address: testAddress(poor), balance: 10n ** 18n });
  expect((await node.service.submitTx(transfer({ from: poor, nonce: 0 }).raw)).kind).toBe("accepted");
  const block = await node.produce();
  expect(block.transactions.length).toBe(1);
});

test("waiting inputs survive a restart, and are not applied twice", async () => {
  const node = chain();
  node.inputs.write({ address: testAddress(40), balance: 5n });
  const again = openTestChain({ state: node.state });
  expect(again.inputs.latest().account(testAddress(40))?.balance).toBe(5n);
  await again.produce();
  await again.service.submitTx(transfer({ from: 0, nonce: 0, to: testAddress(40), value: 1n }).raw);
  await again.produce();
  expect(again.state.latest().account(testAddress(40))?.balance).toBe(6n);
  const third = openTestChain({ state: node.state });
  expect(third.inputs.changes()).toBeUndefined();
});

test("many writes cost the same each, are one input an account, and none of an earlier set comes back", async () => {
  const node = chain();
  const at = testAddress(40);
  const slot = (n: number) => hash(`0x${n.toString(16).padStart(64, "0")}`);
  const reopened = () => openTestChain({ state: node.state }).inputs;
  const noted: number[] = [];
  const counting = {
    ...node.state.notes,
    set: (_: string, value?: Uint8Array) => void noted.push(value!.length),
  };
  const counted = createPendingInputs(
    { notes: counting, head: () => node.state.head() } as never,
    true,
    () => {},
  );
  for (let n = 0; n < 300; n++) {
    const input = { address: at, storage: new Map([[slot(n % 200), Uint8Array.of(1 + (n % 7))]]) };
    counted.write(input);
    node.inputs.write(input);
  }
  // The first one begins a set; each of the others is as long as the second.
  expect(new Set(noted.slice(2))).toEqual(new Set([noted[2]!]));
  node.inputs.write({ address: at, balance: 8n });
  const { state } = node.inputs.for(height(1))!;
  expect(state.length).toBe(1);
  expect(state[0]!.storage!.size).toBe(200);
  expect(reopened().for(height(1))).toEqual(node.inputs.for(height(1))!);
  expect(reopened().latest().storage(at, slot(199))).toEqual(Uint8Array.of(1 + (199 % 7)));
  expect(reopened().latest().storage(at, slot(99))).toEqual(Uint8Array.of(1 + (299 % 7)));
  // Cleared, and written anew for the same height: what was beyond that is gone for good.
  node.inputs.clear();
  expect(reopened().changes()).toBeUndefined();
  node.inputs.write({ address: at, balance: 9n });
  expect(reopened().for(height(1))).toEqual({ state: [{ address: at, balance: 9n }] });
  await node.produce();
  node.inputs.set({ timestamp: 70_000 });
  expect(reopened().for(height(2))).toEqual({ state: [], timestamp: 70_000 });
});

test("a set is cleared as a whole or not at all, and one of an old block stays away after a rollback", async () => {
  const node = chain();
  const at = testAddress(40);
  const { notes } = node.state;
  const reopened = () => openTestChain({ state: node.state });
  node.inputs.write({ address: at, balance: 5n });
  node.inputs.set({ timestamp: 70_000 });
  const waiting = node.inputs.for(height(1))!;
  const breaking = {
    ...notes,
    set: () => {
      throw new Error("killed");
    },
  };
  const broken = createPendingInputs(
    { notes: breaking, head: () => node.state.head() } as never,
    true,
    () => {},
  );
  expect(broken.clear).toThrow("killed");
  expect(reopened().inputs.for(height(1))).toEqual(waiting);
  await node.produce();
  expect(reopened().inputs.for(height(1))).toBeUndefined();
  await reopened().rollback(height(0));
  expect(reopened().inputs.for(height(1))).toBeUndefined();
});

test("header fields set by hand hold for one block and then the rules hold again", async () => {
  const node = chain();
  const randao = hash(`0x${"ab".repeat(32)}`);
  const coinbase = testAddress(77);
  node.inputs.set({
    timestamp: 50_000,
    prevRandao: randao,
    coinbase,
    baseFeePerGas: 123n,
    gasLimit: 99_000_000n,
  });
  node.inputs.set({ coinbase: undefined });
  const block = await node.produce();
  expect(block.header).toMatchObject({
    timestamp: 50_000,
    mixHash: randao,
    baseFeePerGas: 123n,
    gasLimit: 99_000_000n,
  });
  expect(block.header.coinbase).not.toBe(coinbase);
  const next = await node.produce();
  expect(next.header.mixHash).not.toBe(randao);
  expect(next.header.timestamp).toBe(50_001);
  expect(next.header.gasLimit).toBeLessThan(99_000_000n);
});

test("a chain that is not dev takes no inputs", () => {
  const node = chain({ genesis: testGenesis(1, { dev: false }) });
  expect(() => node.inputs.write({ address: testAddress(0), balance: 1n })).toThrow("transactions alone");
  expect(() => node.inputs.set({ timestamp: 5 })).toThrow("transactions alone");
});

const accountChange = fc.record({
  account: fc.option(
    fc.record({
      nonce: fc.bigInt(0n, 9n),
      balance: fc.bigInt(1n, 9n),
      codeHash: fc.constant(EMPTY_CODE_HASH),
    }),
    { nil: undefined },
  ),
  reset: fc.boolean(),
  storage: fc
    .array(
      fc.tuple(
        fc.nat(3).map((n) => hash(`0x${n.toString(16).padStart(64, "0")}`)),
        fc.nat(3),
      ),
    )
    .map(
      (slots) => new Map(slots.map(([slot, n]) => [slot, n === 0 ? new Uint8Array(0) : Uint8Array.of(n)])),
    ),
});
const changes = fc.array(fc.tuple(fc.nat(2), accountChange), { maxLength: 3 }).map((list): StateChanges => {
  const accounts = new Map<ReturnType<typeof testAddress>, AccountChange>();
  for (const [index, change] of list) {
    // An absent account has no storage.
    const storage = change.account === undefined ? new Map() : change.storage;
    accounts.set(testAddress(index), {
      ...change,
      storage,
      reset: change.reset || change.account === undefined,
    });
  }
  return { accounts, code: new Map() };
});

test("reading through a change set equals applying it", () => {
  fc.assert(
    fc.property(changes, changes, (ground, above) => {
      const base = memoryState();
      base.apply(ground);
      const overlaid = overlayReader(base, above);
      const applied = memoryState();
      applied.apply(ground);
      applied.apply(above);
      for (let index = 0; index < 3; index++) {
        const at = testAddress(index);
        expect(overlaid.account(at)).toEqual(applied.account(at)!);
        if (applied.hasStorage(at)) expect(overlaid.hasStorage(at)).toBe(true);
        if (applied.account(at) === undefined) expect(overlaid.hasStorage(at)).toBe(false);
        for (let n = 0; n < 4; n++) {
          const slot = hash(`0x${n.toString(16).padStart(64, "0")}`);
          expect(overlaid.storage(at, slot)).toEqual(applied.storage(at, slot));
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
