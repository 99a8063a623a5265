// The rules of one chain: which fork applies where, what the chain switches off, and how many blobs a fork allows.
import type { ForkActivation } from "#types/genesis.ts";
import { DEFAULT_FORK } from "#types/genesis.ts";
import type { Height } from "#types/ids.ts";
import type { BlobSchedule } from "./fees.ts";
import { type ForkFeatures, type ForkName, featuresOf, forkAtLeast } from "./forks.ts";
import type { ChainRules } from "./types.ts";

/** EIP-7825: the most gas one transaction may ask for. */
export const TRANSACTION_GAS_CAP: bigint = 1n << 24n;
/** EIP-2681: a nonce stays below this. */
export const MAX_NONCE: bigint = (1n << 64n) - 1n;
/** EIP-3860: bytes of initcode, twice those of a contract's code (EIP-170). */
export const MAX_INITCODE_BYTES: number = 2 * 24_576;
/** EIP-7594: blobs of one transaction. */
export const MAX_BLOBS_PER_TRANSACTION = 6;

const CANCUN_BLOBS: BlobSchedule = {
  target: 3,
  max: 6,
  baseFeeUpdateFraction: 3_338_477n,
  reservePrice: false,
};
/** EIP-7691. */
const PRAGUE_BLOBS: BlobSchedule = {
  target: 6,
  max: 9,
  baseFeeUpdateFraction: 5_007_716n,
  reservePrice: false,
};

export interface ChainRulesOptions {
  readonly chainId: bigint;
  /** Ascending; the first applies from genesis on. Default: DEFAULT_FORK everywhere. */
  readonly forks?: readonly ForkActivation[];
  /** EIP-7825 cap per transaction; default on. */
  readonly transactionGasCap?: boolean;
  /** EIP-170 and 3860 limits; default on. */
  readonly codeSizeLimit?: boolean;
  /** EIP-7685 requests are collected at the end of a block; default off, as Kora blocks carry none. */
  readonly requests?: boolean;
  /** Replaces the blob counts of single forks (EIP-7840); keys are canonical fork names. */
  readonly blobSchedules?: ReadonlyMap<string, BlobSchedule>;
}

/** The rules of a chain from its identity and its forks; throws BAD_FORK for an unknown name. */
export function chainRules(options: ChainRulesOptions): ChainRules {
  const forks = options.forks?.length ? options.forks : [{ fork: DEFAULT_FORK, block: 0 }];
  const steps = forks.map((step) => ({ ...step, name: featuresOf(step.fork).name }));
  const first = steps[0] as (typeof steps)[number];
  return {
    chainId: options.chainId,
    transactionGasCap: options.transactionGasCap ?? true,
    codeSizeLimit: options.codeSizeLimit ?? true,
    requests: options.requests ?? false,
    ...(options.blobSchedules !== undefined && { blobSchedules: options.blobSchedules }),
    hardforkAt(number, timestamp) {
      let active = first.name;
      for (const { name, block, timestamp: from } of steps) {
        const reached = block === undefined ? from !== undefined && timestamp >= from : number >= block;
        if (reached) active = name;
      }
      return active;
    },
  };
}

function defaultBlobs(fork: ForkName): BlobSchedule {
  if (forkAtLeast(fork, "osaka")) return { ...PRAGUE_BLOBS, reservePrice: true };
  return forkAtLeast(fork, "prague") ? PRAGUE_BLOBS : CANCUN_BLOBS;
}

/** The features of the fork that applies to a block. */
export function forkOf(rules: ChainRules, number: Height, timestamp: number): ForkFeatures {
  return featuresOf(rules.hardforkAt(number, timestamp));
}

/** How many blobs a block may carry and how their price moves; meaningful from Cancun on. */
export function blobScheduleOf(rules: ChainRules, fork: ForkFeatures): BlobSchedule {
  return rules.blobSchedules?.get(fork.name) ?? defaultBlobs(fork.name);
}
