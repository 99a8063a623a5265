// The specification's five invariants, by number, as properties over random chains: random transactions, forks,
// mutations and repeated or skipped finalizations.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { blockEnv } from "#chain/execute.ts";
import { encodePosition, positionOf } from "#chain/header-rules.ts";
import type { ProposalContext } from "#chain/ports.ts";
import { headerHash } from "#crypto/digest.ts";
import { keccak256, keccakHash } from "#crypto/hash.ts";
import { fromHex, toHex, utf8 } from "#lib/bytes.ts";
import type { Block } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import { address, bytesOf, type Hash, hash, height } from "#types/ids.ts";
import { ETHER, type TestChain, testAddress, testGenesis, transfer } from "../support/chain.ts";
import { testChains } from "../support/lifetimes.ts";

const RUNS = 25;
/** No dev chain: validators' rules apply. */
const GENESIS = testGenesis(4, { dev: false });

const { open: chain, closeAll } = testChains({ genesis: GENESIS });

const seedOf = (digest: Hash): Uint8Array => keccak256(utf8(`round of ${digest}`));

/** A round for a child of `parent`, in the given view. */
function context(parent: Header, view: number): ProposalContext {
  const parentView = positionOf(parent).view;
  return { epoch: 0, view, parentView, now: 0, expired: () => false };
}

/** Proposes on `parent` and lets the ledger know the seed of the new block's round, as consensus would. */
async function propose(on: TestChain, parent: Block | undefined, view: number): Promise<Block> {
  const tip = on.ledger.tip();
  const header = parent?.header ?? tip.header;
  const block = await on.application.propose(parent?.hash ?? tip.hash, context(header, view));
  if (block === undefined) throw new Error("no block");
  on.application.seed(block, seedOf(block.hash));
  return block;
}

/** Senders, receivers and amounts of a block's worth of transfers. */
const transfers = fc.array(fc.record({ from: fc.nat(3), to: fc.nat(7), value: fc.bigInt(0n, ETHER) }), {
  maxLength: 8,
});
type Transfers = { from: number; to: number; value: bigint }[];

async function submitAll(on: TestChain, list: Transfers): Promise<void> {
  for (const { from, to, value } of list) {
    const nonce = on.pool.nextNonce(testAddress(from));
    const result = await on.service.submitTx(transfer({ from, nonce, to: testAddress(to), value }).raw);
    expect(result.kind).toBe("accepted");
  }
}

/** Gives `to` a body and the seeds that `from` has. */
function tell(to: TestChain, block: Block): void {
  to.application.seed(block, seedOf(block.hash));
}

const flip = (value: Hash): Hash => hash(`0x${(BigInt(value) ^ 1n).toString(16).padStart(64, "0")}`);

type Mutation = (header: Header) => Header;
const MUTATIONS: Record<string, Mutation> = {
  stateRoot: (h) => ({ ...h, stateRoot: flip(h.stateRoot) }),
  receiptsRoot: (h) => ({ ...h, receiptsRoot: flip(h.receiptsRoot) }),
  transactionsRoot: (h) => ({ ...h, transactionsRoot: flip(h.transactionsRoot) }),
  gasUsed: (h) => ({ ...h, gasUsed: h.gasUsed + 1n }),
  logsBloom: (h) => ({ ...h, logsBloom: h.logsBloom.with(7, 1) }),
  mixHash: (h) => ({ ...h, mixHash: flip(h.mixHash) }),
  number: (h) => ({ ...h, number: height(h.number + 1) }),
  parentHash: (h) => ({ ...h, parentHash: flip(h.parentHash) }),
  timestamp: (h) => ({ ...h, timestamp: 0 }),
  gasLimit: (h) => ({ ...h, gasLimit: h.gasLimit + h.gasLimit / 1024n }),
  baseFee: (h) => ({ ...h, baseFeePerGas: (h.baseFeePerGas ?? 0n) + 1n }),
  excessBlobGas: (h) => ({ ...h, excessBlobGas: 1n }),
  blobGasUsed: (h) => ({ ...h, blobGasUsed: 131_072n }),
  difficulty: (h) => ({ ...h, difficulty: 1n }),
  nonce: (h) => ({ ...h, nonce: h.nonce.with(0, 1) }),
  ommers: (h) => ({ ...h, ommersHash: flip(h.ommersHash) }),
  withdrawals: (h) => ({ ...h, withdrawalsRoot: flip(h.withdrawalsRoot as Hash) }),
  requests: (h) => ({ ...h, requestsHash: flip(h.requestsHash as Hash) }),
  beaconRoot: (h) => ({ ...h, parentBeaconBlockRoot: flip(h.parentBeaconBlockRoot as Hash) }),
  position: (h) => ({ ...h, extraData: encodePosition({ epoch: 0, view: 0, parentView: 0 }) }),
  parentView: (h) => ({ ...h, extraData: encodePosition({ epoch: 0, view: 99, parentView: 98 }) }),
  extraData: (h) => ({ ...h, extraData: h.extraData.slice(1) }),
};

