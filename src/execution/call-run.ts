// One run of a message call that is no transaction, in a World of its own that is thrown away. What eth_call,
// eth_estimateGas and eth_createAccessList make of such runs is in the files named after them.
import type { StateReader } from "#state/types.ts";
import type { Address, Hash } from "#types/ids.ts";
import { blobBaseFee, GAS_PER_BLOB } from "./fees.ts";
import type { ForkFeatures } from "./forks.ts";
import { intrinsicGas } from "./intrinsic.ts";
import { createMachine, type Machine, type MachineShelf } from "./machine.ts";
import { isAbandoned } from "./meter.ts";
import { applyStateOverrides, overrideBlock, overrideHashes, precompileMoves } from "./overrides.ts";
import { blobScheduleOf, forkOf } from "./rules.ts";
import { applyMessage, type Envelope, type MessageOutcome } from "./transition.ts";
import type {
  BlockEnv,
  BlockHashes,
  CallBudget,
  CallContext,
  CallOptions,
  CallOutcome,
  CallRequest,
  CallResult,
  ChainRules,
  Rejection,
  StateOverrides,
} from "./types.ts";
import { World } from "./world.ts";

const NO_OVERRIDES: StateOverrides = new Map();

/** Slots that a call found cold, by account. */
export type Accessed = ReadonlyMap<Address, ReadonlySet<Hash>>;

export interface CallRun {
  readonly result: CallResult;
  readonly accessed: Accessed;
  /** Contracts made by the call, its own creation included. */
  readonly created: ReadonlySet<Address>;
}

/** Runs calls on one fixed context and budget. */
export interface CallRunner {
  readonly fork: ForkFeatures;
  readonly env: BlockEnv;
  readonly rules: ChainRules;
  readonly precompiles: ReadonlySet<Address>;
  balanceOf(at: Address): bigint;
  hasCode(at: Address): boolean;
  run(request: CallRequest): Promise<CallRun>;
}

const NOTHING_ACCESSED: Accessed = new Map();
const NOTHING_CREATED: ReadonlySet<Address> = new Set();

function rejected(rejection: Rejection): CallRun {
  return { result: { status: "rejected", rejection }, accessed: NOTHING_ACCESSED, created: NOTHING_CREATED };
}

function outcomeOf(outcome: MessageOutcome): CallOutcome {
  const { ending, output, gasUsed, gasRefunded, logs } = outcome;
  return { ...ending, output, gasUsed, gasRefunded, logs };
}

/** A reader that asks another one at most once: several runs of one call read the same things. */
function remembering(reader: StateReader): StateReader {
  const remember = <K extends unknown[], V>(read: (...key: K) => V): ((...key: K) => V) => {
    const known = new Map<string, V>();
    return (...key) => {
      const text = key.join();
      const hit = known.get(text);
      if (hit !== undefined || known.has(text)) return hit as V;
      const value = read(...key);
      known.set(text, value);
      return value;
    };
  };
  return {
    account: remember((at) => reader.account(at)),
    storage: remember((at, slot) => reader.storage(at, slot)),
    code: remember((codeHash) => reader.code(codeHash)),
    hasStorage: remember((at) => reader.hasStorage(at)),
  };
}

class Runner implements CallRunner {
  readonly fork: ForkFeatures;
  readonly env: BlockEnv;
  readonly rules: ChainRules;
  readonly #reader: StateReader;
  readonly #hashes: BlockHashes;
  readonly #overrides: StateOverrides;
  readonly #budget: CallBudget | undefined;
  readonly #machine: Machine;

  constructor(
    rules: ChainRules,
    context: CallContext,
    options: CallOptions,
    machine: Machine,
    fork: ForkFeatures,
  ) {
    this.rules = rules;
    this.fork = fork;
    this.#machine = machine;
    this.#reader = remembering(context.state);
    this.#overrides = options.stateOverrides ?? NO_OVERRIDES;
    this.#budget = options.budget;
    const block = options.blockOverrides ?? {};
    this.env = overrideBlock(context.env, block);
    this.#hashes = overrideHashes(context.hashes, block);
  }

  get precompiles(): ReadonlySet<Address> {
    return this.#machine.precompiles;
  }

