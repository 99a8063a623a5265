// Decoders of call objects and of state and block overrides, with geth's rules about fields that contradict
// each other. Fees are resolved here against the block's base fee; nothing is executed.

import type { AccountOverride, BlockOverrides, CallRequest, StateOverrides } from "#execution/types.ts";
import { EMPTY_BYTES, equalBytes } from "#lib/bytes.ts";
import { type Address, type Hash, type Height, height, ZERO_ADDRESS } from "#types/ids.ts";
import type { AccessList, Authorization } from "#types/transaction.ts";
import { invalidParams, serverError } from "./errors.ts";
import {
  addressOf,
  data,
  field,
  hashOf,
  hexOrDecimal,
  index,
  listOf,
  object,
  quantity,
  quantity8,
  quantity64,
  storageKey,
} from "./params.ts";

/** Entries of lists inside a call object or an override; the body's size bounds the rest. */
const MAX_LIST = 65_536;

/** A call object with the fields that were given. */
export interface CallFields {
  readonly from: Address | undefined;
  readonly to: Address | undefined;
  readonly gas: bigint | undefined;
  readonly gasPrice: bigint | undefined;
  readonly maxFeePerGas: bigint | undefined;
  readonly maxPriorityFeePerGas: bigint | undefined;
  readonly maxFeePerBlobGas: bigint | undefined;
  readonly value: bigint | undefined;
  readonly nonce: bigint | undefined;
  readonly data: Uint8Array | undefined;
  readonly accessList: AccessList | undefined;
  readonly chainId: bigint | undefined;
  readonly type: bigint | undefined;
  readonly blobVersionedHashes: readonly Hash[] | undefined;
  readonly authorizationList: readonly Authorization[] | undefined;
}

function accessListEntry(value: unknown): AccessList[number] {
  const fields = object(value);
  const address = field(fields, "address", addressOf);
  if (address === undefined) throw invalidParams("access list entry without address");
  return { address, storageKeys: field(fields, "storageKeys", listOf(hashOf, MAX_LIST)) ?? [] };
}

function authorization(value: unknown): Authorization {
  const fields = object(value);
  const need = <T>(name: string, decode: (value: unknown) => T): T => {
    const found = field(fields, name, decode);
    if (found === undefined) throw invalidParams(`authorization without ${name}`);
    return found;
  };
  return {
    chainId: need("chainId", quantity),
    address: need("address", addressOf),
    nonce: need("nonce", quantity64),
    yParity: need("yParity", quantity8),
    r: need("r", quantity),
    s: need("s", quantity),
  };
}

function calldata(fields: Readonly<Record<string, unknown>>): Uint8Array | undefined {
  const old = field(fields, "data", data);
  const input = field(fields, "input", data);
  if (old !== undefined && input !== undefined && !equalBytes(old, input)) {
    throw invalidParams(
      'both "data" and "input" are set and not equal. Please use "input" to pass transaction call data',
    );
  }
  return input ?? old;
}

/** A call or transaction object. */
export function callFields(value: unknown): CallFields {
  const fields = object(value);
  return {
    from: field(fields, "from", addressOf),
    to: field(fields, "to", addressOf),
    gas: field(fields, "gas", quantity64),
    gasPrice: field(fields, "gasPrice", quantity),
    maxFeePerGas: field(fields, "maxFeePerGas", quantity),
    maxPriorityFeePerGas: field(fields, "maxPriorityFeePerGas", quantity),
    maxFeePerBlobGas: field(fields, "maxFeePerBlobGas", quantity),
    value: field(fields, "value", quantity),
    nonce: field(fields, "nonce", quantity64),
    data: calldata(fields),
    accessList: field(fields, "accessList", listOf(accessListEntry, MAX_LIST)),
    chainId: field(fields, "chainId", quantity),
    type: field(fields, "type", quantity64),
    blobVersionedHashes: field(fields, "blobVersionedHashes", listOf(hashOf, MAX_LIST)),
    authorizationList: field(fields, "authorizationList", listOf(authorization, MAX_LIST)),
  };
}

