// eth_fillTransaction: a transaction with all that its sender left out, unsigned. Changes nothing.
import { EMPTY_BYTES, toHex } from "#lib/bytes.ts";
import { encodeTransaction, type Transaction } from "#types/transaction.ts";
import { type CallFields, callFields, callRequest, checkChainId, checkFees } from "./call-params.ts";
import { type JsonObject, transactionFields } from "./encode.ts";
import { serverError } from "./errors.ts";
import { callError } from "./eth-call.ts";
import { createTipOracle } from "./eth-fees.ts";
import type { RpcLimits } from "./limits.ts";
import { type Methods, method } from "./method.ts";
import { Arguments } from "./params.ts";
import type { RpcPorts } from "./ports.ts";

const MAX_WORD = 2n ** 256n - 1n;
const UNSIGNED = { yParity: 0, r: 0n, s: 0n };

async function gasOf(ports: RpcPorts, limits: RpcLimits, call: CallFields): Promise<bigint> {
  if (call.gas !== undefined) return call.gas;
  const view = await ports.chain.sendingView();
  const { baseFeePerGas, gasLimit } = view.header;
  const sized = { ...call, gas: gasLimit };
  const request = callRequest(sized, ports.identity.chainId, baseFeePerGas ?? 0n, limits.gasCap);
  const task = { view, request, stateOverrides: undefined, blockOverrides: undefined };
  const answer = await ports.calls.estimateGas(task);
  if (answer.status !== "estimated") throw callError(answer);
  return answer.gas;
}

type Common = Pick<Transaction, "nonce" | "gasLimit" | "value" | "data" | "to" | "signature">;

/** Legacy, or with an access list: whoever names a gas price gets one of these. */
function priced(call: CallFields, common: Common, chainId: bigint, gasPrice: bigint): Transaction {
  if (call.authorizationList !== undefined || call.blobVersionedHashes !== undefined) {
    throw serverError("gasPrice cannot stand beside authorizationList or blobVersionedHashes");
  }
  if (call.accessList === undefined && call.type !== 1n) return { ...common, type: 0, chainId, gasPrice };
  return { ...common, type: 1, chainId, gasPrice, accessList: call.accessList ?? [] };
}

/** Wei per gas and per blob gas of the next block, and the tip that is suggested. */
interface Market {
  readonly base: bigint;
  readonly blobBase: bigint;
  readonly tip: bigint;
}

function marketed(call: CallFields, common: Common, chainId: bigint, market: Market): Transaction {
  const { base, blobBase, tip } = market;
  const maxPriorityFeePerGas = call.maxPriorityFeePerGas ?? tip;
  const maxFeePerGas = call.maxFeePerGas ?? 2n * base + maxPriorityFeePerGas;
  if (maxFeePerGas > MAX_WORD) throw serverError("max fee per gas higher than 2^256-1");
  const capped = maxPriorityFeePerGas > maxFeePerGas ? maxFeePerGas : maxPriorityFeePerGas;
  const accessList = call.accessList ?? [];
  const shared = { ...common, chainId, accessList, maxFeePerGas, maxPriorityFeePerGas: capped };
  const { to } = common;
  if (call.authorizationList !== undefined) {
    if (to === undefined) throw serverError("EIP-7702 transaction cannot be used to create contract");
    return { ...shared, type: 4, to, authorizationList: call.authorizationList };
  }
  if (call.blobVersionedHashes !== undefined) {
    if (to === undefined) throw serverError('missing "to" in blob transaction');
    const maxFeePerBlobGas = call.maxFeePerBlobGas ?? 2n * blobBase;
    return { ...shared, type: 3, to, maxFeePerBlobGas, blobVersionedHashes: call.blobVersionedHashes };
  }
  return { ...shared, type: 2 };
}

async function fill(
  ports: RpcPorts,
  limits: RpcLimits,
  suggestTip: () => bigint,
  call: CallFields,
): Promise<Transaction> {
  const { chainId } = ports.identity;
  checkFees(call);
  checkChainId(call, chainId);
  const common: Common = {
    nonce: call.nonce ?? (call.from === undefined ? 0n : ports.pool.nextNonce(call.from)),
    gasLimit: await gasOf(ports, limits, call),
    value: call.value ?? 0n,
    data: call.data ?? EMPTY_BYTES,
    to: call.to,
    signature: UNSIGNED,
  };
  const next = ports.chain.nextHeader();
  const base = next.baseFeePerGas ?? 0n;
  const old = call.gasPrice ?? (call.type === 0n || call.type === 1n ? base + suggestTip() : undefined);
  if (old !== undefined) return priced(call, common, chainId, old);
  return marketed(call, common, chainId, {
    base,
    blobBase: ports.chain.blobBaseFee(next),
    tip: suggestTip(),
  });
}

/** Completes what a client left out of a transaction of an unlocked account; answers an unsigned wire form. */
export function createFill(
  ports: RpcPorts,
  limits: RpcLimits,
): (request: Readonly<Record<string, unknown>>) => Promise<Uint8Array> {
  const suggestTip = createTipOracle(ports.chain);
  return async (request) => {
    const call = new Arguments([request]).required(0, callFields);
    return encodeTransaction(await fill(ports, limits, suggestTip, call));
  };
}

export function ethFillMethods(ports: RpcPorts, limits: RpcLimits, suggestTip: () => bigint): Methods {
  return {
    eth_fillTransaction: method(1, async (args): Promise<JsonObject> => {
      const tx = await fill(ports, limits, suggestTip, args.required(0, callFields));
      return { raw: toHex(encodeTransaction(tx)), tx: transactionFields(tx, undefined) };
    }),
  };
}
