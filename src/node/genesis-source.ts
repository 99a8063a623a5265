// Reads genesis files and tells what block they make. What a genesis means is the chain's.
import { readFileSync } from "node:fs";
import { openGenesis } from "#chain/genesis.ts";
import { parseGenesis } from "#chain/genesis-file.ts";
import type { NodeSection } from "#config/schema.ts";
import { chainRules } from "#execution/rules.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { openStateDb } from "#state/state.ts";
import type { Genesis } from "#types/genesis.ts";
import type { Hash } from "#types/ids.ts";

function unreadable(path: string, thrown: unknown): KoraError {
  return new KoraError(`cannot read the genesis file ${path}`, {
    code: "BAD_GENESIS",
    kind: "usage",
    why: messageOf(thrown),
    hint: "give the path of a genesis file in Kora's or geth's form",
    cause: thrown,
  });
}

/** The genesis that a file describes; throws BAD_GENESIS. */
export function readGenesis(path: string): Genesis {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  return parseGenesis(json);
}

/** Throws CHAIN_ID_MISMATCH where the configuration names another chain id than its genesis has. */
export function checkChainId({ chainId, genesis: file }: NodeSection, of: Pick<Genesis, "chainId">): void {
  if (chainId === undefined || BigInt(chainId) === of.chainId) return;
  throw new KoraError(`node.chain_id is ${chainId}, the genesis file's is ${of.chainId}`, {
    code: "CHAIN_ID_MISMATCH",
    kind: "usage",
    why: `${file} describes another chain`,
    hint: "correct one of them, or leave node.chain_id out",
  });
}

export interface GenesisBlock {
  readonly chainId: bigint;
  readonly hash: Hash;
  readonly stateRoot: Hash;
}

/** Builds the first block in a store that is thrown away. */
export function buildGenesis(genesis: Genesis): GenesisBlock {
  const state = openStateDb({ directory: undefined });
  try {
    const rules = chainRules({ chainId: genesis.chainId, forks: genesis.forks });
    const hash = openGenesis(state, genesis, rules);
    return { chainId: genesis.chainId, hash, stateRoot: state.head().root };
  } finally {
    state.close();
  }
}
