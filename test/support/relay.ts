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
}

export interface Relay {
  readonly port: number;
  readonly state: LinkState;
  /** Applies a cut to connections that are open. */
  apply(): void;
  close(): Promise<void>;
}

/** Passes what comes from `from` on to `to`, late and in order. */
function pass(from: Socket, to: Socket, state: LinkState, rng: Rng): void {
  let last = 0;
  from.on("data", (chunk) => {
    const now = performance.now();
    last = Math.max(last, now + state.delay + rng.unit() * state.jitter);
    const wait = last - now;
    const deliver = (): void => {
      if (!to.destroyed && !to.write(chunk)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    };
    if (wait < 1) deliver();
    else setTimeout(deliver, wait);
  });
  const end = (): void => void to.destroy();
  from.on("close", end);
  from.on("error", end);
}

/** A relay to `target` on this machine. */
export async function startRelay(target: number, rng: Rng): Promise<Relay> {
  const state: LinkState = { cut: false, delay: 0, jitter: 0 };
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
