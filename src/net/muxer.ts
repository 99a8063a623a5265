// yamux as a process that must not die of a peer needs it: the library sends window updates and farewells from
// microtasks and listeners that nobody guards, and what they throw on a connection that ended would end the process. It
// also answers each piece of data with a window update, which costs more than the piece. What a peer brings is counted
// in guard.ts.
import { yamux } from "@chainsafe/libp2p-yamux";
import type { MessageStream, StreamMuxerFactory } from "@libp2p/interface";
import { KoraError } from "#lib/error.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type GuardedConnection, type GuardedMuxer, guardConnection } from "./guard.ts";
import { boundNegotiation, type Negotiated, STREAM_BOUNDS } from "./negotiation.ts";

/** Bytes in flight on one stream; what a stream that is not read can make this node hold. */
const MAX_WINDOW_BYTES = 1024 * 1024;
const MAX_READ_BUFFER_BYTES: number = 2 * MAX_WINDOW_BYTES;
/** Streams that the other end may have open, those that have not chosen their protocol yet among them. */
const MAX_INBOUND_STREAMS = 64;

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

/** The part of the library's streams that says how much the other end may send. */
export interface WindowedStream {
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/** States in which an update also opens the stream, or accepts it. */
const OPENING_STATES: ReadonlySet<number> = new Set([0, 2]);

/** Makes `stream` send a window update only when half of the window is used up, as the protocol's first author does. */
export function updateSeldom<S extends WindowedStream>(stream: S): S {
  const update = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    const { state, recvWindow, recvWindowCapacity } = stream;
    if (OPENING_STATES.has(state) || recvWindowCapacity <= recvWindow / 2) update();
  };
  return stream;
}

type InnerStream = WindowedStream & Negotiated & { readonly protocol: string };

interface StreamMaker {
  _newStream(...of: unknown[]): InnerStream;
}

/** The muxer of every connection. */
export function connectionMuxer(clock: Clock = systemClock): () => StreamMuxerFactory {
  const create = yamux({
    maxInboundStreams: MAX_INBOUND_STREAMS,
    streamOptions: { maxStreamWindowSize: MAX_WINDOW_BYTES, maxReadBufferLength: MAX_READ_BUFFER_BYTES },
  });
  return () => {
    const factory = create();
    return {
      protocol: factory.protocol,
      createStreamMuxer(connection) {
        const muxer = factory.createStreamMuxer(endUnsendable(connection));
        const inner = muxer as unknown as GuardedMuxer & StreamMaker;
        const newStream = inner._newStream.bind(muxer);
        inner._newStream = (...of) => {
          const stream = newStream(...of);
          boundNegotiation(stream, STREAM_BOUNDS, () => stream.protocol === "");
          return updateSeldom(stream);
        };
        guardConnection(connection as MessageStream & GuardedConnection, inner, clock);
        return muxer;
      },
    };
  };
}
