// The true ledger behind the simulator: every node has a chain, an executor and a store of its own, through the very
// adapter that validators use. Keys, links, clocks and vote journals stay simulated. Nothing here waits for time: what
// the chain works on is awaited between two events, and its answers become events in the order they were asked for.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chain, openChain } from "#chain/chain.ts";
import { parseGenesis } from "#chain/genesis-file.ts";
import { encodePosition } from "#chain/header-rules.ts";
import { DEFAULT_POOL_OPTIONS } from "#chain/pool-types.ts";
import { headerHash } from "#crypto/digest.ts";
import { keccakHash } from "#crypto/hash.ts";
import { createExecutor } from "#execution/executor.ts";
import { chainRules } from "#execution/rules.ts";
import type { BlockExecutor } from "#execution/types.ts";
import {
  bodyOf,
  type ChainBody,
  createChainApplication,
  openChainBody,
} from "#node/consensus/chain-application.ts";
import type { ApplicationPort } from "#node/consensus/ports.ts";
import { openStateDb } from "#state/state.ts";
import type { StateDb } from "#state/types.ts";
import { NO_BOOTSTRAP } from "#types/genesis.ts";
import { bytesOf, type Hash, height, ZERO_ADDRESS } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import devnet from "../../genesis/devnet.json" with { type: "json" };
import { testAddress, transfer } from "../support/chain.ts";
import type { ChainDisk, SimBody, SimChainHooks } from "./chain.ts";
import { Violation } from "./checkers.ts";
import { digestOf } from "./stand-in.ts";

const SENDERS = 4;
const MAX_TRANSFERS = 48;
const GAS_LIMIT = 30_000_000n;
/** Two valid blocks with the same transactions differ in what their proposer says of the gas limit, within its bounds. */
const GAS_LIMIT_CHOICES = 1_000;
/** A SQLite file that a killed process leaves behind: all but the shared memory, which SQLite makes anew. */
const SHARED_MEMORY = "-shm";

interface RealBody extends SimBody, ChainBody {}

function readGenesis(): ReturnType<typeof parseGenesis> {
  const funded = Array.from({ length: SENDERS }, (_, i) => [
    testAddress(i),
    { balance: "0x21e19e0c9bab2400000" },
  ]);
  return parseGenesis({
    ...devnet,
    timestamp: "0x0",
    alloc: { ...devnet.alloc, ...Object.fromEntries(funded) },
  });
}

const GENESIS = readGenesis();
const RULES = chainRules({ chainId: GENESIS.chainId, forks: GENESIS.forks });
/** One executor per slot, kept from schedule to schedule: it holds no state between blocks. */
const executors: BlockExecutor[] = [];
const transfers: SignedTransaction[] = [];
let template: { readonly files: readonly (readonly [string, Uint8Array])[]; readonly hash: Hash } | undefined;

function root(): string {
  const memory = "/dev/shm";
  return mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), `kora-sim-${process.pid}-`));
}

/** The `index`-th transfer of every schedule; signed once. */
export function transferAt(index: number): SignedTransaction | undefined {
  if (index >= MAX_TRANSFERS) return undefined;
  const from = index % SENDERS;
  const nonce = Math.floor(index / SENDERS);
  transfers[index] ??= transfer({ from, nonce, chainId: GENESIS.chainId, to: testAddress(50 + index) });
  return transfers[index];
}

function openOver(state: StateDb, executor: BlockExecutor, monotonic: () => number): Chain {
  return openChain({
    state,
    genesis: GENESIS,
    bootstrap: NO_BOOTSTRAP,
    rules: RULES,
    executor,
    maxBlockBytes: 2 * 1024 * 1024,
    maxTxs: 100,
    leader: () => ({ feeRecipient: ZERO_ADDRESS, gasLimit: GAS_LIMIT }),
    pool: DEFAULT_POOL_OPTIONS,
    journal: undefined,
    monotonic,
    report: (error) => {
      throw error;
    },
  });
}

/** Genesis as a store has it on its disk: written once, copied for every node. */
function genesisFiles(): NonNullable<typeof template> {
  if (template !== undefined) return template;
  const directory = root();
  try {
    const state = openStateDb({ directory });
    const { genesisHash: hash } = openOver(state, createExecutor(RULES), () => 0);
    state.close();
    const files = readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))] as const);
    template = { files, hash };
    return template;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function realBody(body: ChainBody, corrupt = false, salt = 0): RealBody {
  return { ...body, corrupt, salt };
}

