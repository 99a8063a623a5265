// What a header must say given its parent: fee rules, limits, fixed fields and the consensus position in extraData.
// Pure functions; a broken rule is a sentence, never an exception. Execution results are compared elsewhere.
import { isGasLimitReachable, nextBaseFee, nextExcessBlobGas } from "#execution/fees.ts";
import type { ForkFeatures } from "#execution/forks.ts";
import { blobScheduleOf, forkOf } from "#execution/rules.ts";
import type { ChainRules } from "#execution/types.ts";
import { Reader, Writer } from "#lib/codec.ts";
import type { Header } from "#types/header.ts";
import {
  EMPTY_OMMERS_HASH,
  EMPTY_REQUESTS_HASH,
  EMPTY_TRIE_ROOT,
  type Hash,
  height,
  ZERO_HASH,
} from "#types/ids.ts";
import { EXTRA_DATA_BYTES } from "#types/limits.ts";
import type { BlockInputs } from "./inputs.ts";

/** Where consensus stood when a block was proposed: the content of extraData (R3). */
export interface ConsensusPosition {
  readonly epoch: number;
  readonly view: number;
  readonly parentView: number;
}

/** extraData of a position: three unsigned 64-bit integers. */
export function encodePosition(position: ConsensusPosition): Uint8Array {
  return new Writer(EXTRA_DATA_BYTES)
    .u64(position.epoch)
    .u64(position.view)
    .u64(position.parentView)
    .finish();
}

/** The position in extraData; undefined when it is none. */
export function decodePosition(extraData: Uint8Array): ConsensusPosition | undefined {
  if (extraData.length !== EXTRA_DATA_BYTES) return undefined;
  // Each integer must be safe: the upper eleven bits are zero.
  for (const offset of [0, 8, 16]) {
    if (extraData[offset] !== 0 || (extraData[offset + 1] as number) > 0x1f) return undefined;
  }
  const reader = new Reader(extraData);
  return { epoch: reader.u64(), view: reader.u64(), parentView: reader.u64() };
}

const GENESIS_POSITION: ConsensusPosition = { epoch: 0, view: 0, parentView: 0 };

/** The position of a block; genesis, whose extraData is free, stands at view 0 of epoch 0. */
export function positionOf(header: Header): ConsensusPosition {
  if (header.number === 0) return GENESIS_POSITION;
  return decodePosition(header.extraData) ?? GENESIS_POSITION;
}

interface ForkFees {
  readonly baseFeePerGas: bigint;
  readonly blobGasUsed: bigint;
  readonly excessBlobGas: bigint;
}

/** The header fields that exist in `fork`, with what they are here: nothing is withdrawn and nothing requested. */
export function forkFields(fork: ForkFeatures, fees: ForkFees): Partial<Header> {
  const { london, shanghai, cancun, prague } = fork;
  return {
    ...(london && { baseFeePerGas: fees.baseFeePerGas }),
    ...(shanghai && { withdrawalsRoot: EMPTY_TRIE_ROOT }),
    ...(cancun && {
      blobGasUsed: fees.blobGasUsed,
      excessBlobGas: fees.excessBlobGas,
      parentBeaconBlockRoot: ZERO_HASH,
    }),
    ...(prague && { requestsHash: EMPTY_REQUESTS_HASH }),
  };
}

/** Prices of one block: zero where the fork has none. */
export interface BlockPrices {
  readonly baseFeePerGas: bigint;
  readonly excessBlobGas: bigint;
}

/** What the child of `parent` with this timestamp costs. */
export function nextPrices(
  parent: Header,
  timestamp: number,
  chain: ChainRules,
  inputs: BlockInputs | undefined,
): BlockPrices {
  const number = height(parent.number + 1);
  const fork = forkOf(chain, number, timestamp);
  const { gasLimit, gasUsed, baseFeePerGas = 0n, blobGasUsed = 0n, excessBlobGas = 0n } = parent;
  return {
    baseFeePerGas:
      inputs?.baseFeePerGas ?? (fork.london ? nextBaseFee({ baseFeePerGas, gasLimit, gasUsed }) : 0n),
    excessBlobGas: fork.cancun
      ? nextExcessBlobGas({ excessBlobGas, blobGasUsed, baseFeePerGas }, blobScheduleOf(chain, fork))
      : 0n,
  };
}

