// What the operator is told when an address cannot be listened on.
import { formatSocketAddress, type SocketAddress } from "#config/kind.ts";
import { KoraError, messageOf } from "#lib/error.ts";

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}

/** LISTEN_FAILED for `address`, which the setting `name` asked for. */
export function listenError(name: string, address: SocketAddress, thrown: unknown): KoraError {
  const where = formatSocketAddress(address);
  const code = codeOf(thrown);
  const why =
    code === "EADDRINUSE"
      ? "another process listens there"
      : code === "EACCES"
        ? "not permitted"
        : messageOf(thrown);
  return new KoraError(`cannot listen on ${where}`, {
    code: "LISTEN_FAILED",
    why,
    hint: `stop the other process, or set ${name} to another port (0 takes a free one)`,
    cause: thrown,
  });
}
