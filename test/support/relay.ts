// TCP relays between the nodes of a test network: every connection goes through one, which can delay it, or cut it.
// Delays come from a seeded generator; bytes of one connection stay in order, as TCP promises.
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { Rng } from "#lib/rng.ts";

export interface LinkState {
  /** Cut: nothing passes, connections are refused. */
  cut: boolean;
  /** Milliseconds, plus up to `jitter` more. */
  delay: number;
  jitter: number;
  /** What comes from now on is never delivered, nor anything after it on its connection; nobody is told. */
  stalled: boolean;
}

export interface Relay {
  readonly port: number;
  readonly state: LinkState;
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
function pass(from: Socket, to: Socket, state: LinkState, rng: Rng): void {
  const held: { readonly chunk: Uint8Array; readonly at: number }[] = [];
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
    }
    if (bytes < MAX_HELD_BYTES) from.resume();
  }
  from.on("data", (chunk: Uint8Array) => {
    const delay = state.stalled ? Number.POSITIVE_INFINITY : state.delay + rng.unit() * state.jitter;
    last = Math.max(last, performance.now() + delay);
    held.push({ chunk, at: last });
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
export async function startRelay(target: number, rng: Rng): Promise<Relay> {
  const state: LinkState = { cut: false, delay: 0, jitter: 0, stalled: false };
  const open = new Set<Socket>();
  const server: Server = createServer((inbound) => {
    if (state.cut) {
      inbound.destroy();
      return;
    }
    const outbound = createConnection({ host: "127.0.0.1", port: target });
    for (const socket of [inbound, outbound]) {
      socket.setNoDelay(true);
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    }
    pass(inbound, outbound, state, rng);
    pass(outbound, inbound, state, rng);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return {
    port: address.port,
    state,
    apply() {
      if (state.cut) for (const socket of open) socket.destroy();
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