/** What the rules of one chain fix for every block. */
export interface HeaderRules {
  readonly chain: ChainRules;
  /** The genesis says dev: timestamps rise strictly, inputs are allowed. */
  readonly dev: boolean;
}

export interface HeaderContext {
  readonly parent: Header;
  readonly parentHash: Hash;
  /** keccak256 of the seed of the parent's round (R13). */
  readonly prevRandao: Hash;
  readonly inputs: BlockInputs | undefined;
}

function checkPosition(header: Header, parent: Header): string | undefined {
  const position = decodePosition(header.extraData);
  if (position === undefined) return "extraData is not an epoch, a view and a parent view";
  const before = positionOf(parent);
  if (position.epoch < before.epoch) return `epoch ${position.epoch} follows epoch ${before.epoch}`;
  // A new epoch begins at view 1 on its floor, which counts as view 0.
  const parentView = position.epoch === before.epoch ? before.view : 0;
  if (position.parentView !== parentView) return `parent view is ${parentView}, not ${position.parentView}`;
  return position.view > parentView ? undefined : `view ${position.view} does not follow ${parentView}`;
}

function checkTime(header: Header, context: HeaderContext, dev: boolean): string | undefined {
  const wanted = context.inputs?.timestamp;
  if (wanted !== undefined && header.timestamp !== wanted) return `timestamp is not the one set: ${wanted}`;
  const earliest = context.parent.timestamp + (dev ? 1 : 0);
  return header.timestamp < earliest ? `timestamp ${header.timestamp} is before ${earliest}` : undefined;
}

function checkGas(header: Header, context: HeaderContext): string | undefined {
  const { parent, inputs } = context;
  if (header.gasUsed > header.gasLimit) return `gas used ${header.gasUsed} exceeds ${header.gasLimit}`;
  if (inputs?.gasLimit !== undefined) {
    return header.gasLimit === inputs.gasLimit
      ? undefined
      : `gas limit is not the one set: ${inputs.gasLimit}`;
  }
  return isGasLimitReachable(parent.gasLimit, header.gasLimit)
    ? undefined
    : `gas limit ${header.gasLimit} cannot follow the parent's ${parent.gasLimit}`;
}

function checkFixedFields(header: Header): string | undefined {
  if (header.difficulty !== 0n) return "difficulty is not zero";
  if (header.nonce.some((byte) => byte !== 0)) return "nonce is not zero";
  if (header.ommersHash !== EMPTY_OMMERS_HASH) return "there are ommers";
  return undefined;
}

const FORK_FIELDS = [
  "baseFeePerGas",
  "withdrawalsRoot",
  "excessBlobGas",
  "parentBeaconBlockRoot",
  "requestsHash",
] as const;

function checkForkFields(header: Header, context: HeaderContext, rules: HeaderRules): string | undefined {
  const fork = forkOf(rules.chain, header.number, header.timestamp);
  const prices = nextPrices(context.parent, header.timestamp, rules.chain, context.inputs);
  const wanted = forkFields(fork, { ...prices, blobGasUsed: header.blobGasUsed ?? 0n });
  for (const field of FORK_FIELDS) {
    if (header[field] !== wanted[field]) return `${field} is ${header[field]}, not ${wanted[field]}`;
  }
  if ((header.blobGasUsed === undefined) !== (wanted.blobGasUsed === undefined)) {
    return `blobGasUsed is ${header.blobGasUsed}`;
  }
  return undefined;
}

/** Checks everything about a header that needs no execution; the first broken rule, or undefined. */
export function checkHeader(header: Header, context: HeaderContext, rules: HeaderRules): string | undefined {
  const { parent, parentHash, inputs } = context;
  if (inputs !== undefined && !rules.dev)
    return "inputs from outside transactions on a chain that is not dev";
  if (header.parentHash !== parentHash) return `parent is ${header.parentHash}, not ${parentHash}`;
  if (header.number !== height(parent.number + 1)) return `number ${header.number} follows ${parent.number}`;
  const randao = inputs?.prevRandao ?? context.prevRandao;
  if (header.mixHash !== randao) return `prevrandao is ${header.mixHash}, not ${randao}`;
  if (inputs?.coinbase !== undefined && header.coinbase !== inputs.coinbase) {
    return `coinbase is not the one set: ${inputs.coinbase}`;
  }
  return (
    checkPosition(header, parent) ??
    checkTime(header, context, rules.dev) ??
    checkGas(header, context) ??
    checkFixedFields(header) ??
    checkForkFields(header, context, rules)
  );
}
