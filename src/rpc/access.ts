// Who may talk to the server: host names (against DNS rebinding), browser origins, and a rate for each address.
import { createLru } from "#lib/bounded.ts";
import { networkOf } from "#lib/ip.ts";

export interface AccessOptions {
  /** Host names served besides IP addresses and localhost; `*` serves any (geth's vhosts). */
  readonly hosts: readonly string[];
  /** Origins whose pages may call; `*` is any. */
  readonly origins: readonly string[];
}

const IPV4 = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/;

/** The host name of a Host header, without port, lowercase. */
function hostName(header: string): string {
  const trimmed = header.trim().toLowerCase();
  if (trimmed.startsWith("[")) return trimmed.slice(0, trimmed.indexOf("]") + 1);
  const colon = trimmed.indexOf(":");
  return colon === -1 ? trimmed : trimmed.slice(0, colon);
}

/** Whether a Host header names this node. A name that a page's owner controls does not. */
export function hostAllowed(options: AccessOptions, header: string | null): boolean {
  if (header === null || options.hosts.includes("*")) return true;
  const name = hostName(header);
  if (name === "localhost" || name.startsWith("[") || IPV4.test(name)) return true;
  return options.hosts.some((host) => host.toLowerCase() === name);
}

/** Whether a page of this origin may call. Requests without an origin do not come from pages. */
export function originAllowed(options: AccessOptions, origin: string | null): boolean {
  return origin === null || options.origins.includes("*") || options.origins.includes(origin);
}

/** Headers that let a page of an allowed origin read the answer; a preflight's among them. */
export function corsHeaders(options: AccessOptions, request: Request): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null || !originAllowed(options, origin)) return {};
  const headers: Record<string, string> = {
    "access-control-allow-origin": options.origins.includes("*") ? "*" : origin,
    vary: "origin",
  };
  if (request.method !== "OPTIONS") return headers;
  headers["access-control-allow-methods"] = "POST, GET, OPTIONS";
  headers["access-control-allow-headers"] =
    request.headers.get("access-control-request-headers") ?? "content-type";
  headers["access-control-max-age"] = "600";
  if (request.headers.get("access-control-request-private-network") === "true") {
    headers["access-control-allow-private-network"] = "true";
  }
  return headers;
}

/** Networks whose rate is remembered; the one unseen longest is forgotten first. */
const MAX_NETWORKS = 10_000;

/** Whether only clients of this machine can reach a listener of that host. */
export function isLoopback(host: string): boolean {
  return (
    host === "localhost" || host === "::1" || host === "[::1]" || (IPV4.test(host) && host.startsWith("127."))
  );
}

/** A rate of calls for each address. */
export interface RateLimit {
  /** Whether one more call is within the rate; counts it where it is. */
  admit(address: string): boolean;
  /** Counts calls that are made anyway: the address waits until they are within its rate. */
  charge(address: string, calls: number): void;
}

const UNLIMITED: RateLimit = { admit: () => true, charge: () => undefined };

/** A bucket of tokens for each network, refilled at `perSecond`, holding two seconds' worth. 0 admits everything. */
export function createRateLimit(perSecond: number, now: () => number): RateLimit {
  if (perSecond === 0) return UNLIMITED;
  const capacity = perSecond * 2;
  const buckets = createLru<string, { readonly tokens: number; readonly at: number }>(MAX_NETWORKS);
  const tokensOf = (network: string, time: number): number => {
    const { tokens, at } = buckets.get(network) ?? { tokens: capacity, at: time };
    return Math.min(capacity, tokens + ((time - at) * perSecond) / 1_000);
  };
  return {
    admit(address) {
      const time = now();
      const network = networkOf(address);
      const tokens = tokensOf(network, time);
      const admitted = tokens >= 1;
      buckets.set(network, { tokens: admitted ? tokens - 1 : tokens, at: time });
      return admitted;
    },
    charge(address, calls) {
      const time = now();
      const network = networkOf(address);
      buckets.set(network, { tokens: tokensOf(network, time) - calls, at: time });
    },
  };
}
