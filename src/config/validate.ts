// Rules that no single kind of value can say, most of them between keys. Throws BAD_CONFIG with the key's path.
import { KoraError } from "#lib/error.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { quorumOf } from "#types/quorum.ts";
import { formatSocketAddress } from "./kind.ts";
import type { Settings } from "./schema.ts";

function refuse(path: string, message: string, why: string, hint: string): never {
  throw new KoraError(`${path} ${message}`, {
    code: "BAD_CONFIG",
    kind: "usage",
    why,
    hint,
    details: { path },
  });
}

function checkParticipants({ consensus }: Settings): void {
  const keys = consensus.participants.map((key) => key.toLowerCase().replace(/^0x/, ""));
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) {
    refuse("consensus.participants", "names a validator twice", `${twice} is repeated`, "leave one out");
  }
  if (keys.length > MAX_PARTICIPANTS) {
    const why = `${keys.length} are named, ${MAX_PARTICIPANTS} is the most`;
    refuse("consensus.participants", "is too long", why, "use fewer validators");
  }
  if (consensus.threshold === undefined || keys.length === 0) return;
  const needed = quorumOf(keys.length);
  if (consensus.threshold !== needed) {
    const why = `${keys.length} participants tolerate ${keys.length - needed} faults, so it must be ${needed}`;
    refuse("consensus.threshold", `cannot be ${consensus.threshold}`, why, "leave it out, or correct it");
  }
}

function checkTimeouts({ consensus }: Settings): void {
  if (consensus.leaderTimeoutMs >= consensus.certificationTimeoutMs) {
    refuse(
      "consensus.certification_timeout_ms",
      "must be above leader_timeout_ms",
      `they are ${consensus.certificationTimeoutMs} and ${consensus.leaderTimeoutMs}`,
      "raise certification_timeout_ms",
    );
  }
  if (consensus.skipTimeout >= consensus.viewRetention) {
    refuse(
      "consensus.skip_timeout",
      "must be below view_retention",
      `they are ${consensus.skipTimeout} and ${consensus.viewRetention} views`,
      "lower skip_timeout",
    );
  }
}

function checkListeners({ rpc, metrics }: Settings): void {
  const taken = new Map<string, string>();
  const listeners = [
    ["rpc.http_addr", rpc?.httpAddr],
    ["rpc.ws_addr", rpc?.wsAddr],
    ["metrics.addr", metrics?.addr],
  ] as const;
  for (const [path, address] of listeners) {
    if (address === undefined || address.port === 0) continue;
    const key = `${address.host}:${address.port}`;
    const other = taken.get(key);
    if (other !== undefined) {
      refuse(path, `cannot be ${key}`, `${other} listens there already`, "give it a port of its own");
    }
    taken.set(key, path);
  }
}

function isIpAddress(host: string): boolean {
  if (host.includes(":")) return URL.canParse(`http://[${host}]`);
  return (
    /^[\d.]+$/.test(host) && URL.canParse(`http://${host}`) && new URL(`http://${host}`).hostname === host
  );
}

/** An address that nobody can dial would be passed on for nothing; names are not passed on. */
function checkDialable({ network: { dialableAddr } }: Settings): void {
  if (dialableAddr === undefined) return;
  const { host, port } = dialableAddr;
  const isAddress = isIpAddress(host);
  if (isAddress && port !== 0 && host !== "0.0.0.0" && host !== "::") return;
  const why = isAddress ? "nobody can dial it" : `${host} is no IP address`;
  const hint = 'write the address that others reach this node at, such as "203.0.113.7:30303"';
  refuse("network.dialable_addr", `cannot be ${formatSocketAddress(dialableAddr)}`, why, hint);
}

/** Checks what no kind of value can: quorum, timeouts in order, listeners apart, an address that can be dialled. */
export function validateSettings(settings: Settings): void {
  checkParticipants(settings);
  checkTimeouts(settings);
  checkListeners(settings);
  checkDialable(settings);
}
