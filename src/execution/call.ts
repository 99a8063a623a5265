// Message calls that are no transactions: eth_call, eth_estimateGas and eth_createAccessList. Nothing here changes
// any state, and each call can be bounded, so that a caller may abandon it and run it again elsewhere.
import { type AccessListResult, findAccessList } from "./access-list.ts";
import { withRunner } from "./call-run.ts";
import { estimate } from "./estimate.ts";
import { createMachineShelf } from "./machine.ts";
import type {
  CallContext,
  CallOptions,
  CallRequest,
  CallResult,
  ChainRules,
  EstimateResult,
} from "./types.ts";

/** Runs calls under the rules of one chain. All methods throw BAD_OVERRIDE for overrides that exclude each other. */
export interface Calls {
  /** One message call or creation with at most `request.gas`. */
  call(context: CallContext, request: CallRequest, options?: CallOptions): Promise<CallResult>;
  /** The least gas with which the call succeeds, at most `request.gas`; a plain transfer takes exactly 21000. */
  estimateGas(context: CallContext, request: CallRequest, options?: CallOptions): Promise<EstimateResult>;
  /** What the call touches beside its parties, and how it ends when given that list. */
  createAccessList(
    context: CallContext,
    request: CallRequest,
    options?: CallOptions,
  ): Promise<AccessListResult>;
}

const DEFAULTS: CallOptions = {};

/** Calls under `rules`; several may run at once. */
export function createCalls(rules: ChainRules): Calls {
  const shelf = createMachineShelf(rules, { metered: true });
  return {
    call: (context, request, options = DEFAULTS) =>
      withRunner(shelf, rules, context, options, async (runner) => (await runner.run(request)).result),
    estimateGas: (context, request, options = DEFAULTS) =>
      withRunner(shelf, rules, context, options, (runner) => estimate(runner, request)),
    createAccessList: (context, request, options = DEFAULTS) =>
      withRunner(shelf, rules, context, options, (runner) => findAccessList(runner, request)),
  };
}
