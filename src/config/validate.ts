// Rules between keys that no single key can say. Throws BAD_CONFIG with the key's path.
import { KoraError } from "#lib/error.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { quorumOf } from "#types/quorum.ts";
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

/** Checks what spans keys: quorum, timeouts in order, listeners apart. */
export function validateSettings(settings: Settings): void {
  checkParticipants(settings);
  checkTimeouts(settings);
  checkListeners(settings);
}
