// Door to the EVM library: one reusable EVM per fork and chain, pointed at a World and a block for as long as it is
// lent out. Owns the library's configuration and its crypto hooks; transactions and fees are none of its business.
import { Common, type CustomCrypto, Mainnet } from "@ethereumjs/common";
import { EVM, type EVMResult, type EVMRunCallOpts } from "@ethereumjs/evm";
import { Address as LibraryAddress } from "@ethereumjs/util";
import { keccak256, sha256 } from "#crypto/hash.ts";
import { recoverPublicKey } from "#crypto/secp256k1.ts";
import { bytesToBigint } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, bytesOf, type Hash, height, ZERO_HASH } from "#types/ids.ts";
import { createStateAdapter } from "./adapter.ts";
import { blobBaseFee } from "./fees.ts";
import type { ForkFeatures } from "./forks.ts";
import { rememberJumps } from "./jump-cache.ts";
import { createMeter, type Meter, meterEvm } from "./meter.ts";
import type { PrecompileMoves } from "./overrides.ts";
import { libraryBls, libraryBn254, libraryEvaluation, replacePrecompiles } from "./precompiles.ts";
import { blobScheduleOf } from "./rules.ts";
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

/** An EVM with its world and block. */
export interface Machine {
  attach(world: World, env: BlockEnv, hashes: BlockHashes): void;
  run(message: Message): Promise<EVMResult>;
  readonly precompiles: ReadonlySet<Address>;
  /** Present on machines for calls. */
  readonly meter: Meter | undefined;
}

export interface MachineOptions {
  /** Work is counted, so that it can be bounded. */
  readonly metered?: boolean;
  readonly moves?: PrecompileMoves;
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

/** Builds an EVM for one fork of one chain. Costs about a millisecond: keep it and attach it again. */
export function createMachine(fork: ForkFeatures, rules: ChainRules, options: MachineOptions = {}): Machine {
  const common = createCommon(fork, rules);
  const adapter = createStateAdapter();
  let hashes: BlockHashes = () => undefined;
  let block: LibraryBlock | undefined;
  const evm = new EVM({
    common,
    stateManager: adapter.stateManager,
    blockchain: {
      async getBlock(number) {
        return { hash: () => bytesOf(hashes(height(number)) ?? ZERO_HASH) };
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
  evm.journal = adapter.journal;
  replacePrecompiles(evm);
  if (options.moves !== undefined) movePrecompiles(evm, options.moves);
  const meter = options.metered === true ? createMeter() : undefined;
  if (meter !== undefined) meterEvm(evm, meter);
  rememberJumps(evm);
  const precompiles = new Set(Array.from(evm.precompiles.keys(), (key) => `0x${key}` as Address));
  return {
    precompiles,
    meter,
    attach(world, env, blockHashes) {
      adapter.attach(world);
      hashes = blockHashes;
      block = libraryBlock(env, fork, rules);
    },
    async run(message) {
      evm.transientStorage.clear();
      return evm.runCall({
        ...(block !== undefined && { block }),
        caller: new LibraryAddress(bytesOf(message.caller)),
        ...(message.to !== undefined && { to: new LibraryAddress(bytesOf(message.to)) }),
        value: message.value,
        data: message.data,
        gasLimit: message.gasLimit,
        gasPrice: message.gasPrice,
        origin: new LibraryAddress(bytesOf(message.origin)),
        blobVersionedHashes: message.blobVersionedHashes as Hash[],
        skipNonceIncrement: true,
      });
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
  return {
    take: (fork) => idle.get(fork)?.pop() ?? createMachine(fork, rules, options),
    giveBack(fork, machine) {
      const machines = idle.get(fork) ?? [];
      if (machines.length < MAX_IDLE_MACHINES) machines.push(machine);
      idle.set(fork, machines);
    },
  };
}
