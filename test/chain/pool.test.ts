// The pool against a model and against geth's rules and words. The state is a map that tests move.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createPool, type Pool } from "#chain/pool.ts";
import type { Departed } from "#chain/pool-store.ts";
import { DEFAULT_POOL_OPTIONS, effectiveTip, type PoolOptions } from "#chain/pool-types.ts";
import { keccak256, keccakHash } from "#crypto/hash.ts";
import { signDigest } from "#crypto/secp256k1.ts";
import { nextBaseFee } from "#execution/fees.ts";
import { chainRules } from "#execution/rules.ts";
import { concatBytes, EMPTY_BYTES } from "#lib/bytes.ts";
import { Writer } from "#lib/codec.ts";
import { encodeRlp, rlpUint } from "#lib/rlp.ts";
import type { Account, AccountChange, StateChanges } from "#types/account.ts";
import type { Header } from "#types/header.ts";
import { type Address, address, bytesOf, EMPTY_CODE_HASH, type Hash, hash, height } from "#types/ids.ts";
import {
  type Authorization,
  feeCapOf,
  type SignedTransaction,
  type Transaction,
  tipCapOf,
} from "#types/transaction.ts";
import { sign, testAddress, testSecret } from "../support/chain.ts";

const BASE_FEE = 1_000n;
const RICH = 10n ** 24n;
const rules = chainRules({ chainId: 1337n });

interface World {
  readonly pool: Pool;
  readonly accounts: Map<Address, Account>;
  readonly code: Map<Hash, Uint8Array>;
  readonly clock: { now: number };
  readonly left: Departed[];
  readonly pending: Hash[];
  header: Header;
}

function world(options: Partial<PoolOptions> = {}): World {
  const accounts = new Map<Address, Account>();
  const code = new Map<Hash, Uint8Array>();
  for (let i = 0; i < 20; i++) set(accounts, i, 0n);
  const clock = { now: 0 };
  // The parent's fee is such that the next block's is BASE_FEE: a block at its target hands its fee on.
  const header = {
    number: height(5),
    timestamp: 100,
    gasLimit: 30_000_000n,
    gasUsed: 15_000_000n,
    baseFeePerGas: BASE_FEE,
    excessBlobGas: 0n,
    blobGasUsed: 0n,
  } as Header;
  const made: Omit<World, "pool"> = { accounts, code, clock, left: [], pending: [], header };
  const pool = createPool({
    rules,
    options: { ...DEFAULT_POOL_OPTIONS, ...options },
    state: () => ({
      account: (at) => accounts.get(at),
      storage: () => EMPTY_BYTES,
      code: (codeHash) => code.get(codeHash) ?? EMPTY_BYTES,
      hasStorage: () => false,
    }),
    head: () => made.header,
    inputs: () => undefined,
    now: () => clock.now,
    report: (error) => {
      throw error;
    },
  });
  pool.onDeparture((each) => made.left.push(each));
  pool.onPending((each) => made.pending.push(each.hash));
  return Object.assign(made, { pool });
}

function set(accounts: Map<Address, Account>, index: number, nonce: bigint, balance: bigint = RICH): void {
  accounts.set(who(index), { nonce, balance, codeHash: EMPTY_CODE_HASH });
}

const who = (index: number): Address => address(`0x${(index + 1).toString(16).padStart(40, "0")}`);

let unique = 0;
/** A transaction that nobody signed: the pool does not look at signatures. */
function fake(
  from: number,
  nonce: number | bigint,
  fields: Partial<Transaction> & { bytes?: number } = {},
): SignedTransaction {
  const { bytes = 120, ...rest } = fields;
  const tx = {
    type: 2,
    chainId: 1337n,
    nonce: BigInt(nonce),
    maxPriorityFeePerGas: 10n,
    maxFeePerGas: 10n * BASE_FEE,
    gasLimit: 21_000n,
    to: who(99),
    value: 0n,
    data: EMPTY_BYTES,
    accessList: [],
    signature: { yParity: 0, r: 1n, s: 1n },
    ...rest,
  } as Transaction;
  const raw = new Uint8Array(bytes);
  raw.set(new Writer(8).u64(++unique).finish());
  return { tx, raw, hash: keccakHash(raw), sender: who(from) };
}

