// TCP as a process that must not die of an address needs it: the library hands a dial's signal to the socket too, stops
// listening to the socket once the signal has fired, and what the socket then says of being aborted would end the
// process. A black-holed address is enough: its dial ends by the signal.
import type { Transport } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";

type Factory = ReturnType<typeof tcp>;
interface Connecting extends Transport {
  _connect(address: unknown, options: { readonly signal: AbortSignal }): Promise<unknown>;
}

/** The same options with a signal that copies do not carry: the dial hears of it, the socket does not. */
export function withoutCopies<T extends { readonly signal: AbortSignal }>(options: T): T {
  const { signal, ...rest } = options;
  return Object.defineProperty(rest, "signal", { value: signal, enumerable: false }) as T;
}

/** The transport of every connection. */
export function tcpTransport(): Factory {
  const create = tcp();
  return (components) => {
    const transport = create(components) as Connecting;
    const connect = transport._connect.bind(transport);
    transport._connect = (address, options) => connect(address, withoutCopies(options));
    return transport;
  };
}
