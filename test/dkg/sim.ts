// A seed becomes a story: committee, weather, who is faulty and how, whether a round is given up before, whether the
// key is passed on to another committee. The answer says what broke, if anything did.

import type { Bls } from "#crypto/bls.ts";
import type { Ceremony } from "#crypto/dkg/ceremony.ts";
import { blsSharing } from "#crypto/dkg/polynomial.ts";
import type { SharingScheme } from "#crypto/dkg/scheme.ts";
import type { CeremonyIdentity } from "#crypto/dkg/signing.ts";
import { identityFromSeed, verifyIdentity } from "#crypto/identity.ts";
import { compareBytes, toHex } from "#lib/bytes.ts";
import type { CeremonyInfo } from "#types/ceremony.ts";
import type { CeremonyFault } from "#types/ceremony-record.ts";
import { identityKey, identityKeyBytes } from "#types/identity.ts";
import { hash } from "#types/ids.ts";
import { maxFaulty } from "#types/quorum.ts";
import { createRng, type Rng } from "../support/rng.ts";
import { checkAgreement, checkExposure, checkReshare, checkSecrecy, sharesOf } from "./checks.ts";
import { standinIdentity, standinScheme } from "./standin.ts";
import { CALM, pickTwists, runWorld, type Weather, type World, type WorldOptions } from "./world.ts";

export interface SimulationOptions {
  /** BLS12-381 through this door, and ed25519, instead of the stand-ins. */
  readonly real?: Bls;
  readonly sabotage?: (ceremony: Ceremony) => void;
  readonly lazyDisk?: boolean;
  readonly noAgreement?: boolean;
  /** The consensus core agrees on the logs; else an ideal box does. */
  readonly core?: boolean;
  /** Instead of what the seed says. */
  readonly weather?: Weather;
}

export interface Verdict {
  readonly seed: number;
  readonly violations: readonly string[];
  /** A line about what happened. */
  readonly story: string;
  readonly steps: number;
  readonly finished: boolean;
  readonly reshared: boolean;
  readonly restarts: number;
  readonly exposed: number;
  readonly caught: readonly CeremonyFault[];
}

interface Cast {
  readonly scheme: SharingScheme;
  readonly keys: readonly Uint8Array[];
  readonly identityOf: (key: Uint8Array) => CeremonyIdentity;
}

function createCast(count: number, real: Bls | undefined, rng: Rng): Cast {
  if (real === undefined) {
    const keys = Array.from({ length: count }, () => rng.bytes(32)).sort(compareBytes);
    return { scheme: standinScheme, keys, identityOf: standinIdentity };
  }
  const identities = new Map(
    Array.from({ length: count }, () => {
      const identity = identityFromSeed(rng.bytes(32));
      return [identity.publicKey as string, identity] as const;
    }),
  );
  return {
    scheme: blsSharing(real),
    keys: [...identities.keys()].map((key) => identityKeyBytes(identityKey(key))).sort(compareBytes),
    identityOf: (key) => ({
      publicKey: key,
      sign: (message) =>
        (identities.get(toHex(key)) as NonNullable<ReturnType<typeof identities.get>>).sign(message),
      verify: (other, message, signature) => verifyIdentity(identityKey(other), message, signature),
    }),
  };
}

function pickWeather(rng: Rng, fixed: Weather | undefined): Weather {
  if (fixed !== undefined) return fixed;
  if (rng.chance(0.15)) return CALM;
  return {
    loss: rng.chance(0.6) ? rng.unit() * 0.5 : 0,
    duplicate: rng.chance(0.5) ? rng.unit() * 0.3 : 0,
    maxDelay: 2 + rng.below(30),
    kill: rng.chance(0.5) ? rng.unit() * 0.03 : 0,
    partition: rng.chance(0.4),
    hasty: rng.chance(0.3),
    blackout: rng.chance(0.3) ? rng.below(120) : undefined,
    earlyDeadline: rng.chance(0.5) ? rng.unit() : 0,
  };
}