const priced = (tip: bigint, cap: bigint = 10n * BASE_FEE): Partial<Transaction> => ({
  maxPriorityFeePerGas: tip,
  maxFeePerGas: cap,
});

function messageOf(pool: Pool, signed: SignedTransaction): string | undefined {
  const verdict = pool.add(signed);
  return verdict.kind === "rejected" ? verdict.rejection.message : undefined;
}

/** The change set of a block with these transactions, as far as the pool looks at it. */
function changesOf(transactions: readonly SignedTransaction[]): StateChanges {
  const change: AccountChange = { account: undefined, reset: false, storage: new Map() };
  return { accounts: new Map(transactions.map(({ sender }) => [sender, change])), code: new Map() };
}

// — Geth's words —

test.each<[string, SignedTransaction, string | undefined]>([
  ["accepted", fake(0, 0), undefined],
  ["nonce gap", fake(0, 7), undefined],
  [
    "blob",
    fake(0, 0, { type: 3 } as never),
    "transaction type not supported: tx type 3 not supported by this pool",
  ],
  ["oversized", fake(0, 0, { bytes: 131_073 }), "oversized data: transaction size 131073, limit 131072"],
  [
    "initcode",
    fake(0, 0, { to: undefined, data: new Uint8Array(49_153), gasLimit: 10_000_000n } as never),
    "max initcode size exceeded: code size 49153, limit 49152",
  ],
  [
    "tx gas cap",
    fake(0, 0, { gasLimit: 16_777_217n }),
    "transaction gas limit too high (cap: 16777216, tx: 16777217)",
  ],
  ["tip above cap", fake(0, 0, priced(2n, 1n)), "max priority fee per gas higher than max fee per gas"],
  [
    "wrong chain",
    fake(0, 0, { chainId: 1n }),
    "invalid sender: invalid chain id for signer: have 1 want 1337",
  ],
  ["nonce max", fake(0, 2n ** 64n - 1n), "nonce has max value"],
  [
    "intrinsic gas",
    fake(0, 0, { gasLimit: 20_999n }),
    "intrinsic gas too low: gas 20999, minimum needed 21000",
  ],
  [
    "floor gas",
    fake(0, 0, { data: new Uint8Array(1_000).fill(1), gasLimit: 40_000n }),
    "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000",
  ],
  [
    "below minimum",
    fake(0, 0, priced(0n)),
    "transaction gas price below minimum: gas tip cap 0, minimum needed 1",
  ],
  [
    "no authorization",
    fake(0, 0, { type: 4, authorizationList: [] } as never),
    "set code tx must have at least one authorization tuple",
  ],
  [
    "unprotected",
    fake(0, 0, { type: 0, chainId: undefined, gasPrice: 5_000n } as never),
    "only replay-protected (EIP-155) transactions allowed over RPC",
  ],
])("%s", (_, signed, message) => {
  expect(messageOf(world().pool, signed)).toBe(message);
});

test("gas above the block's limit", () => {
  const { pool, header } = world();
  expect(header.gasLimit).toBe(30_000_000n);
  const relaxed = createPool({
    rules: chainRules({ chainId: 1337n, transactionGasCap: false }),
    options: DEFAULT_POOL_OPTIONS,
    state: () => ({
      account: () => undefined,
      storage: () => EMPTY_BYTES,
      code: () => EMPTY_BYTES,
      hasStorage: () => false,
    }),
    head: () => header,
    inputs: () => undefined,
    now: () => 0,
    report: () => undefined,
  });
  expect(messageOf(relaxed, fake(0, 0, { gasLimit: 30_000_001n }))).toBe("exceeds block gas limit");
  expect(pool.status().pending).toBe(0);
});

