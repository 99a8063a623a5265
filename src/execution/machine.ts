// Door to the EVM library: one reusable EVM per fork and chain, pointed at a World and a block for as long as it is
// lent out. Owns the library's configuration and its crypto hooks; transactions and fees are none of its business.
import { Common, type CustomCrypto, Mainnet } from "@ethereumjs/common";
import { EVM, type EVMRunCallOpts } from "@ethereumjs/evm";
import { Address as LibraryAddress } from "@ethereumjs/util";
import { keccak256, sha256 } from "#crypto/hash.ts";
import { recoverPublicKey } from "#crypto/secp256k1.ts";
import { bytesToBigint } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, bytesOf, type Hash, height, ZERO_ADDRESS, ZERO_HASH } from "#types/ids.ts";
import { createStateAdapter, keyedAddress, keyOf } from "./adapter.ts";
import { type Analyses, createAnalyses } from "./analysis.ts";
import { replaceCalls } from "./call-opcodes.ts";
import { blobBaseFee } from "./fees.ts";
import type { ForkFeatures } from "./forks.ts";
import { type FrameContext, type FrameOutcome, loadFrames, takeOverFrames } from "./frames.ts";
import { createMeter, type Meter, meterEvm } from "./meter.ts";
import { replaceOpcodes } from "./opcodes.ts";
import type { PrecompileMoves } from "./overrides.ts";
import { libraryBls, libraryBn254, libraryEvaluation, replacePrecompiles } from "./precompiles.ts";
import { blobScheduleOf } from "./rules.ts";
import { replaceStateOpcodes } from "./state-opcodes.ts";
import type { BlockEnv, BlockHashes, ChainRules } from "./types.ts";
import type { World } from "./world.ts";

/** One message for the EVM: a call, or a creation when `to` is undefined. */
export interface Message {
  readonly caller: Address;
  readonly to: Address | undefined;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
  readonly gasPrice: bigint;
  readonly origin: Address;
  readonly blobVersionedHashes: readonly Hash[];
}

/** How a message ended. Logs, creations and destructions are noted in the World. */
export interface Ran extends FrameOutcome {
  /** Address of the contract that a creation made or would have made. */
  readonly contractAddress: Address | undefined;
}

/** An EVM with its world and block. */
export interface Machine {
  attach(world: World, env: BlockEnv, hashes: BlockHashes): void;
  run(message: Message): Promise<Ran>;
  readonly precompiles: ReadonlySet<Address>;
  /** Present on machines for calls. */
  readonly meter: Meter | undefined;
}

export interface MachineOptions {
  /** Work is counted, so that it can be bounded. */
  readonly metered?: boolean;
  readonly moves?: PrecompileMoves;
  /** Shared by the machines of one thread; without, a machine has its own. */
  readonly analyses?: Analyses;
}

function recoverForPrecompile(digest: Uint8Array, v: bigint, r: Uint8Array, s: Uint8Array): Uint8Array {
  const signature = { yParity: Number(v - 27n), r: bytesToBigint(r), s: bytesToBigint(s) };
  const key = recoverPublicKey(digest, signature);
  // The library's precompile takes a throw for "no such key" and answers with nothing.
  if (key === undefined) throw new KoraError("the signature recovers no key", { code: "BAD_SIGNATURE" });
  return key;
}

function createCommon(fork: ForkFeatures, rules: ChainRules): Common {
  // Forks are switched by name alone, so the main network's list of them serves every chain id.
  const chain = { ...Mainnet, name: "kora", chainId: rules.chainId.toString() };
  // Of its KZG interface the EVM calls this one function.
  const kzg = { verifyProof: libraryEvaluation } as CustomCrypto["kzg"] & {};
  const customCrypto: CustomCrypto = { keccak256, sha256, ecrecover: recoverForPrecompile, kzg };
  return new Common({ chain, hardfork: fork.libraryName, customCrypto });
}

type LibraryBlock = NonNullable<EVMRunCallOpts["block"]>;

function libraryBlock(env: BlockEnv, fork: ForkFeatures, rules: ChainRules): LibraryBlock {
  const price = env.blobBaseFee ?? blobBaseFee(env.excessBlobGas, blobScheduleOf(rules, fork));
  return {
    header: {
      number: BigInt(env.number),
      coinbase: new LibraryAddress(bytesOf(env.coinbase)),
      timestamp: BigInt(env.timestamp),
      difficulty: env.difficulty ?? 0n,
      prevRandao: bytesOf(env.prevRandao),
      gasLimit: env.gasLimit,
      baseFeePerGas: env.baseFeePerGas,
      getBlobGasPrice: () => price,
    },
  };
}

