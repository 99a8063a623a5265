// State and block overrides of calls: what `eth_call` and its relatives may pretend.

import { trimLeft } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { type Address, bytesOf, type Hash } from "#types/ids.ts";
import type { BlockEnv, BlockHashes, BlockOverrides, StateOverrides } from "./types.ts";
import type { World } from "./world.ts";

/** Which precompiles answer elsewhere, and which not at all. */
export interface PrecompileMoves {
  readonly moved: ReadonlyMap<Address, Address>;
  readonly removed: ReadonlySet<Address>;
}

function refused(message: string): KoraError {
  return new KoraError(message, { code: "BAD_OVERRIDE", kind: "usage" });
}

/**
 * What overrides do to precompiles: an overridden one is none any more, a moved one answers at its new address.
 * Throws BAD_OVERRIDE with geth's texts. Undefined when precompiles stay as they are.
 */
export function precompileMoves(
  overrides: StateOverrides,
  precompiles: ReadonlySet<Address>,
): PrecompileMoves | undefined {
  const moved = new Map<Address, Address>();
  const removed = new Set<Address>();
  const taken = new Set<Address>();
  for (const [at, { movePrecompileTo: target }] of overrides) {
    if (taken.has(at)) throw refused(`account ${at} has already been overridden by a precompile`);
    if (target !== undefined) {
      if (!precompiles.has(at)) throw refused(`account ${at} is not a precompile`);
      if (overrides.has(target)) throw refused(`account ${target} is already overridden`);
      moved.set(at, target);
      taken.add(target);
    }
    if (precompiles.has(at)) removed.add(at);
  }
  return removed.size === 0 ? undefined : { moved, removed };
}

function setSlots(world: World, at: Address, slots: ReadonlyMap<Hash, Hash>): void {
  const entry = world.entry(at);
  for (const [key, value] of slots) world.setStorage(entry, key, trimLeft(bytesOf(value)));
}

/** Makes a fresh World pretend. */
export function applyStateOverrides(world: World, overrides: StateOverrides): void {
  for (const [at, override] of overrides) {
    const entry = world.entry(at);
    if (override.code !== undefined) world.setCode(entry, override.code);
    world.write(entry, override.nonce ?? entry.nonce, override.balance ?? entry.balance, entry.codeHash);
    if (override.state !== undefined) {
      world.wipeStorage(entry);
      setSlots(world, at, override.state);
    }
    if (override.stateDiff !== undefined) setSlots(world, at, override.stateDiff);
  }
}

/** The block environment with its overrides. */
export function overrideBlock(env: BlockEnv, overrides: BlockOverrides): BlockEnv {
  const { blockHash: _hashes, ...fields } = overrides;
  return { ...env, ...fields };
}

/** Ancestors' hashes with their overrides. */
export function overrideHashes(hashes: BlockHashes, overrides: BlockOverrides): BlockHashes {
  const { blockHash } = overrides;
  return blockHash === undefined ? hashes : (height) => blockHash.get(height) ?? hashes(height);
}