test("nonce too low, already known, funds with what is pooled", () => {
  const { pool, accounts } = world();
  set(accounts, 0, 5n, 500_000_000n);
  expect(messageOf(pool, fake(0, 4))).toBe("nonce too low: next nonce 5, tx nonce 4");
  const first = fake(0, 5);
  expect(messageOf(pool, first)).toBeUndefined();
  expect(messageOf(pool, first)).toBe("already known");
  expect(messageOf(pool, fake(0, 6, { value: 500_000_001n }))).toBe(
    "insufficient funds for gas * price + value: balance 500000000, tx cost 710000001, overshot 210000001",
  );
  expect(messageOf(pool, fake(0, 6, { value: 90_000_000n }))).toBe(
    "insufficient funds for gas * price + value: balance 500000000, queued cost 210000000, tx cost 300000000, overshot 10000000",
  );
  expect(messageOf(pool, fake(0, 5, { ...priced(20n, 20n * BASE_FEE), value: 100_000_000n }))).toBe(
    "insufficient funds for gas * price + value: balance 500000000, tx cost 520000000, overshot 20000000",
  );
});

test("a replacement pays ten per cent more of both, and counts once", () => {
  const { pool, left, pending } = world();
  const first = fake(0, 0, priced(100n, 10_000n));
  pool.add(first);
  expect(messageOf(pool, fake(0, 0, priced(109n, 20_000n)))).toBe("replacement transaction underpriced");
  expect(messageOf(pool, fake(0, 0, priced(200n, 10_999n)))).toBe("replacement transaction underpriced");
  const better = fake(0, 0, priced(110n, 11_000n));
  expect(messageOf(pool, better)).toBeUndefined();
  expect(pool.status()).toMatchObject({ pending: 1, queued: 0, bytes: 120 });
  expect(left).toEqual([{ hash: first.hash, why: "replaced" }]);
  expect(pending).toEqual([first.hash, better.hash]);
  expect(pool.get(first.hash)).toBeUndefined();
});

test("gaps queue and close; nextNonce follows", () => {
  const { pool, pending } = world();
  const [zero, one, two, four] = [0, 1, 2, 4].map((nonce) => fake(0, nonce)) as [
    SignedTransaction,
    SignedTransaction,
    SignedTransaction,
    SignedTransaction,
  ];
  for (const each of [four, two, one]) pool.add(each);
  expect(pool.status()).toMatchObject({ pending: 0, queued: 3 });
  expect(pool.nextNonce(who(0))).toBe(0n);
  pool.add(zero);
  expect(pool.status()).toMatchObject({ pending: 3, queued: 1 });
  expect(pool.nextNonce(who(0))).toBe(3n);
  expect(pending).toEqual([zero.hash, one.hash, two.hash]);
  expect(pool.content().queued.get(who(0))).toEqual([four]);
});

test("a sender whose code is no delegation is refused; a delegated one has one transaction in flight", () => {
  const { pool, accounts, code } = world();
  const contract = keccakHash(Uint8Array.of(1));
  code.set(contract, Uint8Array.of(0x60, 0));
  accounts.set(who(0), { nonce: 0n, balance: RICH, codeHash: contract });
  expect(messageOf(pool, fake(0, 0))).toBe(`sender not an eoa: address ${who(0)}, len(code): 2`);

  const delegation = keccakHash(Uint8Array.of(2));
  code.set(delegation, Uint8Array.from([0xef, 0x01, 0x00, ...new Uint8Array(20).fill(7)]));
  accounts.set(who(1), { nonce: 3n, balance: RICH, codeHash: delegation });
  expect(messageOf(pool, fake(1, 4))).toBe("gapped-nonce tx from delegated accounts");
  expect(messageOf(pool, fake(1, 3))).toBeUndefined();
  expect(messageOf(pool, fake(1, 4))).toBe("in-flight transaction limit reached for delegated accounts");
  expect(messageOf(pool, fake(1, 3, priced(100n, 20n * BASE_FEE)))).toBeUndefined();
});