function movePrecompiles(evm: EVM, { moved, removed }: PrecompileMoves): void {
  const key = (at: Address): string => at.slice(2);
  const functions = Array.from(moved, ([from, to]) => [key(to), evm.precompiles.get(key(from))] as const);
  for (const at of removed) evm.precompiles.delete(key(at));
  for (const [to, run] of functions) if (run !== undefined) evm.precompiles.set(to, run);
}

function createEvm(
  fork: ForkFeatures,
  rules: ChainRules,
  { stateManager, journal }: Pick<EVM, "stateManager" | "journal">,
  hashOf: (height: number) => Uint8Array,
): EVM {
  const evm = new EVM({
    common: createCommon(fork, rules),
    stateManager,
    blockchain: {
      async getBlock(number) {
        return { hash: () => hashOf(number) };
      },
      async putBlock() {},
      shallowCopy() {
        return this;
      },
    },
    bn254: libraryBn254,
    bls: libraryBls,
    allowUnlimitedContractSize: !rules.codeSizeLimit,
    allowUnlimitedInitCodeSize: !rules.codeSizeLimit,
  });
  evm.journal = journal;
  return evm;
}

/** Runs a message that makes a contract: what surrounds its code is the library's. */
async function create(evm: EVM, message: Message): Promise<Ran> {
  const { execResult, createdAddress } = await evm.runCall({
    caller: keyedAddress(message.caller),
    value: message.value,
    data: message.data,
    gasLimit: message.gasLimit,
    blobVersionedHashes: message.blobVersionedHashes as Hash[],
    skipNonceIncrement: true,
  });
  return {
    error: execResult.exceptionError,
    output: execResult.returnValue,
    gasUsed: execResult.executionGasUsed,
    refund: execResult.gasRefund ?? 0n,
    opcode: execResult.runState?.opCode,
    contractAddress: createdAddress === undefined ? undefined : keyOf(createdAddress),
  };
}

/** Builds an EVM for one fork of one chain. Costs about a millisecond: keep it and attach it again. */
export function createMachine(fork: ForkFeatures, rules: ChainRules, options: MachineOptions = {}): Machine {
  const adapter = createStateAdapter();
  let hashes: BlockHashes = () => undefined;
  let context: FrameContext = { block: undefined, gasPrice: 0n, origin: keyedAddress(ZERO_ADDRESS) };
  let block: LibraryBlock | undefined;
  const { world } = adapter;
  const evm = createEvm(fork, rules, adapter, (at) => bytesOf(hashes(height(at)) ?? ZERO_HASH));
  replacePrecompiles(evm);
  if (options.moves !== undefined) movePrecompiles(evm, options.moves);
  const analyses = options.analyses ?? createAnalyses();
  const frames = takeOverFrames({ evm, analyses, delegations: fork.prague, world, context: () => context });
  replaceOpcodes(evm);
  replaceStateOpcodes(evm, fork, world);
  replaceCalls(evm, fork, frames, world);
  const meter = options.metered === true ? createMeter() : undefined;
  if (meter !== undefined) meterEvm(evm, meter);
  return {
    precompiles: new Set(Array.from(evm.precompiles.keys(), (key) => `0x${key}` as Address)),
    meter,
    attach(next, env, blockHashes) {
      adapter.attach(next);
      hashes = blockHashes;
      block = libraryBlock(env, fork, rules);
    },
    async run(message) {
      await loadFrames();
      evm.transientStorage.clear();
      context = { block, gasPrice: message.gasPrice, origin: keyedAddress(message.origin) };
      const { caller, to, value, data, gasLimit: gas, blobVersionedHashes } = message;
      if (to === undefined) return create(evm, message);
      const outcome = await frames.call({
        ...{ caller, to, codeAddress: to, value, keepsValue: false, data, gas, blobVersionedHashes },
        ...{ depth: 0, isStatic: false, refund: 0n },
      });
      return { ...outcome, contractAddress: undefined };
    },
  };
}

/** Idle machines kept per fork: as many as run at once in one thread, which is few. */
const MAX_IDLE_MACHINES = 8;

/** Machines that are not in use. */
export interface MachineShelf {
  take(fork: ForkFeatures): Machine;
  /** Only a machine whose last run ended by itself: an abandoned one is dropped. */
  giveBack(fork: ForkFeatures, machine: Machine): void;
}

/** A shelf for the forks of one chain. */
export function createMachineShelf(rules: ChainRules, options: MachineOptions = {}): MachineShelf {
  const idle = new Map<ForkFeatures, Machine[]>();
  const analyses = createAnalyses();
  return {
    take: (fork) => idle.get(fork)?.pop() ?? createMachine(fork, rules, { analyses, ...options }),
    giveBack(fork, machine) {
      const machines = idle.get(fork) ?? [];
      if (machines.length < MAX_IDLE_MACHINES) machines.push(machine);
      idle.set(fork, machines);
    },
  };
}
