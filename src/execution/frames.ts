// Frames of the EVM over a World: the loop that steps through code, and what surrounds it in calls. In place of the
// library's, which wait at every opcode and copy at every call what the transaction logged, made and destroyed before.
// Which opcodes there are and what they do is the library's; what surrounds a creation's code too.
import { Common, Mainnet } from "@ethereumjs/common";
import { EVM, EVMError, type PrecompileFunc } from "@ethereumjs/evm";
import { assert } from "#lib/assert.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { type Late, late } from "#lib/late.ts";
import { type Address, type Hash, hash } from "#types/ids.ts";
import { keyedAddress, keyOf, viewOf } from "./adapter.ts";
import type { Analyses, Analysis } from "./analysis.ts";
import { delegationOf } from "./authorization.ts";
import {
  type CreationMessage,
  type FrameEnv,
  type Interpreter,
  type InterpreterClass,
  type LibraryAddress,
  type OpcodeEntry,
  opcodesOf,
} from "./library.ts";
import type { World } from "./world.ts";

const { REVERT, STOP, OUT_OF_GAS, INVALID_OPCODE, VALUE_OVERFLOW, INSUFFICIENT_BALANCE } =
  EVMError.errorMessages;
const MAX_BALANCE: bigint = (1n << 256n) - 1n;
/** Frames that run in each other without waiting: the runtime's own stack is not as deep as the EVM's. */
const FRAMES_WITHOUT_WAITING = 32;

/** A call of an account or a precompile. */
export interface FrameCall {
  readonly caller: Address;
  /** The account that it runs as. */
  readonly to: Address;
  /** The account whose code runs. */
  readonly codeAddress: Address;
  /** Wei that the code sees; moved unless `keepsValue`. */
  readonly value: bigint;
  readonly keepsValue: boolean;
  readonly data: Uint8Array;
  readonly gas: bigint;
  readonly depth: number;
  readonly isStatic: boolean;
  /** The transaction's counter of refunds before it. */
  readonly refund: bigint;
  readonly blobVersionedHashes: readonly string[];
}

/** How a frame ended. */
export interface FrameOutcome {
  /** Why it failed: the EVM's own error, or what a precompile handed on. */
  readonly error: object | undefined;
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
  /** The transaction's counter of refunds after it; as before where it failed. */
  readonly refund: bigint;
  /** The last opcode that ran; undefined where no code did. */
  readonly opcode: number | undefined;
}

/** What all frames of a message see. */
export interface FrameContext {
  readonly block: unknown;
  readonly gasPrice: bigint;
  readonly origin: LibraryAddress;
}

/** What the frames of one EVM share. */
export interface FrameTools {
  readonly evm: EVM;
  readonly analyses: Analyses;
  /** EIP-7702 applies. */
  readonly delegations: boolean;
  readonly world: () => World;
  readonly context: () => FrameContext;
}

/** Whether an error gives the rest of the gas back, and its output to the caller. */
export const isRevert = (error: object): boolean => "error" in error && error.error === REVERT;

/** In place of the sets that the library copies for each frame: the World's, which takes back what is reverted. */
function setsOf(world: () => World): { readonly destroyed: unknown; readonly created: unknown } {
  const nothing = (): Iterator<never> => [].values();
  return {
    destroyed: {
      has: (at: string) => world().isDestroyed(at as Address),
      set: (at: string) => world().noteDestruction(at as Address),
      [Symbol.iterator]: nothing,
    },
    created: {
      has: (at: string) => world().isBorn(at as Address),
      // It was noted before its code ran, when its storage was cleared.
      add() {},
      [Symbol.iterator]: nothing,
    },
  };
}

/** What a frame runs. */
interface Entered {
  readonly env: FrameEnv;
  readonly gas: bigint;
  /** Undefined for a creation's code. */
  readonly codeHash: Hash | undefined;
}

/** What frames share, with what stands in for the library's sets. */
interface Shared extends FrameTools {
  readonly destroyed: unknown;
  readonly created: unknown;
}

function outcomeOf(
  { _runState, _env, _result }: Interpreter,
  gas: bigint,
  error: EVMError | undefined,
): FrameOutcome {
  return {
    error,
    output: _result.returnValue ?? EMPTY_BYTES,
    gasUsed: error === undefined || isRevert(error) ? gas - _runState.gasLeft : gas,
    refund: error === undefined ? _runState.gasRefund : _env.gasRefund,
    opcode: _runState.opCode,
  };
}

type FrameClass = new (shared: Shared, entered: Entered) => { execute(): Promise<FrameOutcome> };