test("an authority of a pending authorization is limited like a delegated account", () => {
  const { pool, accounts } = world();
  const authority = testAddress(1);
  accounts.set(authority, { nonce: 0n, balance: RICH, codeHash: EMPTY_CODE_HASH });
  accounts.set(testAddress(2), { nonce: 0n, balance: RICH, codeHash: EMPTY_CODE_HASH });
  const list = [authorize(1, 0n)];
  const setCode = {
    ...fake(0, 0, { type: 4, authorizationList: list, gasLimit: 100_000n } as never),
    sender: testAddress(2),
  };
  expect(messageOf(pool, setCode)).toBeUndefined();
  const from = (nonce: number) => ({ ...fake(0, nonce), sender: authority });
  expect(messageOf(pool, from(0))).toBeUndefined();
  expect(messageOf(pool, from(1))).toBe("in-flight transaction limit reached for delegated accounts");
  expect(pool.drop(setCode.hash)).toBe(true);
  expect(messageOf(pool, from(1))).toBeUndefined();
  expect(messageOf(pool, { ...setCode, hash: hash(`0x${"77".repeat(32)}`) })).toBe(
    "authority already reserved",
  );
});

/** An authorization of a test key, signed as EIP-7702 has it. */
function authorize(index: number, nonce: bigint): Authorization {
  const target = who(50);
  const payload = encodeRlp([rlpUint(1337n), bytesOf(target), rlpUint(nonce)]);
  const { yParity, r, s } = signDigest(keccak256(concatBytes(Uint8Array.of(5), payload)), testSecret(index));
  return { chainId: 1337n, address: target, nonce, yParity: BigInt(yParity), r, s };
}

test("a chain may refuse fee caps below the base fee at once", () => {
  const patient = world().pool;
  expect(messageOf(patient, fake(0, 0, priced(1n, BASE_FEE - 1n)))).toBeUndefined();
  expect(patient.hasExecutable()).toBe(false);
  const strict = world({ refuseBelowBaseFee: true }).pool;
  expect(messageOf(strict, fake(0, 0, priced(1n, BASE_FEE - 1n)))).toBe(
    `max fee per gas less than block base fee: address ${who(0)}, maxFeePerGas: 999, baseFee: 1000`,
  );
});

test("a cap that the base fee has passed is executable again after empty blocks, if the fee falls so far", () => {
  const { pool } = world();
  const header = (baseFeePerGas: bigint) => ({ gasUsed: 0n, gasLimit: 30_000_000n, baseFeePerGas });
  let fee = BASE_FEE;
  for (let i = 0; i < 3; i++) fee = nextBaseFee(header(fee));
  pool.add(fake(0, 0, priced(1n, fee)));
  expect([0, 2, 3, 4].map((blocks) => pool.hasExecutable(blocks))).toEqual([false, false, true, true]);
  const poor = world().pool;
  // The fee stays where an eighth of it is less than a wei.
  poor.add(fake(0, 0, priced(1n, 1n)));
  expect(poor.hasExecutable(10_000)).toBe(false);
});

test("finalization takes what the state has passed and what cannot be paid, and promotes", () => {
  const { pool, accounts, left } = world();
  const own = [0, 1, 2].map((nonce) => fake(0, nonce));
  const other = fake(1, 0);
  for (const each of [...own, other]) pool.add(each);
  // Nonce 0 was used by another transaction than ours, and the balance is nearly gone.
  set(accounts, 0, 1n, 1n);
  pool.finalized([changesOf([fake(0, 0)])]);
  expect(left.map(({ why }) => why)).toEqual(["included", "unpayable", "unpayable"]);
  expect(pool.all()).toEqual([other]);
  expect(pool.status()).toMatchObject({ pending: 1, queued: 0, bytes: 120 });
});

test("what waits behind a gap expires, what can be mined does not", () => {
  const { pool, clock, left } = world({ lifetime: 100_000 });
  pool.add(fake(0, 0));
  const stuck = fake(1, 5);
  pool.add(stuck);
  clock.now = 100_000;
  pool.finalized([]);
  expect(left).toEqual([]);
  clock.now = 160_000;
  pool.finalized([]);
  expect(left).toEqual([{ hash: stuck.hash, why: "expired" }]);
  expect(pool.status()).toMatchObject({ pending: 1, queued: 0 });
});

