// What a simulated call is to execute, from its arguments: those of a usual length are decoded before a view is sought,
// those of a long request in the thread that executes it.
import type { BlockOverrides, StateOverrides } from "#execution/types.ts";
import { blockOverrides, type CallFields, callFields, callRequest, stateOverrides } from "./call-params.ts";
import { parseParameters } from "./long-request.ts";
import { Arguments } from "./params.ts";
import type { CallTask, CallTerms, CallView, LongCall } from "./ports.ts";

/** The arguments (call, block, state overrides, block overrides) but for the block. */
export interface CallArguments {
  readonly fields: CallFields;
  readonly stateOverrides: StateOverrides | undefined;
  readonly blockOverrides: BlockOverrides | undefined;
}

/** Decodes them. Throws RpcError −32602. */
export function callArguments(args: Arguments): CallArguments {
  return {
    fields: args.required(0, callFields),
    stateOverrides: args.optional(2, stateOverrides),
    blockOverrides: args.optional(3, blockOverrides),
  };
}

/** The task that they make on a view. Throws RpcError as geth answers. */
export function callTask(called: CallArguments, view: CallView, terms: CallTerms): CallTask {
  const { fields, stateOverrides, blockOverrides } = called;
  const { chainId, gasCap, usualGas, leastGas } = terms;
  const gas = fields.gas === undefined || fields.gas < leastGas ? usualGas : fields.gas;
  const baseFee = blockOverrides?.baseFeePerGas ?? view.header.baseFeePerGas ?? 0n;
  const request = callRequest({ ...fields, gas }, chainId, baseFee, gasCap);
  return { view, request, stateOverrides, blockOverrides };
}

/** The task of a long call. Throws RpcError as for any other, −32700 where its parameters are no JSON. */
export function longCallTask({ view, terms, parameters }: LongCall): CallTask {
  return callTask(callArguments(new Arguments(parseParameters(parameters))), view, terms);
}
