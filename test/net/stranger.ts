// A stranger with the library's own tools and none of a node's restraint: sockets that say anything before a handshake,
// streams that say anything before a protocol is chosen or after, and no answer to any stream of the other end's.
import { createConnection } from "node:net";
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import type { Connection, Stream, StreamMuxer, StreamMuxerFactory } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { concatBytes } from "#lib/bytes.ts";
import { createNoiseCrypto } from "#net/noise-crypto.ts";
import { until } from "../support/kora.ts";

/** Names the protocol in which protocols are chosen. */
export const HELLO = "/multistream/1.0.0";

/** `count` lines of the protocol in which protocols are chosen (multistream-select). */
export function lines(text: string, count: number): Uint8Array {
  const bytes = new TextEncoder().encode(`${text}\n`);
  return concatBytes(...Array.from({ length: count }, () => Uint8Array.of(bytes.length, ...bytes)));
}

/** How many of `text` are in what was received. */
export function countLines(text: string, received: Uint8Array): number {
  return new TextDecoder("latin1").decode(received).split(`${text}\n`).length - 1;
}

export interface Spoken {
  send(bytes: Uint8Array): void;
  /** Says that it says nothing more. */
  end(): void;
  received(): Uint8Array;
  closed(): boolean;
}

/** A socket as it is, connected to `port` of this machine. */
export async function speak(port: number, localAddress = "127.0.0.1"): Promise<Spoken> {
  const chunks: Uint8Array[] = [];
  let closed = false;
  const socket = createConnection({ host: "127.0.0.1", port, localAddress, allowHalfOpen: true });
  socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  socket.on("close", () => {
    closed = true;
  });
  await new Promise<void>((resolve) => {
    socket.on("error", () => resolve());
    socket.on("connect", () => resolve());
  });
  return {
    send: (bytes) => void socket.write(bytes),
    end: () => void socket.end(),
    received: () => concatBytes(...chunks),
    closed: () => closed,
  };
}

export interface Stranger extends AsyncDisposable {
  isOpen(): boolean;
  /** A stream on which nothing was said yet. */
  open(): Promise<Spoken>;
  /** A stream of `protocol`. */
  choose(protocol: string): Promise<Spoken>;
}

/** The library's muxer, which takes no notice of streams that the other end opens. */
function deafMuxer(): StreamMuxerFactory {
  const factory = yamux()();
  return {
    protocol: factory.protocol,
    createStreamMuxer(connection) {
      const muxer: StreamMuxer = factory.createStreamMuxer(connection);
      return Object.assign(muxer, { onRemoteStream: () => {} });
    },
  };
}

/** Somebody with a new key who dials `port` of this machine; rejects if it is not let in. */
export async function stranger(port: number): Promise<Stranger> {
  const node = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise({ crypto: createNoiseCrypto() })],
    streamMuxers: [deafMuxer],
    connectionMonitor: { enabled: false },
  });
  const connection = await node
    .dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`))
    .catch(async (error: unknown) => {
      await node.stop();
      throw error;
    });
  const { muxer } = connection as Connection & { readonly muxer: { createStream(): Promise<Stream> } };
  async function open(): Promise<Spoken> {
    const stream = await muxer.createStream();
    const chunks: Uint8Array[] = [];
    stream.addEventListener("message", ({ data }) => chunks.push(data.subarray()));
    return {
      send: (bytes) => void stream.send(bytes),
      end: () => void stream.close(),
      received: () => concatBytes(...chunks),
      closed: () => stream.status !== "open",
    };
  }
  return {
    isOpen: () => connection.status === "open",
    open,
    async choose(protocol) {
      const stream = await open();
      stream.send(concatBytes(lines(HELLO, 1), lines(protocol, 1)));
      await until(`the choice of ${protocol}`, () => countLines(protocol, stream.received()) === 1);
      return stream;
    },
    [Symbol.asyncDispose]: async () => {
      await node.stop();
    },
  };
}
