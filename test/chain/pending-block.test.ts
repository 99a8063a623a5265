// The pending block against the block that is really built next: same header but for its root, same transactions, same
// state, on the final tip and on certified blocks above it.
import { afterEach, expect, test } from "bun:test";
import fc from "fast-check";
import { positionOf } from "#chain/header-rules.ts";
import { mergeChanges, overlayReader } from "#chain/overlay.ts";
import { executePending, type PendingDraft, type PendingOutcome } from "#chain/pending-block.ts";
import type { ProposalContext } from "#chain/ports.ts";
import { keccak256 } from "#crypto/hash.ts";
import { fromHex, padLeft, utf8 } from "#lib/bytes.ts";
import type { StateReader } from "#state/types.ts";
import type { Account, StateChanges } from "#types/account.ts";
import type { Block } from "#types/block.ts";
import { type Address, address, hash, height, ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import {
  ETHER,
  GWEI,
  openTestChain,
  type TestChain,
  testAddress,
  testGenesis,
  transfer,
} from "../support/chain.ts";

const RUNS = 30;
const PROBE = address(`0x${"c0".repeat(20)}`);
/** Stores word 1 of its input in slot word 0, and the number, time, prevrandao and last hash of the block in others. */
const PROBE_CODE = fromHex("0x602035600035554360ff554260fe554460fd556001430340" + "60fc5500");
/** Ends itself and leaves what it holds to address 1. */
const MORTAL = address(`0x${"de".repeat(20)}`);
const MORTAL_CODE = fromHex("0x6001ff");

const open: TestChain[] = [];
function chain(options: Parameters<typeof openTestChain>[0] = {}): TestChain {
  const made = openTestChain({ genesis: testGenesis(4), gasLimit: 400_000n, ...options });
  open.push(made);
  return made;
}
function closeAll(): void {
  for (const each of open.splice(0)) each.close();
}
afterEach(closeAll);

async function execute(on: TestChain, draft: PendingDraft): Promise<PendingOutcome & { over: StateReader }> {
  const task = draft.task();
  const below =
    task.overlay === undefined ? on.state.latest() : overlayReader(on.state.latest(), task.overlay);
  const hashes = (at: number) =>
    at <= task.base ? on.history.block(height(at))?.hash : task.above[at - task.base - 1];
  const outcome = await executePending({ executor: on.executor, state: below, hashes }, task, () => false);
  const changes = mergeChanges([...(task.overlay === undefined ? [] : [task.overlay]), outcome.changes]);
  return { ...outcome, over: overlayReader(on.state.latest(), changes) };
}

function included(draft: PendingDraft, { included }: PendingOutcome): string[] {
  const { opening, candidates } = draft.task();
  const offered = [...opening, ...candidates];
  return included.map((position) => offered[position]?.hash ?? "none");
}

/** What the EVM sees of an account. */
function account(state: StateReader, at: Address): Account | undefined {
  const found = state.account(at);
  return found && { nonce: found.nonce, balance: found.balance, codeHash: found.codeHash };
}

/** All that anybody touched reads the same. */
function expectSameState(over: StateReader, real: StateReader, changes: readonly StateChanges[]): void {
  for (const { accounts, code } of changes) {
    for (const [at, { storage }] of accounts) {
      expect(over.account(at)).toEqual(account(real, at));
      for (const slot of storage.keys()) expect(over.storage(at, slot)).toEqual(real.storage(at, slot));
    }
    for (const codeHash of code.keys()) expect(over.code(codeHash)).toEqual(real.code(codeHash));
  }
}

const word = (value: number): Uint8Array => padLeft(Uint8Array.of(value), 32);

interface Wish {
  readonly from: number;
  readonly what: "pay" | "pay all" | "store" | "create" | "end" | "burn";
  readonly tip: number;
  readonly n: number;
}
const wish = fc.record<Wish>({
  from: fc.nat(3),
  what: fc.constantFrom("pay", "pay all", "store", "create", "end", "burn"),
  tip: fc.nat(3),
  n: fc.nat(2),
});

/** The transaction of a wish; `burn` asks for most of a block's gas. */
function signedWish({ from, what, tip, n }: Wish, nonce: number): SignedTransaction {
  const common = { from, nonce, tip: BigInt(tip) * GWEI };
  const to = (at: Address, data: Uint8Array, gas = 150_000n) =>
    transfer({ ...common, to: at, gas, data, value: 1n });
  switch (what) {
    case "pay":
      return transfer({ ...common, value: BigInt(n) });
    case "pay all":
      return transfer({ ...common, to: testAddress(n), value: 6_000n * ETHER });
    case "store":
      return to(PROBE, Uint8Array.of(...word(n), ...word(tip)));
    case "create":
      // Runs in the constructor what would be its code: leaves nothing but slots.
      return transfer({ ...common, to: undefined, gas: 200_000n, data: PROBE_CODE });
    case "end":
      return to(MORTAL, new Uint8Array(0));
    case "burn":
      return to(PROBE, Uint8Array.of(...word(n), ...word(1)), 350_000n);
  }
}

function submit(on: TestChain, wishes: readonly Wish[]): void {
  for (const each of wishes) on.pool.add(signedWish(each, Number(on.pool.nextNonce(testAddress(each.from)))));
}

function deploy(on: TestChain): void {
  on.inputs.write({ address: PROBE, code: PROBE_CODE });
  on.inputs.write({
    address: MORTAL,
    code: MORTAL_CODE,
    balance: 5n,
    storage: new Map([[ZERO_HASH, word(7)]]),
  });
}

test("what is pending is what the next block holds and leaves", async () => {
  const blocks = fc.array(fc.array(wish, { maxLength: 10 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(blocks, fc.nat(3), fc.boolean(), async (each, written, byHand) => {
      const on = chain();
      deploy(on);
      for (const wishes of each) {
        submit(on, wishes);
        if (byHand) {
          on.inputs.write({ address: testAddress(written), balance: 3n * ETHER });
          on.inputs.set({ baseFeePerGas: 5n * GWEI });
        }
        const draft = on.pending.begin(0);
        const pending = await execute(on, draft);
        const hashes = included(draft, pending);
        const { root: stateRoot } = on.state.prepare(undefined, draft.header.number, pending.changes);
        const block = await on.produce();
        expect({ ...pending.header, stateRoot }).toEqual(block.header);
        expect(hashes).toEqual(block.transactions.map(({ hash }) => hash));
        expect(pending.gasUsed.reduce((sum, gas) => sum + gas, 0n)).toBe(block.header.gasUsed);
        expectSameState(pending.over, on.state.latest(), [pending.changes]);
      }
      closeAll();
    }),
    { numRuns: RUNS },
  );
}, 60_000);

const seedOf = (block: Block): Uint8Array => keccak256(utf8(`round of ${block.hash}`));

/** The next block on `parent`, as a leader proposes it; its seed known, as certification makes it. */
async function propose(on: TestChain, parent: Pick<Block, "header" | "hash">): Promise<Block> {
  const parentView = positionOf(parent.header).view;
  const context: ProposalContext = {
    epoch: 0,
    view: parentView + 1,
    parentView,
    now: 0,
    expired: () => false,
  };
  const block = await on.application.propose(parent.hash, context);
  if (block === undefined) throw new Error("no block");
  on.application.seed(block, seedOf(block));
  return block;
}

test("above certified blocks it is what would be proposed there", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(wish, { maxLength: 6 }), { minLength: 2, maxLength: 4 }),
      async (each) => {
        const on = chain();
        deploy(on);
        await on.produce();
        let parent: Pick<Block, "header" | "hash"> = on.ledger.tip();
        const changes: StateChanges[] = [];
        for (const [above, wishes] of each.entries()) {
          submit(on, wishes);
          const draft = on.pending.begin(0);
          expect(draft.ancestors.length).toBe(above);
          const pending = await execute(on, draft);
          const block = await propose(on, parent);
          expect({ ...pending.header, stateRoot: block.header.stateRoot }).toEqual(block.header);
          expect(included(draft, pending)).toEqual(block.transactions.map((signed) => signed.hash));
          changes.push(pending.changes);
          const batch = on.ledger.snapshots.get(block.hash)?.batch;
          if (batch === undefined) throw new Error("a proposal is executed");
          expectSameState(pending.over, batch, changes);
          on.ledger.certify(block.hash);
          parent = block;
        }
        await on.application.finalize(parent.hash, { certificate: undefined, seed: undefined });
        expect(on.pending.begin(0).ancestors).toEqual([]);
        expect(on.pending.begin(0).header.parentHash).toBe(parent.hash);
        closeAll();
      },
    ),
    { numRuns: RUNS },
  );
}, 60_000);