test("a full pool keeps the better paying and says underpriced to the others", () => {
  const { pool, left } = world({ globalSlots: 8, globalQueue: 0, accountSlots: 1 });
  for (let i = 0; i < 8; i++) pool.add(fake(i, 0, priced(100n + BigInt(i))));
  expect(messageOf(pool, fake(9, 0, priced(100n)))).toBe("transaction underpriced");
  expect(messageOf(pool, fake(9, 0, priced(105n)))).toBeUndefined();
  expect(pool.status().pending).toBe(8);
  expect(left.every(({ why }) => why === "evicted")).toBe(true);
  expect([...pool.content().pending.keys()]).not.toContain(who(0));
});

test("a full pool answers the cheap without searching, and takes them when there is room again", () => {
  const { pool, accounts } = world({ globalSlots: 8, globalQueue: 0, accountSlots: 1 });
  for (let i = 0; i < 8; i++) pool.add(fake(i, 0, priced(100n)));
  for (let i = 9; i < 15; i++) {
    expect(messageOf(pool, fake(i, 0, priced(100n)))).toBe("transaction underpriced");
  }
  set(accounts, 0, 1n);
  pool.finalized([changesOf([fake(0, 0)])]);
  expect(messageOf(pool, fake(9, 0, priced(1n)))).toBeUndefined();
  expect(messageOf(pool, fake(10, 0, priced(1n)))).toBe("transaction underpriced");
  expect(messageOf(pool, fake(10, 0, priced(2n)))).toBeUndefined();
});

test("senders above their slots go before others, from the end of their list", () => {
  const { pool } = world({ globalSlots: 8, globalQueue: 0, accountSlots: 2 });
  for (let nonce = 0; nonce < 6; nonce++) pool.add(fake(0, nonce, priced(50n)));
  pool.add(fake(1, 0, priced(20n)));
  pool.add(fake(2, 0, priced(20n)));
  expect(messageOf(pool, fake(3, 0, priced(60n)))).toBeUndefined();
  expect(
    pool
      .content()
      .pending.get(who(0))
      ?.map(({ tx }) => tx.nonce),
  ).toEqual([0n, 1n, 2n, 3n, 4n]);
  expect(pool.content().pending.has(who(1))).toBe(true);
});

test("bounds by bytes and per sender behind a gap", () => {
  const small = world({ globalBytes: 1_000 });
  for (let i = 0; i < 8; i++) expect(messageOf(small.pool, fake(i, 0, priced(10n)))).toBeUndefined();
  expect(messageOf(small.pool, fake(9, 0, priced(10n)))).toBe("transaction underpriced");
  expect(messageOf(small.pool, fake(9, 0, { ...priced(11n), bytes: 300 }))).toBeUndefined();
  expect(small.pool.status().bytes).toBeLessThanOrEqual(1_000);

  const queue = world({ accountQueue: 3 });
  for (let nonce = 5; nonce < 8; nonce++) expect(messageOf(queue.pool, fake(0, nonce))).toBeUndefined();
  expect(messageOf(queue.pool, fake(0, 9))).toBe("account limit exceeded: pooled 3 txs");
  expect(messageOf(queue.pool, fake(0, 0))).toBeUndefined();
});

// — Model —

interface Model {
  /** Sender → nonce → price of what is pooled. */
  readonly pooled: Map<number, Map<number, SignedTransaction>>;
  readonly nonces: number[];
}

const SENDERS = 4;
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      from: fc.nat(SENDERS - 1),
      nonce: fc.nat(9),
      tip: fc.nat(40),
      cap: fc.integer({ min: 900, max: 1_200 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("mine" as const), count: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("foreign" as const), from: fc.nat(SENDERS - 1) }) },
);

/** What a replacement, a nonce or a price make of an addition: geth's rules, written once more and naively. */
function modelAccepts(model: Model, from: number, signed: SignedTransaction): boolean {
  const { tx } = signed;
  if (tipCapOf(tx) < 1n || tipCapOf(tx) > feeCapOf(tx) || tx.nonce < model.nonces[from]!) return false;
  const old = model.pooled.get(from)?.get(Number(tx.nonce));
  const bumped = (now: bigint, before: bigint): boolean =>
    now > before && now * 100n >= before * 110n - 99n && now >= (before * 110n) / 100n;
  return (
    old === undefined || (bumped(feeCapOf(tx), feeCapOf(old.tx)) && bumped(tipCapOf(tx), tipCapOf(old.tx)))
  );
}

