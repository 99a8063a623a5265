// JSON-RPC errors: the codes and texts clients match on (EIP-1474, geth's texts), and how errors of the parts below
// become them. An error nobody foresaw is answered as an internal one, without its text.
import { KoraError } from "#lib/error.ts";

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;
export const SERVER_ERROR = -32000;
export const TIMEOUT = -32002;
export const RESPONSE_TOO_LARGE = -32003;
export const NOT_SUPPORTED = -32004;
export const LIMIT_EXCEEDED = -32005;
export const REVERTED = 3;
/** EIP-7966: the transaction is in the pool, its receipt did not come in time. */
export const SYNC_TIMEOUT = 4;
export const PRUNED = 4444;

/** What the client gets instead of a result. */
export class RpcError extends KoraError {
  override readonly name: string = "RpcError";
  readonly rpcCode: number;
  readonly data: unknown;

  constructor(rpcCode: number, message: string, data?: unknown) {
    // What it is told from when it has crossed from a thread as plain data.
    super(message, { code: "RPC", details: { rpcCode, data } });
    this.rpcCode = rpcCode;
    this.data = data;
  }
}

/** −32602 with `message`. */
export function invalidParams(message: string): RpcError {
  return new RpcError(INVALID_PARAMS, message);
}

/** −32000 with geth's text. */
export function serverError(message: string): RpcError {
  return new RpcError(SERVER_ERROR, message);
}

/** −32003: the answer would pass its bound. */
export function responseTooLarge(): RpcError {
  return new RpcError(RESPONSE_TOO_LARGE, "response too large");
}

export function methodNotFound(method: string): RpcError {
  const shown = method.length > 80 ? `${method.slice(0, 80)}…` : method;
  return new RpcError(METHOD_NOT_FOUND, `the method ${shown} does not exist/is not available`);
}

/** Codes that parts below the server give their errors, and what the client gets for them. */
const KNOWN: ReadonlyMap<string, number> = new Map([
  ["INVALID_PARAMS", INVALID_PARAMS],
  ["INVALID_INPUT", SERVER_ERROR],
  ["NOT_SUPPORTED", NOT_SUPPORTED],
  ["EXECUTION_REVERTED", REVERTED],
  ["BAD_OVERRIDE", SERVER_ERROR],
  ["HEADER_NOT_FOUND", SERVER_ERROR],
  ["PROOF_UNAVAILABLE", SERVER_ERROR],
  ["INDEXES_MISSING", SERVER_ERROR],
  ["STATE_PRUNED", PRUNED],
  ["CALL_TIMEOUT", SERVER_ERROR],
  ["READS_BUSY", LIMIT_EXCEEDED],
  ["READS_CLOSED", SERVER_ERROR],
]);

/** Whatever was thrown as an RpcError; undefined for what no client may see. `details.data` becomes `data`. */
export function toRpcError(thrown: unknown): RpcError | undefined {
  if (thrown instanceof RpcError) return thrown;
  if (!(thrown instanceof KoraError)) return undefined;
  const { rpcCode } = thrown.details;
  const code = typeof rpcCode === "number" ? rpcCode : KNOWN.get(thrown.code);
  return code === undefined ? undefined : new RpcError(code, thrown.message, thrown.details["data"]);
}