test("what was certified and lost, or is not executed here, is not built on", async () => {
  const on = chain();
  const first = await propose(on, on.ledger.tip());
  on.pool.add(transfer({ from: 0, nonce: 0 }));
  const other = await propose(on, on.ledger.tip());
  expect(first.hash).not.toBe(other.hash);
  on.ledger.certify(first.hash);
  expect(on.ledger.certified().map(({ block }) => block.hash)).toEqual([first.hash]);
  on.ledger.snapshots.clear();
  expect(on.ledger.certified()).toEqual([]);
  await on.application.verify(first);
  expect(on.ledger.certified().length).toBe(1);
  await on.application.finalize(other.hash, { certificate: undefined, seed: undefined });
  expect(on.ledger.certified()).toEqual([]);
  on.ledger.certify(first.hash);
  expect(on.ledger.certified()).toEqual([]);
  expect(on.pending.begin(0).header.number as number).toBe(2);
});

test("a bootstrap transaction is pending before block 1, and once", async () => {
  const paid = transfer({ from: 0, nonce: 0, value: 5n });
  const on = chain({ bootstrap: { allocations: new Map(), transactions: [paid.raw] } });
  const draft = on.pending.begin(0);
  expect(included(draft, await execute(on, draft))).toEqual([paid.hash]);
  await on.produce();
  expect(on.pending.begin(0).task().opening).toEqual([]);
});