/** Throws what geth answers to fee fields that exclude each other; `from` is named in the text. */
export function checkFees(call: CallFields): void {
  const { gasPrice, maxFeePerGas, maxPriorityFeePerGas } = call;
  if (gasPrice !== undefined && (maxFeePerGas !== undefined || maxPriorityFeePerGas !== undefined)) {
    throw serverError("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
  }
  if (
    maxFeePerGas !== undefined &&
    maxPriorityFeePerGas !== undefined &&
    maxPriorityFeePerGas > maxFeePerGas
  ) {
    throw serverError(
      `max priority fee per gas higher than max fee per gas: address ${call.from ?? ZERO_ADDRESS}, ` +
        `maxPriorityFeePerGas: ${maxPriorityFeePerGas}, maxFeePerGas: ${maxFeePerGas}`,
    );
  }
}

/** Wei per gas the call pays: zero unless it names a price (then BASEFEE and balances count). */
function priceOf(call: CallFields, baseFee: bigint): bigint {
  checkFees(call);
  if (call.gasPrice !== undefined) return call.gasPrice;
  const cap = call.maxFeePerGas;
  const tip = call.maxPriorityFeePerGas ?? 0n;
  if (cap === undefined) return tip === 0n ? 0n : tip + baseFee;
  if (cap === 0n) return 0n;
  if (tip + baseFee < cap) return tip + baseFee;
  return cap;
}

/** Throws what geth answers to a call object that is meant for another chain. */
export function checkChainId(call: CallFields, chainId: bigint): void {
  if (call.chainId === undefined || call.chainId === chainId) return;
  throw serverError(`chainId does not match node's (have=${call.chainId}, want=${chainId})`);
}

/** What to execute for a call object in a block of `baseFee`, with at most `gasCap` gas. */
export function callRequest(call: CallFields, chainId: bigint, baseFee: bigint, gasCap: bigint): CallRequest {
  checkChainId(call, chainId);
  const from = call.from ?? ZERO_ADDRESS;
  const gasPrice = priceOf(call, baseFee);
  if (gasPrice > 0n && gasPrice < baseFee) {
    throw serverError(
      `max fee per gas less than block base fee: address ${from}, maxFeePerGas: ${gasPrice}, baseFee: ${baseFee}`,
    );
  }
  return {
    from,
    to: call.to,
    gas: call.gas === undefined || call.gas > gasCap ? gasCap : call.gas,
    gasPrice,
    value: call.value ?? 0n,
    data: call.data ?? EMPTY_BYTES,
    ...(call.accessList && { accessList: call.accessList }),
    ...(call.maxFeePerBlobGas !== undefined && { maxFeePerBlobGas: call.maxFeePerBlobGas }),
    ...(call.blobVersionedHashes && { blobVersionedHashes: call.blobVersionedHashes }),
    ...(call.authorizationList && { authorizationList: call.authorizationList }),
  };
}

function slots(value: unknown): ReadonlyMap<Hash, Hash> {
  const fields = object(value);
  const entries = new Map<Hash, Hash>();
  for (const key of Object.keys(fields)) entries.set(storageKey(key), hashOf(fields[key]));
  return entries;
}

function accountOverride(value: unknown): AccountOverride {
  const fields = object(value);
  const nonce = field(fields, "nonce", quantity64);
  const code = field(fields, "code", data);
  const balance = field(fields, "balance", quantity);
  const state = field(fields, "state", slots);
  const stateDiff = field(fields, "stateDiff", slots);
  const moved = field(fields, "movePrecompileToAddress", addressOf);
  if (state !== undefined && stateDiff !== undefined) throw invalidParams("has both 'state' and 'stateDiff'");
  return {
    ...(nonce !== undefined && { nonce }),
    ...(code && { code }),
    ...(balance !== undefined && { balance }),
    ...(state && { state }),
    ...(stateDiff && { stateDiff }),
    ...(moved && { movePrecompileTo: moved }),
  };
}

/** State overrides by account. */
export function stateOverrides(value: unknown): StateOverrides {
  const fields = object(value);
  const overrides = new Map<Address, AccountOverride>();
  for (const key of Object.keys(fields)) {
    const address = addressOf(key);
    if (overrides.has(address)) throw invalidParams(`account ${address} is overridden twice`);
    overrides.set(address, accountOverride(fields[key]));
  }
  return overrides;
}

const blockHeight = (value: unknown): Height => height(index(value));

function blockHashes(value: unknown): ReadonlyMap<Height, Hash> {
  const fields = object(value);
  return new Map(Object.keys(fields).map((key) => [height(hexOrDecimal(key)), hashOf(fields[key])]));
}

/** Block overrides, under geth's names and the older ones some clients still send. */
export function blockOverrides(value: unknown): BlockOverrides {
  const fields = object(value);
  const number = field(fields, "number", blockHeight);
  const timestamp = field(fields, "time", index) ?? field(fields, "timestamp", index);
  const gasLimit = field(fields, "gasLimit", quantity64);
  const coinbase = field(fields, "feeRecipient", addressOf) ?? field(fields, "coinbase", addressOf);
  const prevRandao = field(fields, "prevRandao", hashOf) ?? field(fields, "random", hashOf);
  const baseFeePerGas = field(fields, "baseFeePerGas", quantity) ?? field(fields, "baseFee", quantity);
  const blobBaseFee = field(fields, "blobBaseFee", quantity);
  const blockHash = field(fields, "blockHash", blockHashes);
  return {
    ...(number !== undefined && { number }),
    ...(timestamp !== undefined && { timestamp }),
    ...(gasLimit !== undefined && { gasLimit }),
    ...(coinbase && { coinbase }),
    ...(prevRandao && { prevRandao }),
    ...(baseFeePerGas !== undefined && { baseFeePerGas }),
    ...(blobBaseFee !== undefined && { blobBaseFee }),
    ...(blockHash && { blockHash }),
  };
}