function executable(model: Model, from: number): SignedTransaction[] {
  const own = model.pooled.get(from);
  const out: SignedTransaction[] = [];
  for (let nonce = model.nonces[from]!; own?.has(nonce); nonce++) out.push(own.get(nonce)!);
  return out;
}

/** The order of selection, found by looking at every sender each time. */
function modelSelection(model: Model, limit: number): SignedTransaction[] {
  const heads = Array.from({ length: SENDERS }, (_, from) => executable(model, from));
  const tip = ({ tx }: SignedTransaction): bigint =>
    effectiveTip({ feeCap: feeCapOf(tx), tipCap: tipCapOf(tx) }, BASE_FEE);
  const out: SignedTransaction[] = [];
  while (out.length < limit) {
    let best: SignedTransaction[] | undefined;
    for (const list of heads) {
      const head = list[0];
      if (head === undefined || tip(head) < 0n) continue;
      const bestHead = best?.[0];
      if (bestHead === undefined || tip(head) > tip(bestHead)) best = list;
      else if (tip(head) === tip(bestHead) && arrival.get(head.hash)! < arrival.get(bestHead.hash)!)
        best = list;
    }
    if (best === undefined) break;
    out.push(best.shift()!);
  }
  return out;
}
const arrival = new Map<Hash, number>();

function drain(pool: Pool, limit: number): SignedTransaction[] {
  const selection = pool.select({ baseFeePerGas: BASE_FEE, blobBaseFee: 0n, inFlight: new Set() });
  const out: SignedTransaction[] = [];
  for (let next = selection.next(); next !== undefined && out.length < limit; next = selection.next())
    out.push(next);
  return out;
}

test("model: any sequence of additions, blocks and drops", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { pool, accounts } = world();
      const model: Model = { pooled: new Map(), nonces: Array<number>(SENDERS).fill(0) };
      const forget = (from: number, nonce: number): void => void model.pooled.get(from)?.delete(nonce);
      for (const each of steps) {
        if (each.kind === "add") {
          const signed = fake(each.from, each.nonce, priced(BigInt(each.tip), BigInt(each.cap)));
          const accepted = pool.add(signed).kind === "accepted";
          expect(accepted).toBe(modelAccepts(model, each.from, signed));
          if (!accepted) continue;
          arrival.set(signed.hash, arrival.size);
          const own = model.pooled.get(each.from) ?? new Map<number, SignedTransaction>();
          model.pooled.set(each.from, own.set(each.nonce, signed));
        } else if (each.kind === "mine") {
          const block = drain(pool, each.count);
          expect(block).toEqual(modelSelection(model, each.count));
          for (const { sender, tx } of block) {
            const from = Number(BigInt(sender)) - 1;
            model.nonces[from] = Number(tx.nonce) + 1;
            forget(from, Number(tx.nonce));
            set(accounts, from, tx.nonce + 1n);
          }
          pool.finalized([changesOf(block)]);
        } else if (each.kind === "drop") {
          const all = pool.all();
          const victim = all[each.pick % Math.max(1, all.length)];
          if (victim === undefined) continue;
          expect(pool.drop(victim.hash)).toBe(true);
          forget(Number(BigInt(victim.sender)) - 1, Number(victim.tx.nonce));
        } else {
          // A block brings a transaction of this sender that the pool has never seen.
          const nonce = model.nonces[each.from]!;
          model.nonces[each.from] = nonce + 1;
          forget(each.from, nonce);
          set(accounts, each.from, BigInt(nonce) + 1n);
          pool.finalized([changesOf([fake(each.from, nonce)])]);
        }
        compare(pool, model);
      }
    }),
    { numRuns: 150 },
  );
}, 60_000);

