// Addresses of peers as operators write them: host:port, key@host:port, or a multiaddr with tcp and perhaps p2p.
import { isIP } from "node:net";
import { KoraError } from "#lib/error.ts";
import { type IdentityKey, identityKey } from "#types/identity.ts";
import type { PeerAddress } from "./types.ts";

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/** Head of an ed25519 peer id: identity multihash of 36 bytes, key type ed25519, 32 bytes of key. */
const PEER_ID_HEAD = "002408011220";
const PEER_ID_BYTES = 38;
const HOSTS = new Set(["ip4", "ip6", "dns", "dns4", "dns6"]);

function bad(text: string, why: string): KoraError {
  return new KoraError(`"${text.slice(0, 120)}" is no address of a peer`, {
    code: "BAD_PEER_ADDRESS",
    kind: "usage",
    why,
    hint: "write key@host:port, host:port, or a multiaddr such as /ip4/10.0.0.1/tcp/30303",
  });
}

/** The ed25519 key in the text of a peer id; undefined for every other kind. */
function keyOfPeerId(text: string): IdentityKey | undefined {
  let value = 0n;
  for (const letter of text) {
    const digit = BASE58.indexOf(letter);
    if (digit < 0 || text.length > 64) return undefined;
    value = value * 58n + BigInt(digit);
  }
  const digits = value.toString(16).padStart(2 * PEER_ID_BYTES, "0");
  if (digits.length !== 2 * PEER_ID_BYTES || !digits.startsWith(PEER_ID_HEAD)) return undefined;
  return identityKey(digits.slice(PEER_ID_HEAD.length));
}

function parsePort(text: string, port: string | undefined): number {
  const value = port !== undefined && /^\d{1,5}$/.test(port) ? Number(port) : Number.NaN;
  if (!(value >= 1 && value <= 65_535)) throw bad(text, "its port is not a number from 1 to 65535");
  return value;
}

function parseMultiaddr(text: string): PeerAddress {
  const [, kind, host, transport, port, p2p, id, ...rest] = text.split("/");
  if (
    kind === undefined ||
    host === undefined ||
    !HOSTS.has(kind) ||
    transport !== "tcp" ||
    rest.length > 0
  ) {
    throw bad(text, "only ip4, ip6 or dns with tcp can be dialled");
  }
  const peer = id === undefined ? undefined : keyOfPeerId(id);
  if (p2p !== undefined && (p2p !== "p2p" || peer === undefined)) {
    throw bad(text, "what follows tcp must be the p2p id of an ed25519 key");
  }
  return { host, port: parsePort(text, port), peer };
}

/** The address that `text` writes; throws BAD_PEER_ADDRESS. */
export function parsePeerAddress(text: string): PeerAddress {
  if (text.startsWith("/")) return parseMultiaddr(text);
  const at = text.lastIndexOf("@");
  const place = text.slice(at + 1);
  const colon = place.lastIndexOf(":");
  const host = place.slice(0, Math.max(0, colon)).replace(/^\[(.*)\]$/, "$1");
  if (host === "" || (host.includes(":") && !place.startsWith("[")))
    throw bad(text, "it has no host and port");
  const peer = at < 0 ? undefined : identityKey(text.slice(0, at));
  return { host, port: parsePort(text, place.slice(colon + 1)), peer };
}

/** From how far away an address can be meant: this machine, its own network, everywhere; undefined for nowhere. */
export type Reach = 0 | 1 | 2;
const LOOPBACK: Reach = 0;
const PRIVATE: Reach = 1;
const PUBLIC: Reach = 2;

function reachOf4(host: string): Reach | undefined {
  const [a, b] = host.split(".").map(Number) as [number, number];
  if (a === 127) return LOOPBACK;
  // This network, multicast and reserved.
  if (a === 0 || a >= 224) return undefined;
  const own = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168);
  return own || (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128) ? PRIVATE : PUBLIC;
}

/** How far an IP address reaches; undefined for what is none, or that nobody can be dialled at. */
export function reachOf(host: string): Reach | undefined {
  const family = isIP(host);
  if (family === 4) return reachOf4(host);
  if (family !== 6 || host === "::" || host.includes(".") || /^(ff|::ffff:)/i.test(host)) return undefined;
  if (host === "::1") return LOOPBACK;
  return /^(f[cd]|fe[89ab])/i.test(host) ? PRIVATE : PUBLIC;
}
