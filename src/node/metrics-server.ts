// The operator's listener: /metrics for Prometheus, /livez and /readyz for supervisors, /health and /status for people.
// Never the JSON-RPC port.
import type { SocketAddress } from "#config/kind.ts";
import { listenError } from "#lib/listen-error.ts";
import type { Metrics } from "./metrics.ts";

/** Whether the node does its work, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** What the listener asks. */
export interface Observed {
  readiness(): Readiness;
  status(): Readonly<Record<string, unknown>>;
}

export interface MetricsServer extends AsyncDisposable {
  readonly address: SocketAddress;
}

/** Serves until disposed. Throws LISTEN_FAILED when the address cannot be had. */
export function serveMetrics(address: SocketAddress, metrics: Metrics, observed: Observed): MetricsServer {
  const ready = (): Response => {
    const state = observed.readiness();
    return Response.json(state, { status: state.ready ? 200 : 503 });
  };
  const routes = {
    "/metrics": () =>
      new Response(metrics.text(), { headers: { "content-type": "text/plain; version=0.0.4" } }),
    "/livez": () => Response.json({ alive: true }),
    "/readyz": ready,
    "/health": ready,
    "/status": () => Response.json({ ...observed.status(), ...observed.readiness() }),
  };
  const notFound = () =>
    new Response("not found: /metrics, /livez, /readyz, /health and /status are here\n", { status: 404 });
  let server: ReturnType<typeof Bun.serve>;
  try {
    server = Bun.serve({ hostname: address.host, port: address.port, routes, fetch: notFound });
  } catch (thrown) {
    throw listenError(address, thrown);
  }
  return {
    address: { host: address.host, port: server.port ?? address.port },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