test("no more is offered than twice what could fit", () => {
  const on = chain({ gasLimit: 42_000n, pool: { accountSlots: 100 } });
  for (let nonce = 0; nonce < 50; nonce++) on.pool.add(transfer({ from: 0, nonce }));
  expect(on.pool.status().pending).toBe(50);
  expect(on.pending.begin(0).task().candidates.length).toBe(4);
});

test("what blocks change together is what they change one after the other", () => {
  const [a, b] = [address(`0x${"0a".repeat(20)}`), address(`0x${"0b".repeat(20)}`)];
  const slots = [1, 2].map((n) => hash(`0x${`0${n}`.repeat(32)}`));
  const change = fc.oneof(
    fc.constant({ account: undefined, reset: true, storage: new Map() }),
    fc
      .record({ balance: fc.bigInt(0n, 9n), reset: fc.boolean(), slot: fc.nat(1), value: fc.nat(2) })
      .map(({ balance, reset, slot, value }) => ({
        account: { nonce: 0n, balance, codeHash: ZERO_HASH },
        reset,
        storage: new Map([
          [slots[slot] ?? ZERO_HASH, value === 0 ? new Uint8Array(0) : Uint8Array.of(value)],
        ]),
      })),
  );
  const block = fc.record({ a: fc.option(change), b: fc.option(change) }).map((each) => ({
    accounts: new Map([...(each.a ? [[a, each.a] as const] : []), ...(each.b ? [[b, each.b] as const] : [])]),
    code: new Map(),
  }));
  const empty: StateReader = {
    account: () => undefined,
    storage: () => new Uint8Array(0),
    code: () => new Uint8Array(0),
    hasStorage: () => false,
  };
  const full: StateReader = { ...empty, storage: () => Uint8Array.of(9), hasStorage: () => true };
  fc.assert(
    fc.property(fc.array(block, { maxLength: 5 }), fc.constantFrom(empty, full), (blocks, base) => {
      const layered = blocks.reduce<StateReader>((below, changes) => overlayReader(below, changes), base);
      const merged = overlayReader(base, mergeChanges(blocks));
      for (const at of [a, b]) {
        expect(merged.account(at)).toEqual(layered.account(at));
        for (const slot of slots) expect(merged.storage(at, slot)).toEqual(layered.storage(at, slot));
      }
    }),
  );
});
