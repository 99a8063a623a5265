// Whether a transaction may be in a block at this point of it. Each reason is a value with geth's text, which
// clients match on. Changes nothing.
import { SECP256K1_ORDER } from "#crypto/secp256k1.ts";
import { type Address, EMPTY_CODE_HASH, type Hash } from "#types/ids.ts";
import {
  accessListOf,
  authorizationsOf,
  blobHashesOf,
  feeCapOf,
  type SignedTransaction,
  type Transaction,
  tipCapOf,
} from "#types/transaction.ts";
import { delegationOf } from "./authorization.ts";
import { type BlobSchedule, GAS_PER_BLOB } from "./fees.ts";
import type { ForkFeatures } from "./forks.ts";
import { type IntrinsicGas, intrinsicGas } from "./intrinsic.ts";
import { MAX_BLOBS_PER_TRANSACTION, MAX_INITCODE_BYTES, MAX_NONCE, TRANSACTION_GAS_CAP } from "./rules.ts";
import type { ChainRules, Rejection, RejectionCode } from "./types.ts";
import type { Entry, World } from "./world.ts";

const MAX_UINT256: bigint = (1n << 256n) - 1n;
/** First byte of a blob's versioned hash (EIP-4844). */
const VERSIONED_HASH_PREFIX = "0x01";

/** What a block looks like to the transaction that wants in next. */
export interface BlockSituation {
  readonly fork: ForkFeatures;
  readonly rules: ChainRules;
  readonly blobs: BlobSchedule;
  readonly baseFeePerGas: bigint;
  /** Wei per blob gas. */
  readonly blobBaseFee: bigint;
  readonly gasLeft: bigint;
  readonly blobGasLeft: bigint;
}

/** What checking found out and executing needs. */
export interface Accepted {
  readonly intrinsic: IntrinsicGas;
  readonly blobGas: bigint;
}

const reject = (code: RejectionCode, message: string): Rejection => ({ code, message });

function checkType(tx: Transaction, fork: ForkFeatures): Rejection | undefined {
  const supported =
    tx.type === 0 ||
    (tx.type === 1 && fork.accessLists) ||
    (tx.type === 2 && fork.london) ||
    (tx.type === 3 && fork.cancun) ||
    (tx.type === 4 && fork.prague);
  return supported ? undefined : reject("TYPE_NOT_SUPPORTED", `transaction type not supported: ${tx.type}`);
}

function checkSignature(tx: Transaction, situation: BlockSituation): Rejection | undefined {
  const { fork, rules } = situation;
  const { chainId } = tx;
  if (chainId !== undefined && tx.type === 0 && !fork.replayProtection) {
    return reject("BAD_SIGNATURE", "invalid transaction v, r, s values: replay protection before EIP-155");
  }
  if (chainId !== undefined && chainId !== rules.chainId) {
    return reject("WRONG_CHAIN", `invalid chain id for signer: have ${chainId} want ${rules.chainId}`);
  }
  if (fork.homestead && tx.signature.s > SECP256K1_ORDER / 2n) {
    return reject("BAD_SIGNATURE", "invalid transaction v, r, s values");
  }
  return undefined;
}

function checkNonce(tx: Transaction, sender: Entry): Rejection | undefined {
  const next = sender.nonce;
  if (tx.nonce < next) {
    return reject("NONCE_TOO_LOW", `nonce too low: next nonce ${next}, tx nonce ${tx.nonce}`);
  }
  if (tx.nonce > next) {
    return reject("NONCE_TOO_HIGH", `nonce too high: next nonce ${next}, tx nonce ${tx.nonce}`);
  }
  if (next >= MAX_NONCE) {
    return reject("NONCE_MAX", `nonce has max value: address ${sender.address}, nonce: ${next}`);
  }
  return undefined;
}

/** EIP-3607, with the exception for delegated accounts (EIP-7702). */
function checkSender(world: World, sender: Entry): Rejection | undefined {
  if (sender.codeHash === EMPTY_CODE_HASH) return undefined;
  const code = world.code(sender);
  if (delegationOf(code) !== undefined) return undefined;
  return reject("SENDER_NOT_EOA", `sender not an eoa: address ${sender.address}, len(code): ${code.length}`);
}

function checkFees(tx: Transaction, sender: Address, situation: BlockSituation): Rejection | undefined {
  if (!situation.fork.london) return undefined;
  const feeCap = feeCapOf(tx);
  const tipCap = tipCapOf(tx);
  if (feeCap > MAX_UINT256) return reject("FEE_OVERFLOW", "max fee per gas higher than 2^256-1");
  if (tipCap > feeCap) {
    const detail = `address ${sender}, maxPriorityFeePerGas: ${tipCap}, maxFeePerGas: ${feeCap}`;
    return reject("TIP_ABOVE_FEE_CAP", `max priority fee per gas higher than max fee per gas: ${detail}`);
  }
  if (feeCap < situation.baseFeePerGas) {
    const detail = `address ${sender}, maxFeePerGas: ${feeCap}, baseFee: ${situation.baseFeePerGas}`;
    return reject("FEE_BELOW_BASE_FEE", `max fee per gas less than block base fee: ${detail}`);
  }
  return undefined;
}

