// What the other end may say while a protocol is chosen: the library answers each line of it at once, as many as come
// in a packet, and keeps whatever follows. A single packet of such lines, from somebody who had proved no key yet,
// stopped the whole process for seconds.
import { KoraError } from "#lib/error.ts";

/** What choosing may take at most. */
export interface NegotiationBounds {
  /** Bytes that come in. */
  readonly bytes: number;
  /** Messages that go out. */
  readonly answers: number;
}

/**
 * Of a connection, until it is secured and multiplexed: a few hundred bytes and three answers, and the first words on
 * either end's streams, which may come before the library says that it is done.
 */
export const HANDSHAKE_BOUNDS: NegotiationBounds = { bytes: 16 * 1024, answers: 64 };
/** Of a stream: two lines each way, or three when the first choice is not spoken. */
export const STREAM_BOUNDS: NegotiationBounds = { bytes: 2 * 1024, answers: 8 };

/** The parts of the library's connections and streams that bytes go through. */
export interface Negotiated {
  send(data: { readonly byteLength: number }): boolean;
  onData(data: { readonly byteLength: number }): void;
  abort(error: Error): void;
}

/** Aborts `stream` where it goes beyond `bounds` while `choosing`. */
export function boundNegotiation(
  stream: Negotiated,
  bounds: NegotiationBounds,
  choosing: () => boolean,
): void {
  const send = stream.send.bind(stream);
  const onData = stream.onData.bind(stream);
  let bytes = 0;
  let answers = 0;
  function refuse(): KoraError {
    const error = new KoraError("too much was said before a protocol was chosen", { code: "NEGOTIATION" });
    stream.abort(error);
    return error;
  }
  stream.send = (data) => {
    // Whoever answers has to stop: it may have a packet of lines left.
    if (choosing() && ++answers > bounds.answers) throw refuse();
    return send(data);
  };
  stream.onData = (data) => {
    if (choosing()) bytes += data.byteLength;
    if (choosing() && bytes > bounds.bytes) refuse();
    else onData(data);
  };
}

/** Whether a stream was not opened because the other end does not speak its protocol, which it said. */
export function isUnsupported(error: unknown): boolean {
  return error instanceof Error && error.name === "UnsupportedProtocolError";
}