/** What was asked of a chain and is not answered yet. */
interface Work {
  readonly answered: Promise<void>;
  /** Hands the answer to the node, as an event of virtual time. */
  resume(): void;
}

/** A running node's chain. */
interface Opened {
  readonly state: StateDb;
  readonly chain: Chain;
  readonly directory: string;
}

export interface LedgerHooks extends SimChainHooks {
  /** Monotonic ms of this node. */
  now(): number;
}

export interface Ledger {
  readonly genesis: Hash;
  /** R13, as the chain has it. */
  randao(seed: Uint8Array | undefined): Hash;
  /** Starts the node in `slot`: on what its last life left on the disk, if it had one. */
  boot(slot: number, disk: ChainDisk, hooks: LedgerHooks): ApplicationPort<SimBody>;
  /** Gives a running node a transaction. */
  submit(slot: number, transaction: SignedTransaction): void;
  /** Whether this node's blocks would take any transaction now. */
  pending(slot: number): boolean;
  /** A body after its way over the wire; undefined: no body. */
  reopened(slot: number, body: SimBody): SimBody | undefined;
  /** A rogue's block: `like` with other facts and a true hash. */
  variant(like: SimBody, change: Partial<SimBody["facts"]>, corrupt: boolean, salt: number): SimBody;
  /** Waits until no chain works on anything. */
  settle(): Promise<void>;
  /** Blocks' transactions that are final on the longest chain. */
  transfers(): number;
  close(): void;
}

/** Chains for one schedule. */
export function createLedger(): Ledger {
  return new RealLedger();
}

class RealLedger implements Ledger {
  readonly genesis: Hash = genesisFiles().hash;
  readonly #root = root();
  readonly #nodes: (Opened | undefined)[] = [];
  readonly #roots = new Map<number, Hash>();
  readonly #work: Work[] = [];
  #lives = 0;
  #included = 0;
  #failure: { readonly error: unknown } | undefined;

  randao(seed: Uint8Array | undefined): Hash {
    return keccakHash(seed ?? bytesOf(this.genesis));
  }

