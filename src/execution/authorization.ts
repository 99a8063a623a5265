// Delegations of EIP-7702: what an authorization tuple does to its account, and how delegated code looks.
import { keccak256 } from "#crypto/hash.ts";
import { publicKeyToAddress, recoverPublicKey, SECP256K1_ORDER } from "#crypto/secp256k1.ts";
import { concatBytes, EMPTY_BYTES } from "#lib/bytes.ts";
import { encodeRlp, rlpUint } from "#lib/rlp.ts";
import { type Address, address, bytesOf, ZERO_ADDRESS } from "#types/ids.ts";
import type { Authorization } from "#types/transaction.ts";
import { AUTHORIZATION_REFUND } from "./intrinsic.ts";
import { MAX_NONCE } from "./rules.ts";
import type { World } from "./world.ts";

const SIGNING_PREFIX = Uint8Array.of(0x05);
/** Code of a delegated account begins with this and goes on with the 20 bytes of the delegate. */
const DELEGATION_PREFIX = Uint8Array.of(0xef, 0x01, 0x00);
const DELEGATION_BYTES = 23;

/** Whom `code` delegates to; undefined if it is not a delegation. */
export function delegationOf(code: Uint8Array): Address | undefined {
  if (code.length !== DELEGATION_BYTES) return undefined;
  if (DELEGATION_PREFIX.some((byte, index) => code[index] !== byte)) return undefined;
  return address(code.subarray(DELEGATION_PREFIX.length));
}

/** The account that signed an authorization; undefined for an invalid signature. */
export function recoverAuthority(tuple: Authorization): Address | undefined {
  if (tuple.s > SECP256K1_ORDER / 2n || tuple.yParity > 1n) return undefined;
  const fields = [rlpUint(tuple.chainId), bytesOf(tuple.address), rlpUint(tuple.nonce)];
  const digest = keccak256(concatBytes(SIGNING_PREFIX, encodeRlp(fields)));
  const key = recoverPublicKey(digest, { yParity: Number(tuple.yParity), r: tuple.r, s: tuple.s });
  return key === undefined ? undefined : publicKeyToAddress(key);
}

/** Applies one tuple; returns the gas it refunds, 0 also when the tuple is skipped as invalid. */
function applyOne(world: World, chainId: bigint, tuple: Authorization): bigint {
  if (tuple.chainId !== 0n && tuple.chainId !== chainId) return 0n;
  if (tuple.nonce >= MAX_NONCE) return 0n;
  const authority = recoverAuthority(tuple);
  if (authority === undefined) return 0n;
  world.warm(authority);
  const entry = world.entry(authority);
  const code = world.code(entry);
  if (code.length > 0 && delegationOf(code) === undefined) return 0n;
  if (entry.nonce !== tuple.nonce) return 0n;
  const refund = entry.exists ? AUTHORIZATION_REFUND : 0n;
  const clears = tuple.address === ZERO_ADDRESS;
  world.setCode(entry, clears ? EMPTY_BYTES : concatBytes(DELEGATION_PREFIX, bytesOf(tuple.address)));
  world.setNonce(entry, tuple.nonce + 1n);
  return refund;
}

/** Applies the tuples of a transaction in order; returns the gas they refund. */
export function applyAuthorizations(world: World, chainId: bigint, tuples: readonly Authorization[]): bigint {
  let refund = 0n;
  for (const tuple of tuples) refund += applyOne(world, chainId, tuple);
  return refund;
}