test("1: a block is accepted iff re-execution gives what it advertises", async () => {
  await fc.assert(
    fc.asyncProperty(transfers, fc.constantFrom(...Object.keys(MUTATIONS)), async (list, name) => {
      const proposer = chain();
      const voter = chain();
      await submitAll(proposer, list);
      const block = await propose(proposer, undefined, 1);
      const header = MUTATIONS[name]!(block.header);
      const mutant: Block = { ...block, header, hash: headerHash(header) };
      const verdict = await voter.application.verify(mutant);
      expect([name, verdict.kind]).toEqual([name, name === "parentHash" ? "missing" : "invalid"]);
      expect(voter.ledger.snapshots.get(mutant.hash)).toBeUndefined();
      // The block itself is accepted, and by independent re-execution: the roots agree.
      expect(await voter.application.verify(block)).toEqual({ kind: "valid", digest: block.hash });
      const { batch } = voter.ledger.snapshots.get(block.hash)!;
      expect(batch.root).toBe(block.header.stateRoot);
      closeAll();
    }),
    { numRuns: RUNS * 3 },
  );
}, 60_000);

test("1: a block with one transaction changed, dropped, repeated or reordered is refused", async () => {
  const proposer = chain();
  await submitAll(
    proposer,
    [0, 1, 2, 3].map((from) => ({ from, to: 5, value: 1n })),
  );
  await submitAll(
    proposer,
    [0, 1, 2, 3].map((from) => ({ from, to: 6, value: 2n })),
  );
  const block = await propose(proposer, undefined, 1);
  expect(block.transactions.length).toBe(8);
  const { transactions } = block;
  const bodies = {
    dropped: transactions.slice(1),
    repeated: [...transactions, transactions[0]!],
    reordered: transactions.toReversed(),
    changed: [transfer({ from: 0, nonce: 0, value: 9n }), ...transactions.slice(1)],
  };
  for (const [name, body] of Object.entries(bodies)) {
    const voter = chain();
    const verdict = await voter.application.verify({ ...block, transactions: body });
    expect([name, verdict.kind]).toEqual([name, "invalid"]);
  }
});

