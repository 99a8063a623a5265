// What the operator is told when an address cannot be listened on.
import { KoraError, messageOf } from "./error.ts";

/** What a failure to listen is, as far as the runtime says it. */
function reasonOf(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "EADDRINUSE") return "another process listens there";
  if (code === "EACCES") return "this user may not listen there";
  if (code === "EADDRNOTAVAIL") return "this machine does not have that address";
  if (code === "ENOENT" || code === "ENOTFOUND") return "nothing is known by that name";
  return messageOf(thrown);
}

/** LISTEN_FAILED for an address. */
export function listenError(
  address: { readonly host: string; readonly port: number },
  thrown: unknown,
): KoraError {
  return new KoraError(`cannot listen on ${address.host}:${address.port}`, {
    code: "LISTEN_FAILED",
    why: reasonOf(thrown),
    hint: "stop what uses the port, or choose another (0 takes any that is free)",
    cause: thrown,
  });
}