function compare(pool: Pool, model: Model): void {
  const { pending, queued } = pool.content();
  let pendingCount = 0;
  let count = 0;
  for (let from = 0; from < SENDERS; from++) {
    const ready = executable(model, from);
    const own = [...(model.pooled.get(from)?.values() ?? [])].sort((a, b) => Number(a.tx.nonce - b.tx.nonce));
    expect(pending.get(who(from)) ?? []).toEqual(ready);
    expect(queued.get(who(from)) ?? []).toEqual(own.filter((each) => !ready.includes(each)));
    expect(pool.nextNonce(who(from))).toBe(BigInt(model.nonces[from]! + ready.length));
    pendingCount += ready.length;
    count += own.length;
  }
  expect(pool.status()).toEqual({ pending: pendingCount, queued: count - pendingCount, bytes: 120 * count });
}

test("bounds hold whatever comes, and totals are what is held", () => {
  const limits = { globalSlots: 12, globalQueue: 4, globalBytes: 2_500, accountSlots: 2, accountQueue: 3 };
  const addition = fc.record({
    from: fc.nat(9),
    nonce: fc.nat(6),
    tip: fc.integer({ min: 1, max: 30 }),
    bytes: fc.integer({ min: 60, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(addition, { maxLength: 150 }), (additions) => {
      const { pool } = world(limits);
      for (const { from, nonce, tip, bytes } of additions) {
        pool.add(fake(from, nonce, { ...priced(BigInt(tip), BigInt(tip) * 10n * BASE_FEE), bytes }));
        const all = pool.all();
        const { pending, queued, bytes: held } = pool.status();
        expect(pending + queued).toBe(all.length);
        expect(held).toBe(all.reduce((sum, { raw }) => sum + raw.length, 0));
        expect(all.length).toBeLessThanOrEqual(limits.globalSlots + limits.globalQueue);
        expect(held).toBeLessThanOrEqual(limits.globalBytes);
        expect(queued).toBeLessThanOrEqual(limits.globalQueue);
        const sections = pool.content();
        expect([...sections.pending.values()].flat().length).toBe(pending);
        for (const [sender, list] of sections.pending) {
          expect(list.map(({ tx }) => tx.nonce)).toEqual(list.map((_, index) => BigInt(index)));
          expect(pool.nextNonce(sender)).toBe(BigInt(list.length));
        }
      }
    }),
    { numRuns: 100 },
  );
}, 60_000);

test("in-flight transactions are left out and what follows them is not", () => {
  const { pool } = world();
  const list = [0, 1, 2].map((nonce) => fake(0, nonce));
  for (const each of list) pool.add(each);
  const inFlight = new Set([list[0]!.hash, list[1]!.hash]);
  const selection = pool.select({ baseFeePerGas: BASE_FEE, blobBaseFee: 0n, inFlight });
  expect(selection.next()).toBe(list[2]!);
  expect(selection.next()).toBeUndefined();
});

test("a sender that is skipped gives nothing more", () => {
  const { pool } = world();
  for (const each of [fake(0, 0, priced(20n)), fake(0, 1, priced(20n)), fake(1, 0)]) pool.add(each);
  const selection = pool.select({ baseFeePerGas: BASE_FEE, blobBaseFee: 0n, inFlight: new Set() });
  expect(selection.next()?.sender).toBe(who(0));
  selection.skip(who(0));
  expect(selection.next()?.sender).toBe(who(1));
  expect(selection.next()).toBeUndefined();
});

test("refreshing after a rollback gives earlier nonces back", () => {
  const { pool, accounts } = world();
  set(accounts, 0, 2n);
  pool.add(fake(0, 2));
  expect(pool.status()).toMatchObject({ pending: 1, queued: 0 });
  set(accounts, 0, 1n);
  pool.refresh();
  expect(pool.status()).toMatchObject({ pending: 0, queued: 1 });
  pool.add(fake(0, 1));
  expect(pool.status()).toMatchObject({ pending: 2, queued: 0 });
});

test("sign helper and pool agree on a real transaction", () => {
  const { pool, accounts } = world();
  accounts.set(testAddress(0), { nonce: 0n, balance: RICH, codeHash: EMPTY_CODE_HASH });
  const { tx } = fake(0, 0);
  expect(messageOf(pool, sign(tx, testSecret(0)))).toBeUndefined();
});