function frameClass(Library: InterpreterClass): FrameClass {
  return class extends Library {
    readonly #shared: Shared;
    readonly #entered: Entered;
    readonly #opcodes: readonly OpcodeEntry[];
    readonly #common: Common;
    #analysis: Analysis | undefined;
    /** The opcode whose price is waited for. */
    #priced: OpcodeEntry | undefined;

    constructor(shared: Shared, entered: Entered) {
      const { evm, destroyed, created } = shared;
      super(evm, evm.stateManager, evm.blockchain, entered.env, entered.gas, evm.journal);
      this.#shared = shared;
      this.#entered = entered;
      this.#opcodes = opcodesOf(evm);
      this.#common = evm.common;
      this._runState.code = entered.env.code;
      this._result.selfdestruct = destroyed;
      this._result.createdAddresses = created;
    }

    /** What can be said of the code; for opcodes. */
    get analysis(): Analysis {
      const { env, codeHash } = this.#entered;
      this.#analysis ??= this.#shared.analyses.of(env.code, codeHash);
      return this.#analysis;
    }

    /** Runs the code to its end. */
    async execute(): Promise<FrameOutcome> {
      let error: EVMError | undefined;
      try {
        let pending = this.#advance();
        while (pending !== undefined) {
          const answer = await pending;
          const entry = this.#priced;
          this.#priced = undefined;
          const next = entry === undefined ? undefined : this.#step(entry, answer as bigint);
          pending = next ?? this.#advance();
        }
      } catch (thrown) {
        if (!(thrown instanceof EVMError)) throw thrown;
        // Self-destruction ends a frame so.
        if (thrown.error !== STOP) error = thrown;
      }
      return outcomeOf(this, this.#entered.gas, error);
    }

    /** Runs until an opcode has to wait, and answers what for; undefined at the end of the code. */
    #advance(): Promise<unknown> | undefined {
      const runState = this._runState;
      const { code } = runState;
      while (runState.programCounter < code.length) {
        const opcode = code[runState.programCounter] as number;
        runState.opCode = opcode;
        const entry = this.#opcodes[opcode] as OpcodeEntry;
        let gas = entry.opcodeInfo.feeBigInt;
        if (entry.opcodeInfo.dynamicGas) {
          const answer = entry.gasHandler(runState, gas, this.#common);
          // The library declares all of its own async, and few of them wait.
          const known = Bun.peek(answer);
          if (typeof known !== "bigint") {
            this.#priced = entry;
            return answer as Promise<bigint>;
          }
          gas = known;
        }
        const pending = this.#step(entry, gas);
        if (pending !== undefined) return pending;
      }
      return undefined;
    }

    /** Pays for an opcode and runs it; answers what it waits for. */
    #step(entry: OpcodeEntry, gas: bigint): Promise<void> | undefined {
      const runState = this._runState;
      if (entry.opcodeInfo.isInvalid) throw new EVMError(INVALID_OPCODE);
      runState.gasLeft -= gas;
      if (runState.gasLeft < 0n) {
        runState.gasLeft = 0n;
        throw new EVMError(OUT_OF_GAS);
      }
      runState.programCounter++;
      return entry.opHandler(runState, this.#common) as Promise<void> | undefined;
    }

    /** The library's door to all logs. */
    log(data: Uint8Array, _count: number, topics: readonly Uint8Array[]): void {
      const at = keyOf(this._env.address);
      this.#shared.world().addLog({ address: at, topics: topics.map((topic) => hash(topic)), data });
    }
  };
}

/** The library's class of frames: a contract that stops shows it. */
async function findInterpreter(): Promise<InterpreterClass> {
  let found: unknown;
  const stateManager = { getAccount: async () => undefined } as unknown as EVM["stateManager"];
  const evm = new EVM({ common: new Common({ chain: Mainnet }), stateManager });
  const table = opcodesOf(evm);
  const stop = table[0] as OpcodeEntry;
  table[0] = {
    ...stop,
    opHandler(runState, common) {
      found = runState.interpreter.constructor;
      return stop.opHandler(runState, common);
    },
  };
  await evm.runCode({ code: new Uint8Array(1) });
  assert(found !== undefined, "code that stops runs in a frame");
  return found as InterpreterClass;
}

const Frame: Late<FrameClass> = late(async () => frameClass(await findInterpreter()));

/** What frames need before the first one. */
export async function loadFrames(): Promise<void> {
  if (!Frame.loaded) await Frame.load();
}

/** Moves a call's value, or answers why not. The receiver counts as touched in any case (EIP-161). */
function transfer(world: World, { caller, to, value }: FrameCall): EVMError | undefined {
  const target = world.entry(to);
  if (value === 0n && target.exists) {
    world.touch(target);
    return undefined;
  }
  const source = world.entry(caller);
  if (source.balance < value) return new EVMError(INSUFFICIENT_BALANCE);
  world.setBalance(source, source.balance - value);
  if (target.balance + value > MAX_BALANCE) return new EVMError(VALUE_OVERFLOW);
  world.setBalance(target, target.balance + value);
  return undefined;
}

/** An end without code. */
function ended(call: FrameCall, error: object | undefined, gasUsed = 0n, output = EMPTY_BYTES): FrameOutcome {
  return { error, output, gasUsed, refund: call.refund, opcode: undefined };
}

type PrecompileResult = Awaited<ReturnType<PrecompileFunc>>;

/** The frames of one EVM; only after `loadFrames`. */
export interface Frames {
  /** Calls an account or a precompile; what it changed is undone if it fails. Waits only where code runs or loads. */
  call(call: FrameCall): FrameOutcome | Promise<FrameOutcome>;
}

class SharedFrames implements Frames {
  readonly #shared: Shared;

  constructor(tools: FrameTools) {
    this.#shared = { ...tools, ...setsOf(tools.world) };
  }

  call(call: FrameCall): FrameOutcome | Promise<FrameOutcome> {
    const world = this.#shared.world();
    const checkpoint = world.checkpoint();
    const failure = call.keepsValue ? undefined : transfer(world, call);
    if (failure !== undefined) return this.#close(checkpoint, ended(call, failure));
    const precompile = this.#shared.evm.precompiles.get(call.codeAddress.slice(2));
    if (precompile !== undefined) return this.#callPrecompile(precompile, call, checkpoint);
    let entry = world.entry(call.codeAddress);
    let code = world.code(entry);
    const delegate = this.#shared.delegations ? delegationOf(code) : undefined;
    if (delegate !== undefined) {
      entry = world.entry(delegate);
      code = world.code(entry);
      if (call.depth === 0) world.warm(delegate);
    }
    return code.length === 0
      ? ended(call, undefined)
      : this.#callCode(call, code, entry.codeHash, checkpoint);
  }

  /** Undoes what a failed call changed. */
  #close(checkpoint: number, outcome: FrameOutcome): FrameOutcome {
    if (outcome.error !== undefined) this.#shared.world().revert(checkpoint);
    return outcome;
  }

  #callPrecompile(
    run: PrecompileFunc,
    call: FrameCall,
    checkpoint: number,
  ): FrameOutcome | Promise<FrameOutcome> {
    const { evm } = this.#shared;
    const close = ({ exceptionError, executionGasUsed, returnValue }: PrecompileResult): FrameOutcome =>
      this.#close(checkpoint, ended(call, exceptionError, executionGasUsed, returnValue));
    const answer = run({ data: call.data, gasLimit: call.gas, common: evm.common, _EVM: evm });
    if (!(answer instanceof Promise)) return close(answer);
    // Some of the library's are async without ever waiting.
    return Bun.peek.status(answer) === "fulfilled"
      ? close(Bun.peek(answer) as PrecompileResult)
      : answer.then(close);
  }

  async #callCode(
    call: FrameCall,
    code: Uint8Array,
    codeHash: Hash,
    checkpoint: number,
  ): Promise<FrameOutcome> {
    const { transientStorage } = this.#shared.evm;
    transientStorage.checkpoint();
    if (call.depth % FRAMES_WITHOUT_WAITING === 0) await undefined;
    const { caller, to, codeAddress, data, value, gas, depth, isStatic, refund, blobVersionedHashes } = call;
    const outcome = await this.#run(gas, codeHash, {
      ...{ address: keyedAddress(to), caller: keyedAddress(caller), codeAddress: keyedAddress(codeAddress) },
      ...{ code, callData: data, callValue: value, isStatic, isCreate: false },
      ...{ depth, gasRefund: refund, blobVersionedHashes },
    });
    if (outcome.error === undefined) transientStorage.commit();
    else transientStorage.revert();
    return this.#close(checkpoint, outcome);
  }

  #run(
    gas: bigint,
    codeHash: Hash | undefined,
    env: Omit<FrameEnv, keyof FrameContext | "contract" | "createdAddresses">,
  ): Promise<FrameOutcome> {
    const world = this.#shared.world();
    const contract = viewOf(world, world.entry(keyOf(env.address)));
    const whole = { ...env, ...this.#shared.context(), contract, createdAddresses: this.#shared.created };
    return new Frame.value(this.#shared, { env: whole, gas, codeHash }).execute();
  }

  /** A creation's code; the library surrounds it. */
  async runCreation(message: CreationMessage): Promise<FrameOutcome> {
    const { to, caller, code, data, value, isStatic, depth, gasLimit, gasRefund } = message;
    return this.#run(gasLimit, undefined, {
      ...{ address: to, caller, codeAddress: to, code, callData: data, callValue: value, isStatic },
      ...{ isCreate: true, depth, gasRefund, blobVersionedHashes: message.blobVersionedHashes ?? [] },
    });
  }
}

/** Takes an EVM's frames over from the library. */
export function takeOverFrames(tools: FrameTools): Frames {
  const frames = new SharedFrames(tools);
  Object.assign(tools.evm, {
    async runInterpreter(message: CreationMessage) {
      const { error, output, gasUsed, refund, opcode } = await frames.runCreation(message);
      return {
        exceptionError: error,
        returnValue: output,
        executionGasUsed: gasUsed,
        gasRefund: refund,
        runState: { opCode: opcode },
      };
    },
  });
  return frames;
}