  #freshWorld(): World {
    const world = new World(this.#reader, this.#machine.precompiles);
    world.begin();
    applyStateOverrides(world, this.#overrides);
    return world;
  }

  balanceOf(at: Address): bigint {
    return this.#freshWorld().entry(at).balance;
  }

  hasCode(at: Address): boolean {
    const world = this.#freshWorld();
    return world.code(world.entry(at)).length > 0;
  }

  /** A call that pays nothing sees a base fee of nothing, as geth has it. */
  #envFor(request: CallRequest): BlockEnv {
    const free = request.gasPrice === 0n ? { baseFeePerGas: 0n } : {};
    const freeBlobs = (request.maxFeePerBlobGas ?? 0n) === 0n ? { blobBaseFee: 0n } : {};
    return { ...this.env, ...free, ...freeBlobs };
  }

  #envelope(request: CallRequest, env: BlockEnv): Envelope {
    const { from, to, value, data, gas, gasPrice } = request;
    const accessList = request.accessList ?? [];
    const authorizationList = request.authorizationList ?? [];
    const blobVersionedHashes = request.blobVersionedHashes ?? [];
    const blobPrice =
      env.blobBaseFee ?? blobBaseFee(env.excessBlobGas, blobScheduleOf(this.rules, this.fork));
    const isCreate = to === undefined;
    return {
      sender: from,
      to,
      value,
      data,
      gasLimit: gas,
      gasPrice,
      blobFee: BigInt(blobVersionedHashes.length) * GAS_PER_BLOB * blobPrice,
      accessList,
      blobVersionedHashes,
      authorizationList,
      intrinsic: intrinsicGas(this.fork, { data, isCreate, accessList, authorizationList }),
    };
  }

  #reject(world: World, message: Envelope): Rejection | undefined {
    const { sender, gasLimit, gasPrice, blobFee, value, intrinsic } = message;
    const { balance } = world.entry(sender);
    const cost = gasLimit * gasPrice + blobFee + value;
    if (balance < cost) {
      const text = `insufficient funds for gas * price + value: address ${sender} have ${balance} want ${cost}`;
      return { code: "INSUFFICIENT_FUNDS", message: text };
    }
    if (gasLimit < intrinsic.gas) {
      const text = `intrinsic gas too low: have ${gasLimit}, want ${intrinsic.gas}`;
      return { code: "INTRINSIC_GAS", message: text };
    }
    if (gasLimit < intrinsic.floor) {
      const text = `insufficient gas for floor data gas cost: have ${gasLimit}, want ${intrinsic.floor}`;
      return { code: "FLOOR_GAS", message: text };
    }
    return undefined;
  }

  async run(request: CallRequest): Promise<CallRun> {
    const world = this.#freshWorld();
    const env = this.#envFor(request);
    const message = this.#envelope(request, env);
    const rejection = this.#reject(world, message);
    if (rejection !== undefined) return rejected(rejection);
    const machine = this.#machine;
    machine.attach(world, env, this.#hashes);
    machine.meter?.start(this.#budget);
    const site = { machine, world, fork: this.fork, env, chainId: this.rules.chainId, recordAccesses: true };
    const outcome = await applyMessage(site, message);
    return { result: outcomeOf(outcome), accessed: world.accessed(), created: world.created() };
  }
}

/** Runs `work` with a runner whose machine goes back to the shelf unless the call was abandoned in the middle. */
export async function withRunner<T>(
  shelf: MachineShelf,
  rules: ChainRules,
  context: CallContext,
  options: CallOptions,
  work: (runner: CallRunner) => Promise<T>,
): Promise<T | { readonly status: "abandoned" }> {
  const env = overrideBlock(context.env, options.blockOverrides ?? {});
  const fork = forkOf(rules, env.number, env.timestamp);
  const machine = shelf.take(fork);
  const moves = precompileMoves(options.stateOverrides ?? NO_OVERRIDES, machine.precompiles);
  const used = moves === undefined ? machine : createMachine(fork, rules, { metered: true, moves });
  try {
    const result = await work(new Runner(rules, context, options, used, fork));
    shelf.giveBack(fork, machine);
    return result;
  } catch (thrown) {
    if (isAbandoned(thrown)) return { status: "abandoned" };
    throw thrown;
  }
}