test("2: changes are merged parent to tip: one finalization of n blocks equals n finalizations", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(transfers, { minLength: 2, maxLength: 5 }), async (lists) => {
      const leader = chain();
      const blocks: Block[] = [];
      for (const [index, list] of lists.entries()) {
        await submitAll(leader, list);
        blocks.push(await propose(leader, blocks.at(-1), index + 1));
      }
      // One node hears of the last finalization only and has to rebuild every parent, the other of each in turn.
      const late = chain();
      const prompt = chain();
      for (const block of blocks) {
        late.ledger.addBody(block);
        tell(late, block);
        tell(prompt, block);
        expect((await prompt.application.verify(block)).kind).toBe("valid");
        await prompt.application.finalize(block.hash, { certificate: undefined, seed: undefined });
      }
      const tip = blocks.at(-1)!;
      const finals: number[] = [];
      late.service.events.snapshotPersisted.add(({ height: at }) => void finals.push(at));
      await late.application.finalize(tip.hash, { certificate: Uint8Array.of(1), seed: seedOf(tip.hash) });
      await leader.application.finalize(tip.hash, { certificate: undefined, seed: undefined });
      expect(finals).toEqual(blocks.map(({ header }) => header.number));
      for (const node of [late, leader]) expect(node.state.head()).toEqual(prompt.state.head());
      for (let account = 0; account < 8; account++) {
        const at = testAddress(account);
        expect(late.state.latest().account(at)).toEqual(prompt.state.latest().account(at));
      }
      for (const { hash: digest, header } of blocks) {
        expect(late.history.block(header.number)?.hash).toBe(digest);
        expect(late.history.receipts(header.number)).toEqual(prompt.history.receipts(header.number)!);
      }
      closeAll();
    }),
    { numRuns: RUNS },
  );
}, 60_000);

test("3: persistence is idempotent", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(transfers, { minLength: 1, maxLength: 4 }),
      fc.nat(3),
      async (lists, repeat) => {
        const node = chain();
        const blocks: Block[] = [];
        for (const [index, list] of lists.entries()) {
          await submitAll(node, list);
          blocks.push(await propose(node, blocks.at(-1), index + 1));
        }
        let events = 0;
        node.service.events.snapshotPersisted.add(() => events++);
        const evidence = { certificate: undefined, seed: undefined };
        await node.application.finalize(blocks.at(-1)!.hash, evidence);
        const head = node.state.head();
        for (const block of [...blocks, ...blocks.slice(repeat)]) {
          await node.application.finalize(block.hash, evidence);
          expect(await node.application.verify(block)).toEqual({ kind: "valid", digest: block.hash });
        }
        expect(node.state.head()).toEqual(head);
        expect(events).toBe(blocks.length);
        closeAll();
      },
    ),
    { numRuns: RUNS },
  );
}, 60_000);

test("4: pool entries leave only after finalization, and forks that lose give theirs back", async () => {
  await fc.assert(
    fc.asyncProperty(transfers, transfers, fc.boolean(), async (first, second, longFork) => {
      const node = chain();
      await submitAll(node, first);
      const pooled = () => new Set(node.pool.all().map(({ hash: id }) => id));
      const before = pooled();
      const a = await propose(node, undefined, 1);
      expect(new Set(a.transactions.map(({ hash: id }) => id))).toEqual(before);
      await submitAll(node, second);
      const all = pooled();
      // A child takes none of what is in flight below it; a sibling may take all of it.
      const child = await propose(node, a, 2);
      const sibling = await propose(node, undefined, 3);
      const inFlight = new Set(a.transactions.map(({ hash: id }) => id));
      expect(child.transactions.some(({ hash: id }) => inFlight.has(id))).toBe(false);
      expect(child.transactions.length + a.transactions.length).toBe(all.size);
      expect(sibling.transactions.length).toBe(all.size);
      expect(pooled()).toEqual(all);

      const winner = longFork ? child : a;
      await node.application.finalize(winner.hash, { certificate: undefined, seed: undefined });
      const included = new Set(
        [...a.transactions, ...(longFork ? child.transactions : [])].map(({ hash: id }) => id),
      );
      expect(pooled()).toEqual(new Set([...all].filter((id) => !included.has(id))));
      // The loser can be neither verified nor finalized any more.
      expect((await node.application.verify(sibling)).kind).toBe("invalid");
      closeAll();
    }),
    { numRuns: RUNS },
  );
}, 60_000);

