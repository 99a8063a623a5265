// A small JSON-RPC client over HTTP for the commands that talk to nodes: batches, time limit, clear errors.
import { KoraError, messageOf } from "#lib/error.ts";
import { usageError } from "./args.ts";

export interface RpcFailure {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}
export type RpcAnswer = { readonly result: unknown } | { readonly error: RpcFailure };

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface RpcClient {
  readonly url: string;
  /** The result; throws RPC_ERROR or RPC_UNREACHABLE. */
  call(method: string, ...params: unknown[]): Promise<unknown>;
  /** One answer per call, in order; throws RPC_UNREACHABLE when there is no answer at all. */
  batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]>;
}

const TIMEOUT_MS = 30_000;

/** The http address that an operator meant: `host:port` gets a scheme. */
export function rpcAddress(text: string): string {
  return /^https?:\/\//.test(text) ? text : `http://${text}`;
}

/**
 * The nodes that `--rpc-url` names, one or several with commas between; without it the one on this machine. Throws USAGE
 * for what cannot be an address.
 */
export function rpcAddresses(given = "http://127.0.0.1:8545"): string[] {
  return given.split(",").map((text) => {
    const url = rpcAddress(text.trim());
    if (URL.canParse(url)) return url;
    throw usageError(
      `--rpc-url cannot be "${given}"`,
      `"${text.trim()}" is no address of HTTP`,
      "--rpc-url http://127.0.0.1:8545, or several with commas between",
    );
  });
}

/** Why a request got no answer, as far as the runtime says it. */
function silenceOf(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "ECONNREFUSED" || code === "ConnectionRefused") return "nothing listens there";
  if (code === "ENOTFOUND") return "no host is known by that name";
  if (thrown instanceof DOMException && thrown.name === "TimeoutError")
    return `it said nothing for ${TIMEOUT_MS / 1_000} s`;
  if (thrown instanceof SyntaxError) return "what listens there does not speak JSON-RPC";
  return messageOf(thrown);
}

async function post(url: string, body: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(signal === undefined ? [] : [signal])]),
    });
    return await response.json();
  } catch (cause) {
    throw new KoraError(`no answer from ${url}`, {
      code: "RPC_UNREACHABLE",
      why: silenceOf(cause),
      hint: "kora dev or kora devnet starts a chain here; --rpc-url names a node elsewhere",
      cause,
    });
  }
}

/** A client of the node at `address`; `signal` ends what is under way. */
export function createRpcClient(address: string, signal?: AbortSignal): RpcClient {
  const url = rpcAddress(address);
  let id = 0;
  const envelope = ({ method, params }: RpcCall): object => ({ jsonrpc: "2.0", id: id++, method, params });
  const batch = async (calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> => {
    const first = id;
    const answers = await post(url, calls.map(envelope), signal);
    if (!Array.isArray(answers)) {
      throw new KoraError(`${url} did not answer a batch`, { code: "RPC_UNREACHABLE" });
    }
    const byId = new Map((answers as { id: number }[]).map((answer) => [answer.id, answer]));
    const missing: RpcAnswer = { error: { code: -32603, message: "the batch's answer lacks this call" } };
    return calls.map((_, index) => (byId.get(first + index) as RpcAnswer | undefined) ?? missing);
  };
  return {
    url,
    batch,
    async call(method, ...params) {
      const answer = (await post(url, envelope({ method, params }), signal)) as RpcAnswer;
      if ("error" in answer) {
        throw new KoraError(`${method} failed: ${answer.error.message}`, {
          code: "RPC_ERROR",
          why: `${url} answered code ${answer.error.code}`,
          hint: "see the node's log",
          details: { ...answer.error },
        });
      }
      return answer.result;
    },
  };
}