  boot(slot: number, disk: ChainDisk, hooks: LedgerHooks): ApplicationPort<SimBody> {
    const directory = join(this.#root, `${slot}-${++this.#lives}`);
    const before = this.#nodes[slot];
    mkdirSync(directory);
    if (before === undefined) {
      for (const [name, bytes] of genesisFiles().files) writeFileSync(join(directory, name), bytes);
    } else {
      // The image is taken while the old process still has its files open: nothing of a clean end is in it.
      const filter = (path: string): boolean => !path.endsWith(SHARED_MEMORY);
      cpSync(before.directory, directory, { recursive: true, filter });
    }
    this.#closeNode(slot);
    const state = openStateDb({ directory });
    executors[slot] ??= createExecutor(RULES);
    const chain = openOver(state, executors[slot], hooks.now);
    this.#nodes[slot] = { state, chain, directory };
    const last = disk.blocks.at(-1)?.facts.digest ?? this.genesis;
    if (state.head().hash !== last) {
      throw new Violation("S11", `slot ${slot} acknowledged ${last} and comes back at ${state.head().hash}`);
    }
    return this.#port(slot, chain, disk, hooks);
  }

  #port(slot: number, chain: Chain, disk: ChainDisk, hooks: LedgerHooks): ApplicationPort<SimBody> {
    const application = createChainApplication({
      chain,
      clock: { now: hooks.now, wall: hooks.wall },
      fail: (error) => {
        this.#failure ??= { error };
        this.#giveUp();
      },
    });
    const archived = (digest: Hash): SimBody | undefined => {
      const body = application.body(digest);
      return body && realBody(body);
    };
    return {
      build: (request, done) => {
        hooks.pulse();
        const resume = this.#ask<ChainBody | undefined>((body) =>
          hooks.after(hooks.buildTime(), () => done(body && realBody(body))),
        );
        application.build(request, resume);
      },
      verify: (body, done) => {
        hooks.pulse();
        application.verify(
          body as RealBody,
          this.#ask((verdict) => hooks.after(hooks.verifyTime(), () => done(verdict))),
        );
      },
      finalize: (body, certificate, done) => {
        hooks.pulse();
        hooks.finalized(body);
        const resume = this.#ask<void>(() => {
          hooks.after(hooks.finalizeTime(), () => {
            hooks.pulse();
            hooks.durable(body);
            done();
          });
        });
        application.finalize(body as RealBody, certificate, () => {
          // What is durable is so whether or not the process lives to hear of it.
          disk.blocks.push(body);
          disk.heights.set(body.facts.digest, body.facts.height);
          this.#compare(slot, body as RealBody);
          resume();
        });
      },
      tip: application.tip,
      heightOf: application.heightOf,
      isFinal: application.isFinal,
      body: archived,
      certifiedTip: application.certifiedTip,
    };
  }

  /** S1 on real digests: what the store holds is what was agreed on, here and everywhere. */
  #compare(slot: number, { block }: RealBody): void {
    const { number, stateRoot } = block.header;
    const opened = this.#nodes[slot] as Opened;
    const head = opened.state.head();
    const root = this.#roots.get(number);
    if (head.height !== number || head.hash !== block.hash || head.root !== stateRoot) {
      this.#fail(
        "S1",
        `slot ${slot} holds ${head.height}/${head.hash}/${head.root}, final is ${number}/${block.hash}`,
      );
    }
    if (root === undefined) {
      this.#roots.set(number, head.root);
      this.#included += block.transactions.length;
    } else if (root !== head.root)
      this.#fail("S1", `slot ${slot} has another state root at height ${number}`);
    for (const { tx, sender } of block.transactions) {
      if ((opened.state.latest().account(sender)?.nonce ?? 0n) <= tx.nonce)
        this.#fail("S1", `slot ${slot} made a transfer final whose sender's nonce did not move`);
    }
  }

  #fail(rule: string, what: string): void {
    this.#failure ??= { error: new Violation(rule, what) };
  }

  readonly #givingUp = new Set<() => void>();

  #giveUp(): void {
    for (const settle of this.#givingUp) settle();
  }

  /** Notes that an answer is owed; `take` gets it once every chain is at rest. */
  #ask<T>(take: (answer: T) => void): (answer: T) => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    let given: { readonly answer: T } | undefined;
    this.#givingUp.add(resolve);
    this.#work.push({
      answered: promise,
      resume: () => {
        this.#givingUp.delete(resolve);
        if (given !== undefined) take(given.answer);
      },
    });
    return (answer) => {
      given = { answer };
      resolve();
    };
  }

  async settle(): Promise<void> {
    for (let work = this.#work.shift(); work !== undefined; work = this.#work.shift()) {
      await work.answered;
      if (this.#failure !== undefined) throw this.#failure.error;
      work.resume();
    }
  }

  submit(slot: number, transaction: SignedTransaction): void {
    this.#nodes[slot]?.chain.pool.add(transaction);
  }

  pending(slot: number): boolean {
    return this.#nodes[slot]?.chain.pool.hasExecutable() ?? false;
  }

  reopened(slot: number, body: SimBody): SimBody | undefined {
    const chain = this.#nodes[slot]?.chain;
    const opened = chain && openChainBody(chain, (body as RealBody).bytes);
    return opened && realBody(opened, body.corrupt, body.salt);
  }

  variant(like: SimBody, change: Partial<SimBody["facts"]>, corrupt: boolean, salt: number): SimBody {
    const { block } = like as RealBody;
    const facts = { ...like.facts, ...change };
    const header = {
      ...block.header,
      parentHash: facts.parent,
      number: height(facts.height),
      extraData: encodePosition(facts),
      mixHash: facts.prevRandao,
      timestamp: facts.timestamp,
      gasLimit: block.header.gasLimit - BigInt(1 + (salt % GAS_LIMIT_CHOICES)),
      stateRoot: corrupt ? digestOf(salt, 3) : block.header.stateRoot,
    };
    return realBody(bodyOf({ ...block, header, hash: headerHash(header) }), corrupt, salt);
  }

  transfers(): number {
    return this.#included;
  }

  #closeNode(slot: number): void {
    const opened = this.#nodes[slot];
    if (opened === undefined) return;
    this.#nodes[slot] = undefined;
    opened.state.close();
    rmSync(opened.directory, { recursive: true, force: true });
  }

  close(): void {
    for (let slot = 0; slot < this.#nodes.length; slot++) this.#closeNode(slot);
    rmSync(this.#root, { recursive: true, force: true });
  }
}