test("5: keccak256 of the seed of a block's round is the prevrandao of its children", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 96, maxLength: 96 }), async (signature) => {
      const node = chain();
      const seeds: unknown[] = [];
      node.service.events.seedUpdated.add((event) => void seeds.push(event));
      const first = await propose(node, undefined, 1);
      expect(first.header.mixHash).toBe(keccakHash(bytesOf(node.genesisHash)));
      node.application.seed(first, signature);
      expect(seeds.at(-1)).toEqual({ digest: first.hash, seedHash: keccakHash(signature) });
      const child = await propose(node, first, 2);
      expect(child.header.mixHash).toBe(keccakHash(signature));
      expect(blockEnv(child.header).prevRandao).toBe(keccakHash(signature));
      // The seed is kept with the block, so that the next process knows it too.
      await node.application.finalize(first.hash, { certificate: undefined, seed: undefined });
      expect(toHex(node.state.archive.block(height(1))!.seed!)).toBe(toHex(signature));
      // A voter that does not know the seed asks for it instead of judging.
      const voter = chain();
      await voter.application.verify(first);
      expect(await voter.application.verify(child)).toEqual({
        kind: "missing",
        what: "seed",
        digest: first.hash,
      });
      closeAll();
    }),
    { numRuns: RUNS },
  );
}, 60_000);

test("5: contracts read that prevrandao", async () => {
  const node = chain();
  // PREVRANDAO PUSH0 SSTORE STOP, returned by the initcode.
  const initcode = fromHex("0x63445f55005f526004601cf3");
  await node.service.submitTx(
    transfer({ from: 0, nonce: 0, to: undefined, data: initcode, gas: 200_000n }).raw,
  );
  const first = await propose(node, undefined, 1);
  const created = node.ledger.snapshots.get(first.hash)!.outcome.receipts[0]!.contractAddress!;
  await node.service.submitTx(transfer({ from: 0, nonce: 1, to: address(created), gas: 100_000n }).raw);
  const second = await propose(node, first, 2);
  await node.application.finalize(second.hash, { certificate: undefined, seed: undefined });
  const stored = node.state.latest().storage(created, hash(`0x${"00".repeat(32)}`));
  expect(BigInt(toHex(stored))).toBe(BigInt(keccakHash(seedOf(first.hash))));
});

test("a missing parent is asked for, never judged; then everything is rebuilt parent to tip", async () => {
  const leader = chain();
  const blocks: Block[] = [];
  for (let view = 1; view <= 3; view++) {
    await submitAll(leader, [{ from: view % 4, to: 5, value: 1n }]);
    blocks.push(await propose(leader, blocks.at(-1), view));
  }
  const [one, two, three] = blocks as [Block, Block, Block];
  const voter = chain();
  for (const block of blocks) tell(voter, block);
  expect(await voter.application.verify(three)).toEqual({ kind: "missing", what: "block", digest: two.hash });
  voter.ledger.addBody(two);
  expect(await voter.application.verify(three)).toEqual({ kind: "missing", what: "block", digest: one.hash });
  voter.ledger.addBody(one);
  expect(await voter.application.verify(three)).toEqual({ kind: "valid", digest: three.hash });
  expect(voter.ledger.snapshots.size).toBe(3);
});

test("a child of an invalid block is invalid", async () => {
  const leader = chain();
  await submitAll(leader, [{ from: 0, to: 5, value: 1n }]);
  const parent = await propose(leader, undefined, 1);
  const badHeader = { ...parent.header, stateRoot: flip(parent.header.stateRoot) };
  const bad: Block = { ...parent, header: badHeader, hash: headerHash(badHeader) };
  const child = await propose(leader, parent, 2);
  const orphanHeader = { ...child.header, parentHash: bad.hash };
  const orphan: Block = { ...child, header: orphanHeader, hash: headerHash(orphanHeader) };
  const voter = chain();
  voter.ledger.addBody(bad);
  tell(voter, bad);
  const verdict = await voter.application.verify(orphan);
  expect(verdict).toMatchObject({ kind: "invalid" });
});
