// Prices that a block hands to its child: base fee (EIP-1559), excess blob gas and blob base fee (EIP-4844, 7691,
// 7918), and how far the gas limit may move.
import { KoraError } from "#lib/error.ts";

/** Divisor of the largest base fee change per block. */
const BASE_FEE_CHANGE_DENOMINATOR = 8n;
/** A block's gas target is its limit over this. */
const ELASTICITY = 2n;
/** Base fee of the first EIP-1559 block, and of a genesis that names none: 1 gwei. */
export const INITIAL_BASE_FEE = 1_000_000_000n;
/** The gas limit changes by less than parent over this. */
const GAS_LIMIT_BOUND_DIVISOR = 1024n;
/** Least gas limit of a block. */
export const MIN_GAS_LIMIT = 5000n;
/** Gas of one blob. */
export const GAS_PER_BLOB: bigint = 1n << 17n;
/** Least wei per blob gas. */
const MIN_BLOB_BASE_FEE = 1n;
/** EIP-7918: what verifying one blob is worth in execution gas. */
const BLOB_BASE_COST: bigint = 1n << 13n;

/** How many blobs a fork allows and how fast their price moves (EIP-7840). */
export interface BlobSchedule {
  /** Blobs per block. */
  readonly target: number;
  readonly max: number;
  readonly baseFeeUpdateFraction: bigint;
  /** EIP-7918: the price is not let below a share of the execution price. */
  readonly reservePrice: boolean;
}

/** Base fee of the child of a block, wei per gas. */
export function nextBaseFee(parent: {
  readonly baseFeePerGas: bigint;
  readonly gasUsed: bigint;
  readonly gasLimit: bigint;
}): bigint {
  const { baseFeePerGas, gasUsed } = parent;
  const target = parent.gasLimit / ELASTICITY;
  if (gasUsed === target || target === 0n) return baseFeePerGas;
  if (gasUsed > target) {
    const rise = (baseFeePerGas * (gasUsed - target)) / target / BASE_FEE_CHANGE_DENOMINATOR;
    return baseFeePerGas + (rise > 0n ? rise : 1n);
  }
  return baseFeePerGas - (baseFeePerGas * (target - gasUsed)) / target / BASE_FEE_CHANGE_DENOMINATOR;
}

/** factor · e^(numerator / denominator) by its Taylor series (EIP-4844 `fake_exponential`). */
function fakeExponential(factor: bigint, numerator: bigint, denominator: bigint): bigint {
  let output = 0n;
  let term = factor * denominator;
  for (let i = 1n; term > 0n; i++) {
    output += term;
    term = (term * numerator) / (denominator * i);
  }
  return output / denominator;
}

/** Wei per blob gas at an excess. */
export function blobBaseFee(excessBlobGas: bigint, schedule: BlobSchedule): bigint {
  return fakeExponential(MIN_BLOB_BASE_FEE, excessBlobGas, schedule.baseFeeUpdateFraction);
}

/** Excess blob gas of the child of a block, under the child's schedule. */
export function nextExcessBlobGas(
  parent: { readonly excessBlobGas: bigint; readonly blobGasUsed: bigint; readonly baseFeePerGas: bigint },
  schedule: BlobSchedule,
): bigint {
  const target = BigInt(schedule.target) * GAS_PER_BLOB;
  const total = parent.excessBlobGas + parent.blobGasUsed;
  if (total < target) return 0n;
  if (schedule.reservePrice) {
    const blobPrice = blobBaseFee(parent.excessBlobGas, schedule) * GAS_PER_BLOB;
    if (BLOB_BASE_COST * parent.baseFeePerGas > blobPrice) {
      return (
        parent.excessBlobGas +
        (parent.blobGasUsed * BigInt(schedule.max - schedule.target)) / BigInt(schedule.max)
      );
    }
  }
  return total - target;
}

/** Whether a child may have `gasLimit` after a parent with `parentGasLimit`. */
export function isGasLimitReachable(parentGasLimit: bigint, gasLimit: bigint): boolean {
  const difference = gasLimit > parentGasLimit ? gasLimit - parentGasLimit : parentGasLimit - gasLimit;
  return difference < parentGasLimit / GAS_LIMIT_BOUND_DIVISOR && gasLimit >= MIN_GAS_LIMIT;
}

/** The gas limit nearest to `desired` that a child of a block with `parentGasLimit` may have. */
export function nextGasLimit(parentGasLimit: bigint, desired: bigint): bigint {
  if (parentGasLimit < MIN_GAS_LIMIT) {
    throw new KoraError(`a parent cannot have the gas limit ${parentGasLimit}`, { code: "BAD_GAS_LIMIT" });
  }
  const step = parentGasLimit / GAS_LIMIT_BOUND_DIVISOR - 1n;
  const wanted = desired < MIN_GAS_LIMIT ? MIN_GAS_LIMIT : desired;
  if (wanted > parentGasLimit) return wanted < parentGasLimit + step ? wanted : parentGasLimit + step;
  return wanted > parentGasLimit - step ? wanted : parentGasLimit - step;
}