/** Chooses up to f faulty dealers and f faulty players. */
function pickFaulty(info: CeremonyInfo, rng: Rng): WorldOptions["faulty"] {
  const members = [
    ...new Map([...info.dealers, ...info.players].map((key) => [toHex(key), key])).values(),
  ].sort(compareBytes);
  const room = { dealers: maxFaulty(info.dealers.length), players: maxFaulty(info.players.length) };
  const faulty = new Map<number, "silent" | "crash" | ReturnType<typeof pickTwists>>();
  const wanted = rng.chance(0.1) ? 0 : room.dealers + room.players;
  for (const member of rng
    .shuffle([...members.keys()])
    .slice(0, rng.chance(0.7) ? wanted : rng.below(wanted + 1))) {
    const deals = info.dealers.includes(members[member] as Uint8Array);
    const plays = info.players.includes(members[member] as Uint8Array);
    if ((deals && room.dealers === 0) || (plays && room.players === 0)) continue;
    if (deals) room.dealers--;
    if (plays) room.players--;
    faulty.set(member, rng.chance(0.2) ? "silent" : rng.chance(0.2) ? "crash" : pickTwists(rng));
  }
  return faulty;
}

function inspect(world: World, rng: Rng): string[] {
  const found = [checkAgreement(world, rng), checkExposure(world), checkSecrecy(world, rng)];
  return [...world.violations, ...found.filter((text) => text !== undefined)];
}

function describe(world: World): string {
  const faulty = [...world.options.faulty].map(
    ([member, how]) => `${member}:${typeof how === "string" ? how : [...how].join("+")}`,
  );
  const { dealers, players } = world.options.info;
  return `${dealers.length}->${players.length} faulty [${faulty.join(" ")}]`;
}

/** The committee that gets a key by resharing: some old members, some new ones. */
function nextCommittee(cast: Cast, size: number, rng: Rng): Uint8Array[] {
  return rng
    .shuffle([...cast.keys])
    .slice(0, size)
    .sort(compareBytes);
}

/** Plays the story of `seed`. */
export function simulate(seed: number, options: SimulationOptions = {}): Verdict {
  const rng = createRng(seed);
  const size = rng.pick([1, 2, 3, 4, 4, 4, 5, 6, 7, 7, 8, 9, 10]);
  const cast = createCast(size + rng.below(4), options.real, rng);
  const keys = rng
    .shuffle([...cast.keys])
    .slice(0, size)
    .sort(compareBytes);
  const { scheme, identityOf } = cast;
  const chain = hash(rng.bytes(32));
  const base = { scheme, identityOf, archive: [], ...options };
  const none = { previousShares: new Map<string, Uint8Array>(), faulty: new Map() };
  const reshared = rng.chance(0.3);
  const worlds: World[] = [];
  const play = (world: Omit<WorldOptions, "archive" | "scheme" | "identityOf">): World => {
    const archive = worlds.flatMap((before) => before.transcript);
    const played = runWorld({ ...base, ...world, archive }, rng.fork());
    worlds.push(played);
    return played;
  };
  let round = 1;
  const violations: string[] = [];
  let info: CeremonyInfo = { chain, round, dealers: keys, players: keys, previous: undefined };
  let old: World | undefined;
  let previousShares: ReadonlyMap<string, Uint8Array> = new Map();
  if (reshared) {
    old = play({ ...none, info, weather: CALM, abort: false });
    violations.push(...inspect(old, rng));
    const output = old.nodes[0]?.result?.output;
    const held = sharesOf(old);
    previousShares = new Map(held.map(({ index, share }) => [toHex(keys[index] as Uint8Array), share]));
    const players = nextCommittee(cast, 1 + rng.below(cast.keys.length), rng);
    const previous = { polynomial: output?.group.bytes ?? new Uint8Array(), participants: keys };
    info = { chain, round: ++round, dealers: keys, players, previous };
  }
  const faulty = pickFaulty(info, rng);
  if (rng.chance(0.25) && violations.length === 0) {
    violations.push(
      ...play({ info, previousShares, faulty, weather: pickWeather(rng, options.weather), abort: true })
        .violations,
    );
    info = { ...info, round: ++round };
  }
  if (violations.length === 0) {
    const world = play({
      info,
      previousShares,
      faulty,
      weather: pickWeather(rng, options.weather),
      abort: false,
    });
    violations.push(...inspect(world, rng));
    const mixed = old === undefined ? undefined : checkReshare(old, world, rng);
    if (mixed !== undefined) violations.push(mixed);
  }
  const last = worlds[worlds.length - 1] as World;
  return {
    seed,
    violations,
    story: worlds.map(describe).join("; "),
    steps: worlds.reduce((sum, world) => sum + world.steps, 0),
    finished: last.nodes.some((node) => node.result !== undefined),
    reshared,
    restarts: last.nodes.reduce((sum, node) => sum + node.restarts, 0),
    caught: [...new Set(worlds.flatMap((world) => [...world.caught]))],
    exposed: last.nodes.find((node) => node.result !== undefined)?.result?.output.exposed.length ?? 0,
  };
}
