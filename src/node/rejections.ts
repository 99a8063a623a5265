// Which failures that nobody waits for may be let go. The network library leaves some behind when a connection ends
// in the middle of what it was doing, and the runtime throws when a dial is given up before anybody answered; they tell
// of a peer that went away, which the transport notices by itself. Everything else that nobody waits for is our own
// fault and stops the process.

/** Names of the network library's errors about connections and streams that ended, or of operations given up. */
const ENDED: ReadonlySet<string> = new Set([
  "AbortError",
  "ConnectionClosedError",
  "ConnectionClosingError",
  "ConnectionFailedError",
  "MuxerClosedError",
  "StreamAbortedError",
  "StreamClosedError",
  "StreamResetError",
  "StreamStateError",
  "UnexpectedEOFError",
]);

/** Whether a rejection or an error without a handler only says that some connection ended. */
export function tellsOfEndedConnection(reason: unknown): boolean {
  return reason instanceof Error && ENDED.has(reason.name);
}
