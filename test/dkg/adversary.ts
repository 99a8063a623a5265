// Faulty participants of a simulated ceremony: an honest machine whose effects are bent on their way out. Each twist is
// small and named; a faulty member plays one to three of them.
import { type Ceremony, type CeremonySetup, createCeremony } from "#crypto/dkg/ceremony.ts";
import type { CeremonyEffect, CeremonyEvent } from "#crypto/dkg/events.ts";
import {
  type CeremonyBody,
  type Confirm,
  type DealerLog,
  decodeCeremonyMessage,
  encodeCeremonyMessage,
  encodeLogSet,
  type LogEntry,
} from "#types/ceremony.ts";
import type { Rng } from "../support/rng.ts";

export const TWISTS = [
  "bad-share",
  "bad-commitment",
  "withhold",
  "refuse-ack",
  "twins",
  "forge-log",
  "reveal-others",
  "two-logs",
  "bad-confirm",
  "impersonate",
  "garbage",
  "replay",
  "bad-candidate",
  "lying-status",
  "echo",
] as const;
export type Twist = (typeof TWISTS)[number];

export interface Adversary {
  readonly ceremony: Ceremony;
  step(event: CeremonyEvent): readonly CeremonyEffect[];
  /** A set it would like to be agreed on; usually not a valid one. */
  candidate(): Uint8Array | undefined;
}

type Send = Extract<CeremonyEffect, { kind: "send" }>;

function damage(bytes: Uint8Array, rng: Rng): Uint8Array {
  const copy = bytes.slice();
  if (copy.length > 0) copy[copy.length - 1] = (copy[copy.length - 1] as number) ^ (1 + rng.below(7));
  return copy;
}

