// TCP as a process that must not die of an address needs it: the library hands a dial's signal to the socket too, stops
// listening to the socket once the signal has fired, and what the socket then says of being aborted would end the
// process. A black-holed address is enough: its dial ends by the signal. And what comes before a connection is secured
// is bounded.
import type { MultiaddrConnection, Transport } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { boundNegotiation, HANDSHAKE_BOUNDS, type Negotiated } from "./negotiation.ts";

type Factory = ReturnType<typeof tcp>;
interface Connecting extends Transport {
  _connect(address: unknown, options: { readonly signal: AbortSignal }): Promise<unknown>;
}

/** The same options with a signal that copies do not carry: the dial hears of it, the socket does not. */
export function withoutCopies<T extends { readonly signal: AbortSignal }>(options: T): T {
  const { signal, ...rest } = options;
  return Object.defineProperty(rest, "signal", { value: signal, enumerable: false }) as T;
}

type Upgrader = Parameters<Transport["createListener"]>[0]["upgrader"];

/** `upgrader`, which bounds what comes in while it secures and multiplexes a connection. */
export function boundedUpgrader(upgrader: Upgrader): Upgrader {
  async function bounded<T>(connection: MultiaddrConnection, upgrade: () => Promise<T>): Promise<T> {
    let choosing = true;
    boundNegotiation(connection as MultiaddrConnection & Negotiated, HANDSHAKE_BOUNDS, () => choosing);
    try {
      return await upgrade();
    } finally {
      choosing = false;
    }
  }
  const methods: Pick<Upgrader, "upgradeInbound" | "upgradeOutbound"> = {
    upgradeInbound: (connection, options) =>
      bounded(connection, () => upgrader.upgradeInbound(connection, options)),
    upgradeOutbound: (connection, options) =>
      bounded(connection, () => upgrader.upgradeOutbound(connection, options)),
  };
  return Object.assign(Object.create(upgrader) as Upgrader, methods);
}

/** The transport of every connection. */
export function tcpTransport(): Factory {
  const create = tcp();
  return (components) => {
    const transport = create(components) as Connecting;
    const connect = transport._connect.bind(transport);
    transport._connect = (address, options) => connect(address, withoutCopies(options));
    const dial = transport.dial.bind(transport);
    transport.dial = (address, options) =>
      dial(address, { ...options, upgrader: boundedUpgrader(options.upgrader) });
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) =>
      createListener({ ...options, upgrader: boundedUpgrader(options.upgrader) });
    return transport;
  };
}