function checkBlobHashes(hashes: readonly Hash[]): Rejection | undefined {
  const wrong = hashes.findIndex((item) => !item.startsWith(VERSIONED_HASH_PREFIX));
  return wrong < 0 ? undefined : reject("BLOB_HASH", `blob ${wrong} has invalid hash version`);
}

function checkBlobs(tx: Transaction, sender: Address, situation: BlockSituation): Rejection | undefined {
  if (tx.type !== 3) return undefined;
  const count = tx.blobVersionedHashes.length;
  if (count === 0) return reject("BLOB_COUNT", "blob transaction missing blob hashes");
  const { blobs, fork, blobBaseFee } = situation;
  const most = fork.osaka ? Math.min(MAX_BLOBS_PER_TRANSACTION, blobs.max) : blobs.max;
  if (count > most) {
    return reject("BLOB_COUNT", `blob transaction has too many blobs (max ${most}, have ${count})`);
  }
  if (BigInt(count) * GAS_PER_BLOB > situation.blobGasLeft) {
    return reject("BLOB_GAS_LIMIT", "blob gas limit reached");
  }
  if (tx.maxFeePerBlobGas < blobBaseFee) {
    const detail = `address ${sender} blobGasFeeCap: ${tx.maxFeePerBlobGas}, blobBaseFee: ${blobBaseFee}`;
    return reject("BLOB_FEE_TOO_LOW", `max fee per blob gas less than block blob gas fee: ${detail}`);
  }
  return checkBlobHashes(tx.blobVersionedHashes);
}

function checkShape(tx: Transaction, sender: Address, situation: BlockSituation): Rejection | undefined {
  const { fork, rules } = situation;
  if (tx.type === 4 && tx.authorizationList.length === 0) {
    return reject("AUTHORIZATION_LIST_EMPTY", `EIP-7702 transaction with empty auth list (sender ${sender})`);
  }
  if (tx.to === undefined && fork.shanghai && rules.codeSizeLimit && tx.data.length > MAX_INITCODE_BYTES) {
    const detail = `code size ${tx.data.length} limit ${MAX_INITCODE_BYTES}`;
    return reject("INITCODE_TOO_LARGE", `max initcode size exceeded: ${detail}`);
  }
  if (fork.osaka && rules.transactionGasCap && tx.gasLimit > TRANSACTION_GAS_CAP) {
    const detail = `cap: ${TRANSACTION_GAS_CAP}, tx: ${tx.gasLimit}`;
    return reject("TX_GAS_CAP", `transaction gas limit too high (${detail})`);
  }
  return undefined;
}

function checkGas(tx: Transaction, intrinsic: IntrinsicGas, gasLeft: bigint): Rejection | undefined {
  if (tx.gasLimit > gasLeft) return reject("BLOCK_GAS_LIMIT", "gas limit reached");
  if (tx.gasLimit < intrinsic.gas) {
    return reject(
      "INTRINSIC_GAS",
      `intrinsic gas too low: gas ${tx.gasLimit}, minimum needed ${intrinsic.gas}`,
    );
  }
  if (tx.gasLimit < intrinsic.floor) {
    return reject(
      "FLOOR_GAS",
      `insufficient gas for floor data gas cost: gas ${tx.gasLimit}, minimum needed ${intrinsic.floor}`,
    );
  }
  return undefined;
}

/** The most a transaction can cost its sender, in wei: gas at the fee cap, blobs at theirs, and the value. */
export function maximumCost(tx: Transaction): bigint {
  const gas = tx.gasLimit * feeCapOf(tx) + tx.value;
  if (tx.type !== 3) return gas;
  return gas + BigInt(tx.blobVersionedHashes.length) * GAS_PER_BLOB * tx.maxFeePerBlobGas;
}

function checkFunds(tx: Transaction, sender: Entry): Rejection | undefined {
  const cost = maximumCost(tx);
  const { balance } = sender;
  if (balance >= cost) return undefined;
  const detail = `balance ${balance}, tx cost ${cost}, overshot ${cost - balance}`;
  return reject("INSUFFICIENT_FUNDS", `insufficient funds for gas * price + value: ${detail}`);
}

/** Why the transaction may not be next in the block, or what its execution needs to know. */
export function validateTransaction(
  world: World,
  signed: SignedTransaction,
  situation: BlockSituation,
): Rejection | Accepted {
  const { tx } = signed;
  const sender = world.entry(signed.sender);
  const early =
    checkType(tx, situation.fork) ??
    checkSignature(tx, situation) ??
    checkNonce(tx, sender) ??
    checkSender(world, sender) ??
    checkFees(tx, signed.sender, situation) ??
    checkBlobs(tx, signed.sender, situation) ??
    checkShape(tx, signed.sender, situation);
  if (early !== undefined) return early;
  const intrinsic = intrinsicGas(situation.fork, {
    data: tx.data,
    isCreate: tx.to === undefined,
    accessList: accessListOf(tx),
    authorizationList: authorizationsOf(tx),
  });
  const late = checkGas(tx, intrinsic, situation.gasLeft) ?? checkFunds(tx, sender);
  return late ?? { intrinsic, blobGas: BigInt(blobHashesOf(tx).length) * GAS_PER_BLOB };
}
