// What the operator is told when an address cannot be listened on.
import { KoraError, messageOf } from "./error.ts";

const OTHER_PORT = "stop what uses the port, or choose another (0 takes any that is free)";
const OTHER_HOST = "give an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them";

/** What a failure to listen is, as far as the runtime says it, and what to do. */
function reasonOf(thrown: unknown): { readonly why: string; readonly hint: string } {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return { why: "another process listens there", hint: OTHER_PORT };
    case "EACCES":
      return { why: "this user may not listen there", hint: "choose a port from 1024 on, or 0 for any" };
    case "EADDRNOTAVAIL":
      return { why: "this machine does not have that address", hint: OTHER_HOST };
    case "ENOENT":
    case "ENOTFOUND":
      return { why: "nothing is known by that name", hint: OTHER_HOST };
    default:
      return { why: messageOf(thrown), hint: OTHER_PORT };
  }
}

/** LISTEN_FAILED for an address. */
export function listenError(
  address: { readonly host: string; readonly port: number },
  thrown: unknown,
): KoraError {
  return new KoraError(`cannot listen on ${address.host}:${address.port}`, {
    code: "LISTEN_FAILED",
    ...reasonOf(thrown),
    cause: thrown,
  });
}
