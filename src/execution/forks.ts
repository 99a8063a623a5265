// Which protocol rules each fork has, as far as our own transaction processing needs to ask. Opcodes, precompiles
// and their prices are the EVM library's business and are chosen by its own name for the fork.
import { KoraError } from "#lib/error.ts";
import type { Hardfork } from "./types.ts";

/** Forks in order; each name is what fixtures and client configs call it, in lowercase. */
const ORDER = [
  "frontier",
  "homestead",
  "tangerinewhistle",
  "spuriousdragon",
  "byzantium",
  "constantinople",
  "petersburg",
  "istanbul",
  "berlin",
  "london",
  "paris",
  "shanghai",
  "cancun",
  "prague",
  "osaka",
  "bpo1",
  "bpo2",
  "bpo3",
  "bpo4",
  "bpo5",
] as const;
export type ForkName = (typeof ORDER)[number];

const RANK: ReadonlyMap<string, number> = new Map(ORDER.map((name, rank) => [name, rank]));

/** Names of the same forks elsewhere: the library's, and the ones fixtures use. */
const LIBRARY_NAMES: Partial<Record<ForkName, string>> = {
  frontier: "chainstart",
  tangerinewhistle: "tangerineWhistle",
  spuriousdragon: "spuriousDragon",
};
const ALIASES: Readonly<Record<string, ForkName>> = {
  chainstart: "frontier",
  eip150: "tangerinewhistle",
  eip158: "spuriousdragon",
  constantinoplefix: "petersburg",
  muirglacier: "istanbul",
  arrowglacier: "london",
  grayglacier: "london",
  merge: "paris",
};

/** What a fork switches on in the processing of blocks and transactions; each field names its EIP. */
export interface ForkFeatures {
  readonly name: ForkName;
  readonly libraryName: string;
  /** EIP-2: creation costs 32,000 more and fails without gas for its code. */
  readonly homestead: boolean;
  /** EIP-155: signatures may carry the chain id. */
  readonly replayProtection: boolean;
  /** EIP-161: empty accounts that were touched are removed. */
  readonly stateClearing: boolean;
  /** EIP-658: receipts carry a status. */
  readonly receiptStatus: boolean;
  /** EIP-2028: a non-zero byte of calldata costs 16. */
  readonly cheapCalldata: boolean;
  /** EIP-2929 and 2930. */
  readonly accessLists: boolean;
  /** EIP-1559, 3529 and 3541. */
  readonly london: boolean;
  /** EIP-3675 and 4399. */
  readonly merge: boolean;
  /** EIP-3651, 3855, 3860 and 4895. */
  readonly shanghai: boolean;
  /** EIP-4844, 4788, 1153, 5656, 6780 and 7516. */
  readonly cancun: boolean;
  /** EIP-7702, 7623, 7685, 2935, 6110, 7002, 7251 and 2537. */
  readonly prague: boolean;
  /** EIP-7825, 7594, 7918, 7823, 7883, 7939, 7934 and 7951. */
  readonly osaka: boolean;
}

/** The canonical name of a fork in any common spelling; undefined when unknown. */
export function forkName(text: string): ForkName | undefined {
  const name = text.toLowerCase();
  const known = ALIASES[name] ?? name;
  return RANK.has(known) ? (known as ForkName) : undefined;
}

/** Whether `fork` is `other` or a later one. */
export function forkAtLeast(fork: ForkName, other: ForkName): boolean {
  return (RANK.get(fork) as number) >= (RANK.get(other) as number);
}

function describe(name: ForkName): ForkFeatures {
  const has = (other: ForkName): boolean => forkAtLeast(name, other);
  return {
    name,
    libraryName: LIBRARY_NAMES[name] ?? name,
    homestead: has("homestead"),
    replayProtection: has("spuriousdragon"),
    stateClearing: has("spuriousdragon"),
    receiptStatus: has("byzantium"),
    cheapCalldata: has("istanbul"),
    accessLists: has("berlin"),
    london: has("london"),
    merge: has("paris"),
    shanghai: has("shanghai"),
    cancun: has("cancun"),
    prague: has("prague"),
    osaka: has("osaka"),
  };
}

const FEATURES: ReadonlyMap<ForkName, ForkFeatures> = new Map(ORDER.map((name) => [name, describe(name)]));

/** The features of a fork; throws BAD_FORK for a name that no fork has. */
export function featuresOf(fork: Hardfork): ForkFeatures {
  const name = forkName(fork);
  const features = name === undefined ? undefined : FEATURES.get(name);
  if (features === undefined) {
    throw new KoraError(`no fork is called ${fork}`, {
      code: "BAD_FORK",
      kind: "usage",
      why: "it is neither a fork of Ethereum nor another name of one",
      hint: `known forks: ${ORDER.join(", ")}`,
    });
  }
  return features;
}