/** A faulty member; `archive` holds messages of other rounds for replay. */
export function createAdversary(
  setup: CeremonySetup,
  twists: ReadonlySet<Twist>,
  archive: readonly Uint8Array[],
  rng: Rng,
): Adversary {
  const main = createCeremony(setup);
  const twin = twists.has("twins") ? createCeremony({ ...setup, seed: rng.bytes(32) }) : undefined;
  const { rules } = main;
  const { domain, identity, info } = rules;
  const victims = new Set(rules.members.map((_, i) => i).filter(() => rng.chance(0.5)));
  const heard: Uint8Array[] = [];
  const has = (twist: Twist): boolean => twists.has(twist);
  const pack = (to: number, body: CeremonyBody): Send => ({
    kind: "send",
    to,
    bytes: encodeCeremonyMessage({ round: info.round, ceremony: domain.id, body }),
  });
  const dealing =
    rules.dealer === undefined
      ? undefined
      : setup.scheme.deal(setup.seed, domain.drawContext, rules.threshold, setup.previousShare);

  function resign(log: Omit<DealerLog, "signature">): DealerLog {
    return { ...log, signature: identity.sign(domain.log(log)) };
  }
  /** The own log with other entries: forged beyond validity, or revealing players that did acknowledge. */
  function bend(log: DealerLog, forge: boolean): DealerLog {
    const entries = [...log.entries];
    const reveal = (player: number): LogEntry => ({
      kind: "reveal",
      share: (dealing as NonNullable<typeof dealing>).share(player),
    });
    if (!forge) {
      const already = entries.filter((entry) => entry.kind === "reveal").length;
      const others = rng.shuffle([...entries.keys()].filter((i) => entries[i]?.kind === "ack"));
      for (const player of others.slice(0, rules.maxReveals - already)) entries[player] = reveal(player);
      return resign({ ...log, entries });
    }
    switch (rng.below(5)) {
      case 0:
        return resign({ ...log, entries: entries.map((_, player) => reveal(player)) });
      case 1: {
        const player = rng.below(entries.length);
        entries[player] = { kind: "ack", signature: rng.bytes(64) };
        return resign({ ...log, entries });
      }
      case 2: {
        const player = rng.below(entries.length);
        const right = reveal(player) as Extract<LogEntry, { kind: "reveal" }>;
        entries[player] = { kind: "reveal", share: damage(right.share, rng) };
        return resign({ ...log, entries });
      }
      case 3:
        return resign({ ...log, entries: entries.slice(1) });
      default:
        return { ...log, signature: rng.bytes(64) };
    }
  }
  function bendConfirm(confirm: Confirm): Confirm {
    const player = has("impersonate") ? rng.below(info.players.length) : confirm.player;
    const digest = rng.chance(0.5) ? rng.bytes(32) : confirm.digest;
    const partial = rng.chance(0.5) ? damage(confirm.partial, rng) : confirm.partial;
    return {
      ...confirm,
      player,
      digest,
      partial,
      signature: identity.sign(domain.confirm(player, digest, partial)),
    };
  }

  function bendBody(to: number, body: CeremonyBody): readonly CeremonyBody[] {
    switch (body.kind) {
      case "deal":
        if (has("withhold") && victims.has(to)) return [];
        if (has("bad-share") && victims.has(to)) return [{ ...body, share: damage(body.share, rng) }];
        if (has("bad-commitment") && victims.has(to)) {
          const commitment = rng.chance(0.5) ? body.commitment.slice(1) : damage(body.commitment, rng);
          const digest = domain.commitmentHash(commitment);
          return [
            { ...body, commitment, signature: identity.sign(domain.deal(rules.dealer as number, digest)) },
          ];
        }
        return [body];
      case "ack":
        return has("refuse-ack") && victims.has(to) ? [] : [body];
      case "log": {
        const bent: DealerLog[] = [];
        if (has("forge-log") && (victims.has(to) || rng.chance(0.3))) bent.push(bend(body.log, true));
        else if (has("reveal-others")) bent.push(bend(body.log, false));
        else bent.push(body.log);
        if (has("two-logs") && victims.has(to)) bent.unshift(bend(body.log, false));
        if (has("impersonate")) bent.push({ ...body.log, dealer: rng.below(info.dealers.length) });
        return bent.map((log) => ({ kind: "log", log }));
      }
      case "confirm":
        if (has("bad-confirm") || has("impersonate"))
          return [bendConfirm(body), ...(rng.chance(0.5) ? [body] : [])];
        return [body];
      case "set":
        return has("bad-candidate") ? [{ ...body, set: damage(body.set, rng) }] : [body];
      case "status":
        if (!has("lying-status")) return [body];
        return [
          {
            ...body,
            shares: [],
            acks: [],
            logs: [],
            confirms: [],
            stage: rng.pick(["dealing", "agreed", "final"]),
          },
        ];
    }
  }

  function bendEffects(effects: readonly CeremonyEffect[], mine: (to: number) => boolean): CeremonyEffect[] {
    return effects.flatMap((effect): CeremonyEffect[] => {
      if (effect.kind !== "send") return [effect];
      if (!mine(effect.to)) return [];
      return bendBody(effect.to, decodeCeremonyMessage(effect.bytes).body).map((body) =>
        pack(effect.to, body),
      );
    });
  }
  function noise(): CeremonyEffect[] {
    const extra: CeremonyEffect[] = [];
    const to = (): number => rng.below(rules.members.length);
    if (has("garbage") && rng.chance(0.2)) {
      extra.push({ kind: "send", to: to(), bytes: rng.bytes(rng.below(120)) });
      if (heard.length > 0) extra.push({ kind: "send", to: to(), bytes: damage(rng.pick(heard), rng) });
    }
    if (has("replay") && archive.length > 0 && rng.chance(0.3)) {
      extra.push({ kind: "send", to: to(), bytes: rng.pick(archive) });
    }
    if (has("echo") && heard.length > 0 && rng.chance(0.3)) {
      extra.push({ kind: "send", to: to(), bytes: rng.pick(heard) });
    }
    return extra;
  }

  return {
    ceremony: main,
    step(event) {
      if (event.kind === "message" && heard.length < 64) heard.push(event.bytes);
      const effects = bendEffects(
        main.step(event),
        (to) => twin === undefined || !victims.has(to) || rng.chance(0.1),
      );
      if (twin !== undefined) {
        effects.push(
          ...bendEffects(twin.step(event), (to) => victims.has(to)).filter((e) => e.kind === "send"),
        );
      }
      return [...effects, ...noise()];
    },
    candidate() {
      const set = main.candidate();
      if (set === undefined || !has("bad-candidate")) return set;
      const verdict = main.validate(set);
      if (verdict.kind !== "valid") return set;
      const logs = [...verdict.logs];
      switch (rng.below(4)) {
        case 0:
          return damage(set, rng);
        case 1:
          return encodeLogSet(logs.slice(1));
        case 2:
          return encodeLogSet([...logs].reverse());
        default: {
          const own = logs.findIndex((log) => log.dealer === rules.dealer);
          if (own >= 0) logs[own] = bend(logs[own] as DealerLog, rng.chance(0.5));
          return encodeLogSet(logs);
        }
      }
    },
  };
}
