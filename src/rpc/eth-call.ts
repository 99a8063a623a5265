// eth_: simulated calls. Decodes, hands the task to the calls port and words its answer; executes nothing here.
import { TRANSACTION_GAS } from "#execution/intrinsic.ts";
import { toHex } from "#lib/bytes.ts";
import type { Header } from "#types/header.ts";
import { viewAt } from "./blocks.ts";
import { blockOverrides, callFields, callRequest, stateOverrides } from "./call-params.ts";
import { accessListJson, type JsonObject, toQuantity } from "./encode.ts";
import { type RpcError, serverError } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import { type Methods, method } from "./method.ts";
import { type Arguments, blockRef, LATEST } from "./params.ts";
import type { CallAnswer, CallTask, CallView, RpcPorts } from "./ports.ts";
import { revertError } from "./revert.ts";

/** The error a client gets for a call that did not succeed. */
export function callError(answer: Exclude<CallAnswer, { readonly status: "success" }>): RpcError {
  switch (answer.status) {
    case "revert":
      return revertError(answer.output);
    case "halt":
      return serverError(answer.halt);
    case "rejected":
      return serverError(answer.rejection.message);
  }
}

/** What `eth_createAccessList` says about the call itself; undefined when it succeeded. */
function failureOf(answer: Exclude<CallAnswer, { readonly status: "rejected" }>): string | undefined {
  if (answer.status === "success") return undefined;
  return answer.status === "halt" ? answer.halt : "execution reverted";
}

/** What a method assumes where a client says nothing. */
interface Defaults {
  readonly view: () => CallView | Promise<CallView>;
  /** Gas of a call that asks for none, or for less than `leastGas`. */
  readonly gas: (header: Header) => bigint;
  readonly leastGas: bigint;
}

/** A task from (call, block, state overrides, block overrides). */
async function taskOf(
  ports: RpcPorts,
  limits: RpcLimits,
  args: Arguments,
  defaults: Defaults,
): Promise<CallTask> {
  const fields = args.required(0, callFields);
  const ref = args.optional(1, blockRef);
  const view = await (ref === undefined ? defaults.view() : viewAt(ports.chain, ref));
  const overrides = args.optional(3, blockOverrides);
  const asked = fields.gas;
  const baseFee = overrides?.baseFeePerGas ?? view.header.baseFeePerGas ?? 0n;
  return {
    view,
    request: callRequest(
      {
        ...fields,
        gas: asked === undefined || asked < defaults.leastGas ? defaults.gas(view.header) : asked,
      },
      ports.identity.chainId,
      baseFee,
      limits.gasCap,
    ),
    stateOverrides: args.optional(2, stateOverrides),
    blockOverrides: overrides,
  };
}

export function ethCallMethods(ports: RpcPorts, limits: RpcLimits): Methods {
  const { calls, chain } = ports;
  const reading: Defaults = { view: () => viewAt(chain, LATEST), gas: () => limits.gasCap, leastGas: 0n };
  const sending: Defaults = {
    view: () => chain.sendingView(),
    gas: (header) => header.gasLimit,
    leastGas: 0n,
  };
  /** Whoever offers less than any transaction takes wants to know how much it takes, as geth has it. */
  const estimating: Defaults = { ...sending, leastGas: TRANSACTION_GAS };
  return {
    eth_call: method(4, async (args) => {
      const answer = await calls.call(await taskOf(ports, limits, args, reading));
      if (answer.status !== "success") throw callError(answer);
      return toHex(answer.output);
    }),
    eth_estimateGas: method(4, async (args) => {
      const answer = await calls.estimateGas(await taskOf(ports, limits, args, estimating));
      if (answer.status !== "estimated") throw callError(answer);
      return toQuantity(answer.gas);
    }),
    eth_createAccessList: method(4, async (args): Promise<JsonObject> => {
      const answer = await calls.createAccessList(await taskOf(ports, limits, args, sending));
      if (answer.status === "rejected") throw callError(answer);
      const error = failureOf(answer.call);
      return {
        accessList: accessListJson(answer.accessList),
        gasUsed: toQuantity(answer.call.gasUsed),
        ...(error !== undefined && { error }),
      };
    }),
  };
}
