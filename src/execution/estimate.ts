// eth_estimateGas: the least gas with which a call succeeds, by trial, as geth searches for it.
import { EMPTY_BYTES } from "#lib/bytes.ts";
import type { CallRunner } from "./call-run.ts";
import { TRANSACTION_GAS } from "./intrinsic.ts";
import { TRANSACTION_GAS_CAP } from "./rules.ts";
import type { CallRequest, CallResult, EstimateResult } from "./types.ts";

/** Gas that a call with value lends its callee: a first guess has to cover it. */
const CALL_STIPEND = 2300n;
/** The search ends when the bounds are this close: 15 in a thousand of the upper one. */
const TOLERANCE_NUMERATOR = 15n;
const TOLERANCE_DENOMINATOR = 1000n;

/** The most gas worth trying: what was asked for, what the protocol allows, and what the sender can pay. */
function upperBound(runner: CallRunner, request: CallRequest): bigint {
  let bound = request.gas;
  if (runner.fork.osaka && runner.rules.transactionGasCap && bound > TRANSACTION_GAS_CAP) {
    bound = TRANSACTION_GAS_CAP;
  }
  if (request.gasPrice > 0n) {
    const affordable = (runner.balanceOf(request.from) - request.value) / request.gasPrice;
    if (affordable >= 0n && affordable < bound) bound = affordable;
  }
  return bound;
}

function isPlainTransfer(runner: CallRunner, request: CallRequest): boolean {
  const { to, data, accessList, authorizationList, blobVersionedHashes } = request;
  if (to === undefined || data.length > 0) return false;
  const extras = [accessList, authorizationList, blobVersionedHashes];
  return extras.every((list) => list === undefined || list.length === 0) && !runner.hasCode(to);
}

type Failure = Exclude<CallResult, { status: "success" }>;

function failureAt(bound: bigint, failure: Failure): EstimateResult {
  const starved =
    (failure.status === "halt" && failure.halt.includes("out of gas")) ||
    (failure.status === "rejected" && ["INTRINSIC_GAS", "FLOOR_GAS"].includes(failure.rejection.code));
  if (!starved) return failure;
  return {
    status: "halt",
    halt: `gas required exceeds allowance (${bound})`,
    output: EMPTY_BYTES,
    gasUsed: bound,
    gasRefunded: 0n,
    logs: [],
  };
}

/** Estimates with `runner`. */
export async function estimate(runner: CallRunner, request: CallRequest): Promise<EstimateResult> {
  let high = upperBound(runner, request);
  const attempt = async (gas: bigint): Promise<CallResult> => (await runner.run({ ...request, gas })).result;
  if (isPlainTransfer(runner, request) && high >= TRANSACTION_GAS) {
    const result = await attempt(TRANSACTION_GAS);
    if (result.status === "success") return { status: "estimated", gas: TRANSACTION_GAS };
  }
  const first = await attempt(high);
  if (first.status !== "success") return failureAt(high, first);
  // Nothing below what was used can do, and mostly no more than that with its refund and the stipend is needed.
  let low = first.gasUsed - 1n;
  let guess = ((first.gasUsed + first.gasRefunded + CALL_STIPEND) * 64n) / 63n;
  if (guess >= high) guess = (high + low) / 2n;
  while (low + 1n < high) {
    if ((high - low) * TOLERANCE_DENOMINATOR < high * TOLERANCE_NUMERATOR) break;
    const result = await attempt(guess);
    if (result.status === "abandoned") return result;
    if (result.status === "success") high = guess;
    else low = guess;
    guess = (high + low) / 2n;
    // Estimates are mostly near the lower end: halve by at most doubling it.
    if (guess > low * 2n) guess = low * 2n;
  }
  return { status: "estimated", gas: high };
}
