// eth_: simulated calls. Hands what is to be executed to the calls port and words its answer; executes nothing here.
import { TRANSACTION_GAS } from "#execution/intrinsic.ts";
import { toHex } from "#lib/bytes.ts";
import type { Header } from "#types/header.ts";
import { viewAt } from "./blocks.ts";
import { callArguments, callTask } from "./call-task.ts";
import { accessListJson, type JsonObject, toQuantity } from "./encode.ts";
import { type RpcError, serverError } from "./errors.ts";
import type { RpcLimits } from "./limits.ts";
import { type Method, type Methods, method } from "./method.ts";
import { type Arguments, blockRef, LATEST } from "./params.ts";
import type { CallAnswer, CallRunner, CallTerms, CallView, RpcPorts } from "./ports.ts";
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

export function ethCallMethods(ports: RpcPorts, limits: RpcLimits): Methods {
  const { calls, chain } = ports;
  const { gasCap } = limits;
  const { chainId } = ports.identity;
  const viewOf = async (args: Arguments, defaults: Defaults): Promise<CallView> => {
    const ref = args.optional(1, blockRef);
    return ref === undefined ? defaults.view() : viewAt(chain, ref);
  };
  const termsOf = ({ header }: CallView, { gas, leastGas }: Defaults): CallTerms => ({
    chainId,
    gasCap,
    usualGas: gas(header),
    leastGas,
  });
  const simulated = <Answer>(
    defaults: Defaults,
    run: <Task>(runner: CallRunner<Task>, task: Task) => Promise<Answer>,
    tell: (answer: Answer) => unknown,
  ): Method =>
    method(
      4,
      async (args) => {
        const called = callArguments(args);
        const view = await viewOf(args, defaults);
        return tell(await run(calls, callTask(called, view, termsOf(view, defaults))));
      },
      async (args, parameters) => {
        const view = await viewOf(args, defaults);
        return tell(await run(calls.long, { view, terms: termsOf(view, defaults), parameters }));
      },
    );
  const reading: Defaults = { view: () => viewAt(chain, LATEST), gas: () => gasCap, leastGas: 0n };
  const sending: Defaults = {
    view: () => chain.sendingView(),
    gas: (header) => header.gasLimit,
    leastGas: 0n,
  };
  /** Whoever offers less than any transaction takes wants to know how much it takes, as geth has it. */
  const estimating: Defaults = { ...sending, leastGas: TRANSACTION_GAS };
  return {
    eth_call: simulated(
      reading,
      (runner, task) => runner.call(task),
      (answer) => {
        if (answer.status !== "success") throw callError(answer);
        return toHex(answer.output);
      },
    ),
    eth_estimateGas: simulated(
      estimating,
      (runner, task) => runner.estimateGas(task),
      (answer) => {
        if (answer.status !== "estimated") throw callError(answer);
        return toQuantity(answer.gas);
      },
    ),
    eth_createAccessList: simulated(
      sending,
      (runner, task) => runner.createAccessList(task),
      (answer): JsonObject => {
        if (answer.status === "rejected") throw callError(answer);
        const error = failureOf(answer.call);
        return {
          accessList: accessListJson(answer.accessList),
          gasUsed: toQuantity(answer.call.gasUsed),
          ...(error !== undefined && { error }),
        };
      },
    ),
  };
}
