// TCP relays between the nodes of a test network: every connection goes through one, which can delay it, or cut it.
// Each direction of each connection has delays of its own from a seeded generator, so that what one peer said overtakes
// what another said before, on the way to a third, as in any network. Bytes of one direction of one connection stay in
// order: TCP promises that to whoever uses it, and a record of Noise out of its turn would end the connection. That is
// why reordering is between connections, and is counted (Arrivals), for a run to show that there was some.
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { Rng } from "./rng.ts";

export interface LinkState {
  /** Cut: nothing passes, connections are refused. */
  cut: boolean;
  /** Mean of what each direction of each connection draws once, in milliseconds, plus up to `jitter` more each time. */
  delay: number;
  jitter: number;
  /** What comes from now on is never delivered, nor anything after it on its connection; nobody is told. */
  stalled: boolean;
}

/** What reaches one node over all its connections, in which order. */
export interface Arrivals {
  /** Pieces of connections that were delivered. */
  readonly delivered: number;
  /** Those before which something was delivered that had set out later, on another connection. */
  readonly overtaken: number;
  /** Names a piece that sets out. */
  depart(): number;
  arrive(piece: number): void;
}

/** Nothing has arrived yet. */
export function createArrivals(): Arrivals {
  let departed = 0;
  let latest = -1;
  let delivered = 0;
  let overtaken = 0;
  return {
    get delivered() {
      return delivered;
    },
    get overtaken() {
      return overtaken;
    },
    depart: () => departed++,
    arrive(piece) {
      delivered++;
      if (piece < latest) overtaken++;
      latest = Math.max(latest, piece);
    },
  };
}

/** Where the two directions of a relay's connections end. */
export interface Ends {
  readonly target: Arrivals;
  readonly dialer: Arrivals;
}

export interface Relay {
  readonly port: number;
  readonly state: LinkState;
  /** Connections that it has cut or refused. */
  readonly cuts: () => number;
  /** Applies a cut to connections that are open. */
  apply(): void;
  close(): Promise<void>;
}

/** Bytes held back in one direction of one connection; beyond them its sender is not read. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;

/**
 * Passes what comes from `from` on to `to`, late and in order: one queue and one timer for each direction, since two
 * timers of a runtime need not fire in the order of their times.
 */
function pass(from: Socket, to: Socket, state: LinkState, rng: Rng, arrivals: Arrivals): void {
  const held: { readonly chunk: Uint8Array; readonly at: number; readonly piece: number }[] = [];
  const slowness = 2 * rng.unit();
  let bytes = 0;
  let last = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let full = false;
  function deliver(): void {
    timer = undefined;
    for (;;) {
      const first = held[0];
      if (first === undefined || full || to.destroyed || first.at === Number.POSITIVE_INFINITY) break;
      const wait = first.at - performance.now();
      if (wait > 0) {
        timer = setTimeout(deliver, wait);
        break;
      }
      held.shift();
      bytes -= first.chunk.length;
      full = !to.write(first.chunk);
      arrivals.arrive(first.piece);
    }
    if (bytes < MAX_HELD_BYTES) from.resume();
  }
  from.on("data", (chunk: Uint8Array) => {
    const delay = slowness * state.delay + rng.unit() * state.jitter;
    last = Math.max(last, state.stalled ? Number.POSITIVE_INFINITY : performance.now() + delay);
    held.push({ chunk, at: last, piece: arrivals.depart() });
    bytes += chunk.length;
    if (bytes >= MAX_HELD_BYTES) from.pause();
    if (timer === undefined) deliver();
  });
  to.on("drain", () => {
    full = false;
    if (timer === undefined) deliver();
  });
  const end = (): void => {
    clearTimeout(timer);
    to.destroy();
  };
  from.on("close", end);
  from.on("error", end);
}

/** A relay to `target` on this machine. */
export async function startRelay(
  target: number,
  rng: Rng,
  ends: Ends = { target: createArrivals(), dialer: createArrivals() },
): Promise<Relay> {
  const state: LinkState = { cut: false, delay: 0, jitter: 0, stalled: false };
  const open = new Set<Socket>();
  let cuts = 0;
  const server: Server = createServer((inbound) => {
    if (state.cut) {
      cuts++;
      inbound.destroy();
      return;
    }
    const outbound = createConnection({ host: "127.0.0.1", port: target });
    for (const socket of [inbound, outbound]) {
      socket.setNoDelay(true);
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    }
    pass(inbound, outbound, state, rng.fork(), ends.target);
    pass(outbound, inbound, state, rng.fork(), ends.dialer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return {
    port: address.port,
    state,
    cuts: () => cuts,
    apply() {
      if (!state.cut) return;
      // Each connection is two sockets.
      cuts += open.size / 2;
      for (const socket of open) socket.destroy();
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
