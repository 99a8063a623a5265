// A body as it comes from a peer: its digest is a header's hash, so it counts only with the header's own transactions.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type OpenedBody, openBody, openBodyAhead } from "#chain/body.ts";
import { createOpenedTransactions, type OpenedTransactions } from "#chain/opened.ts";
import { createSenderRecovery, MIN_BATCH, type SenderRecovery } from "#crypto/recovery.ts";
import { orderedTrieRoot } from "#execution/tries.ts";
import { type Block, encodeBlock } from "#types/block.ts";
import { type Hash, hash } from "#types/ids.ts";
import { encodeTransaction, type SignedTransaction } from "#types/transaction.ts";
import { openTestChain, transfer } from "../support/chain.ts";

const chain = openTestChain();
const signed = [0, 1].map((nonce) => transfer({ from: 1, nonce }));
const raws = signed.map(({ raw }) => raw);
let block: Block;
beforeAll(async () => {
  for (const raw of raws) await chain.service.submitTx(raw);
  block = await chain.produce();
});
afterAll(() => chain.close());

const nothing = (): OpenedTransactions => createOpenedTransactions(() => undefined);
const open = (transactions: readonly Uint8Array[]) =>
  openBody(encodeBlock({ header: block.header, transactions }), nothing());

test("a body with its header's transactions opens", () => {
  expect(open(raws)).toEqual({ kind: "opened", block });
});

test.each([
  ["without one", [raws[0]!]],
  ["without any", []],
  ["in another order", raws.toReversed()],
  ["with one more", [...raws, transfer({ from: 2, nonce: 0 }).raw]],
  ["with another", [raws[0]!, transfer({ from: 1, nonce: 1, value: 2n }).raw]],
])("a body %s is none, so that its sender and not the block bears the blame", (_, transactions) => {
  expect(open(transactions)).toEqual({
    kind: "invalid",
    reason: "its transactions are not those of its header",
  });
});

/** A recovery without threads that notes what it was asked. */
function recorder(): { readonly senders: SenderRecovery; readonly asked: Uint8Array[] } {
  const inner = createSenderRecovery({ threads: 0 });
  const asked: Uint8Array[] = [];
  const open: SenderRecovery["open"] = (batch, priority) => {
    expect(priority).toBe("block");
    asked.push(...batch);
    return inner.open(batch, priority);
  };
  return { senders: { ...inner, open }, asked };
}

function bodyWith(transactions: readonly Uint8Array[]): Uint8Array {
  const header = { ...block.header, transactionsRoot: orderedTrieRoot(transactions) };
  return encodeBlock({ header, transactions });
}

test("many unknown senders are found ahead, once each, and the block is the same; few or known ones wait for nothing", async () => {
  const many: SignedTransaction[] = Array.from({ length: 2 * MIN_BATCH }, (_, nonce) =>
    transfer({ from: 1, nonce }),
  );
  const bytes = bodyWith(many.map(({ raw }) => raw));
  const pooled = new Map(many.map((each) => [each.hash, each]));
  const whole = openBody(bytes, nothing());
  expect(whole.kind).toBe("opened");

  const all = recorder();
  const coming = openBodyAhead(bytes, nothing(), all.senders);
  expect(coming).toBeInstanceOf(Promise);
  expect(await coming).toEqual(whole);
  expect(all.asked.length).toBe(many.length);

  const known = recorder();
  const inPool = (): OpenedTransactions => createOpenedTransactions((id) => pooled.get(id));
  expect(openBodyAhead(bytes, inPool(), known.senders)).toEqual(whole);
  for (const each of many.slice(0, MIN_BATCH)) pooled.delete(each.hash);
  expect(await openBodyAhead(bytes, inPool(), known.senders)).toEqual(whole);
  expect(known.asked).toEqual(many.slice(0, MIN_BATCH).map(({ raw }) => raw));
  pooled.set(many[0]!.hash, many[0]!);
  expect(openBodyAhead(bytes, inPool(), known.senders)).toEqual(whole);
});

test("a bad transaction among many is told of as it is alone", async () => {
  const good = Array.from({ length: MIN_BATCH }, (_, nonce) => transfer({ from: 1, nonce }));
  const { tx } = transfer({ from: 1, nonce: 99 });
  const unsigned = encodeTransaction({ ...tx, signature: { ...tx.signature, r: 0n } });
  for (const bad of [unsigned, Uint8Array.of(2, 0xc0), new Uint8Array(0)]) {
    const bytes = bodyWith([...good.map(({ raw }) => raw), bad]);
    const alone: OpenedBody = openBody(bytes, nothing());
    expect(alone.kind).toBe("invalid");
    expect(await openBodyAhead(bytes, nothing(), recorder().senders)).toEqual(alone);
  }
});

test("what one body brought is known when another brings it, and when it is submitted", async () => {
  const { senders, asked } = recorder();
  const before = createOpenedTransactions(() => undefined);
  const many = Array.from({ length: MIN_BATCH }, (_, nonce) => transfer({ from: 1, nonce }));
  const few = transfer({ from: 2, nonce: 0 });
  const first = bodyWith(many.map(({ raw }) => raw));
  const second = bodyWith([...many, few].map(({ raw }) => raw));
  expect(await openBodyAhead(first, before, senders)).toEqual(openBody(first, nothing()));
  expect(asked).toHaveLength(MIN_BATCH);
  expect(openBodyAhead(second, before, senders)).toEqual(openBody(second, nothing()));
  expect(asked).toHaveLength(MIN_BATCH);
  expect(before.get(few.hash)).toEqual(few);
  expect(before.get(many[3]!.hash)).toEqual(many[3]!);
});

test("what was opened lately is bounded, in number and in bytes", () => {
  const opened = createOpenedTransactions(() => undefined);
  const [one] = signed as [SignedTransaction];
  const kept = (named: readonly Hash[]): number => named.filter((id) => opened.get(id) !== undefined).length;
  const name = (i: number): Hash => hash(new Uint8Array(32).fill(i & 0xff).with(0, i >> 8));
  const small = Array.from({ length: 20_000 }, (_, i) => name(i));
  for (const id of small) opened.add({ ...one, hash: id });
  expect(kept(small)).toBe(8_192);
  const large = Array.from({ length: 200 }, (_, i) => name(40_000 + i));
  for (const id of large) opened.add({ ...one, raw: new Uint8Array(128 * 1024), hash: id });
  expect(kept(large)).toBe(64);
  expect(kept(small)).toBe(0);
});
