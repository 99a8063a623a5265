// Signed transactions of every type with arbitrary content, for tests of what recovers their senders.
import fc from "fast-check";
import { keccak256 } from "#crypto/hash.ts";
import { signDigest } from "#crypto/secp256k1.ts";
import { address, hash } from "#types/ids.ts";
import { encodeTransaction, signingPayload, type Transaction } from "#types/transaction.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const target = bytes(20).map((value) => address(value));
const word = bytes(32).map((value) => hash(value));
const u64 = fc.bigInt({ min: 0n, max: 2n ** 63n });
const u256 = fc.bigInt({ min: 0n, max: 2n ** 255n });
const accessList = fc.array(fc.record({ address: target, storageKeys: fc.array(word, { maxLength: 3 }) }), {
  maxLength: 3,
});
const authorization = fc.record({
  chainId: u64,
  address: target,
  nonce: u64,
  yParity: fc.constantFrom(0n, 1n),
  r: u256,
  s: u256,
});
const unsigned = { yParity: 0, r: 1n, s: 1n };
const common = {
  nonce: u64,
  gasLimit: u64,
  value: u256,
  data: fc.uint8Array({ maxLength: 400 }),
  signature: fc.constant(unsigned),
};
const feeMarket = {
  ...common,
  chainId: u64,
  accessList,
  maxPriorityFeePerGas: u256,
  maxFeePerGas: u256,
};
const anyTarget = fc.option(target, { nil: undefined });

const transaction: fc.Arbitrary<Transaction> = fc.oneof(
  fc.record({
    ...common,
    type: fc.constant(0 as const),
    chainId: fc.option(u64, { nil: undefined }),
    gasPrice: u256,
    to: anyTarget,
  }),
  fc.record({
    ...common,
    type: fc.constant(1 as const),
    chainId: u64,
    gasPrice: u256,
    to: anyTarget,
    accessList,
  }),
  fc.record({ ...feeMarket, type: fc.constant(2 as const), to: anyTarget }),
  fc.record({
    ...feeMarket,
    type: fc.constant(3 as const),
    to: target,
    maxFeePerBlobGas: u256,
    blobVersionedHashes: fc.array(word, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    ...feeMarket,
    type: fc.constant(4 as const),
    to: target,
    authorizationList: fc.array(authorization, { minLength: 1, maxLength: 2 }),
  }),
);

/** Wire forms of signed transactions of all types. */
export const signedRaw: fc.Arbitrary<Uint8Array> = fc
  .tuple(transaction, fc.integer({ min: 1, max: 50 }))
  .map(([tx, key]) => signRaw(tx, key));

/** The wire form of `tx`, signed by a key of 32 equal bytes. */
export function signRaw(tx: Transaction, key: number): Uint8Array {
  const signature = signDigest(keccak256(signingPayload(tx)), new Uint8Array(32).fill(key));
  return encodeTransaction({ ...tx, signature });
}

/** A plain transfer with this nonce. */
export function transfer(nonce: number): Transaction {
  return {
    type: 2,
    chainId: 1337n,
    nonce: BigInt(nonce),
    maxPriorityFeePerGas: 1n,
    maxFeePerGas: 10n ** 9n,
    gasLimit: 21_000n,
    to: address(`0x${"11".repeat(20)}`),
    value: 1n,
    data: new Uint8Array(),
    accessList: [],
    signature: unsigned,
  };
}
