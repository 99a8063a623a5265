// A whole chain for tests: real store in a temporary directory (or a given one), real executor, funded keys, and a
// producer that makes one block when told. Time is a counter.
import { type Chain, type ChainOptions, openChain } from "#chain/chain.ts";
import { parseGenesis } from "#chain/genesis-file.ts";
import { positionOf } from "#chain/header-rules.ts";
import { DEV_POOL_OPTIONS, type PoolOptions } from "#chain/pool-types.ts";
import type { MakeBlock } from "#chain/ports.ts";
import { keccak256, keccakHash } from "#crypto/hash.ts";
import { secretToAddress, signDigest } from "#crypto/secp256k1.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import { EMPTY_BYTES, utf8 } from "#lib/bytes.ts";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import { type BootstrapConfig, type Genesis, NO_BOOTSTRAP } from "#types/genesis.ts";
import { type Address, ZERO_ADDRESS } from "#types/ids.ts";
import {
  encodeTransaction,
  type SignedTransaction,
  signingPayload,
  type Transaction,
} from "#types/transaction.ts";

export const TEST_CHAIN_ID = 31337n;
export const GWEI = 1_000_000_000n;
export const ETHER: bigint = 10n ** 18n;

/** The `index`-th test key: 32 bytes. */
export function testSecret(index: number): Uint8Array {
  return keccak256(utf8(`kora test key ${index}`));
}
export function testAddress(index: number): Address {
  return secretToAddress(testSecret(index));
}

const NO_SIGNATURE = { yParity: 0, r: 0n, s: 0n };

/** Signs any transaction fields with a test key. */
export function sign(tx: Omit<Transaction, "signature">, secret: Uint8Array): SignedTransaction {
  const unsigned = { ...tx, signature: NO_SIGNATURE } as Transaction;
  const signature = signDigest(keccak256(signingPayload(unsigned)), secret);
  const signed = { ...tx, signature } as Transaction;
  const raw = encodeTransaction(signed);
  return { tx: signed, raw, hash: keccakHash(raw), sender: secretToAddress(secret) };
}

export interface Transfer {
  readonly from: number;
  readonly nonce: bigint | number;
  readonly to?: Address | undefined;
  readonly value?: bigint;
  readonly tip?: bigint;
  readonly feeCap?: bigint;
  readonly gas?: bigint;
  readonly data?: Uint8Array;
  readonly chainId?: bigint;
}

/** A dynamic-fee transaction of a test key; a plain transfer by default. */
export function transfer(fields: Transfer): SignedTransaction {
  return sign(
    {
      type: 2,
      chainId: fields.chainId ?? TEST_CHAIN_ID,
      nonce: BigInt(fields.nonce),
      maxPriorityFeePerGas: fields.tip ?? GWEI,
      maxFeePerGas: fields.feeCap ?? 100n * GWEI,
      gasLimit: fields.gas ?? 21_000n,
      to: "to" in fields ? fields.to : testAddress(99),
      value: fields.value ?? 1n,
      data: fields.data ?? EMPTY_BYTES,
      accessList: [],
    } as Omit<Transaction, "signature">,
    testSecret(fields.from),
  );
}

/** A genesis with `accounts` test keys holding 10,000 ether each. */
export function testGenesis(accounts = 10, extra: Record<string, unknown> = {}): Genesis {
  return parseGenesis({
    chain_id: Number(TEST_CHAIN_ID),
    timestamp: 1_000,
    dev: true,
    allocations: Array.from({ length: accounts }, (_, index) => ({
      address: testAddress(index),
      balance: (10_000n * ETHER).toString(),
    })),
    ...extra,
  });
}

export interface TestChainOptions {
  readonly directory?: string;
  readonly genesis?: Genesis;
  readonly bootstrap?: BootstrapConfig;
  readonly pool?: Partial<PoolOptions>;
  readonly maxTxs?: number;
  readonly maxBlockBytes?: number;
  /** Of genesis and of what the leader aims at. */
  readonly gasLimit?: bigint;
  readonly journal?: ChainOptions["journal"];
  readonly senders?: ChainOptions["senders"];
  readonly state?: StateDb;
}

export interface TestChain extends Chain {
  readonly state: StateDb;
  readonly executor: ChainOptions["executor"];
  /** Milliseconds, moved by tests. */
  readonly clock: { now: number };
  produce(): Promise<Block>;
  close(): void;
}

/** Seed signature of a round: any bytes that depend on the round do. */
export function testSeed(epoch: number, view: number): Uint8Array {
  return keccak256(utf8(`seed ${epoch} ${view}`));
}

type Producing = Pick<TestChain, "application" | "ledger" | "epoch">;

/** One block on the finalized tip through the interface that consensus uses: propose, verify, finalize. */
async function produceBlock(chain: Producing, now: number, expired: () => boolean): Promise<Block> {
  const { application, ledger } = chain;
  const tip = ledger.tip();
  const before = positionOf(tip.header);
  const epoch = Math.max(chain.epoch(), before.epoch);
  const parentView = epoch === before.epoch ? before.view : 0;
  const view = parentView + 1;
  const block = await application.propose(tip.hash, { epoch, view, parentView, now, expired });
  if (block === undefined) throw new Error("the finalized tip can always be built on");
  const verdict = await application.verify(block);
  if (verdict.kind !== "valid") throw new Error(`an own block is valid: ${JSON.stringify(verdict)}`);
  await application.finalize(block.hash, { certificate: undefined, seed: testSeed(epoch, view) });
  return block;
}

export function openTestChain(options: TestChainOptions = {}): TestChain {
  const gasLimit = options.gasLimit ?? 30_000_000n;
  const genesis = { ...(options.genesis ?? testGenesis()), gasLimit };
  const rules = chainRules({ chainId: genesis.chainId, forks: genesis.forks, transactionGasCap: false });
  const executor = createExecutor(rules);
  const state = options.state ?? openStateDb({ directory: options.directory });
  const clock = { now: 0 };
  const chain = openChain({
    state,
    genesis,
    bootstrap: options.bootstrap ?? NO_BOOTSTRAP,
    rules,
    executor,
    maxBlockBytes: options.maxBlockBytes ?? 2 * 1024 * 1024,
    maxTxs: options.maxTxs ?? 10_000,
    leader: () => ({ feeRecipient: ZERO_ADDRESS, gasLimit }),
    pool: { ...DEV_POOL_OPTIONS, ...options.pool },
    journal: options.journal,
    ...(options.senders && { senders: options.senders }),
    monotonic: () => clock.now,
    report: (error) => {
      throw error;
    },
  });
  const produce = (): Promise<Block> => produceBlock(chain, 0, () => false);
  return { ...chain, state, executor, clock, produce, close: () => state.close() };
}

/** Blocks through the chain's own interface, without consensus beneath. */
export function testMakeBlock(chain: Producing): MakeBlock {
  return ({ now, buildMs }) => {
    const end = performance.now() + buildMs;
    return produceBlock(chain, now, () => performance.now() > end);
  };
}
