// yamux as a process that must not die of a peer needs it: the library sends window updates and farewells from
// microtasks and listeners that nobody guards, and what they throw on a connection that ended would end the process.
import { yamux } from "@chainsafe/libp2p-yamux";
import type { MessageStream, StreamMuxerFactory } from "@libp2p/interface";
import { KoraError } from "#lib/error.ts";

/** Bytes in flight on one stream; what a stream that is not read can make this node hold. */
const MAX_WINDOW_BYTES = 1024 * 1024;
const MAX_READ_BUFFER_BYTES: number = 2 * MAX_WINDOW_BYTES;

/** Makes `send` end a connection that takes nothing more, instead of throwing. */
export function endUnsendable(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => {
    try {
      return send(data);
    } catch (error) {
      connection.abort(
        error instanceof Error ? error : new KoraError(String(error), { code: "SEND_FAILED" }),
      );
      return true;
    }
  };
  return connection;
}

/** The muxer of every connection. */
export function connectionMuxer(): () => StreamMuxerFactory {
  const create = yamux({
    streamOptions: { maxStreamWindowSize: MAX_WINDOW_BYTES, maxReadBufferLength: MAX_READ_BUFFER_BYTES },
  });
  return () => {
    const factory = create();
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection) => factory.createStreamMuxer(endUnsendable(connection)),
    };
  };
}
