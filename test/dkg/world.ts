// One simulated ceremony: participants, a hostile network with virtual time, disks that keep exactly what was
// persisted, and agreement as an ideal box that any participant may feed. Two phases: first anything may fail, then the
// network heals, everybody but the faulty comes back, and the ceremony has to finish.
import { type Ceremony, type CeremonySetup, createCeremony } from "#crypto/dkg/ceremony.ts";
import type { CeremonyEffect, CeremonyEvent, CeremonyResult } from "#crypto/dkg/events.ts";
import type { SharingScheme } from "#crypto/dkg/scheme.ts";
import type { CeremonyIdentity } from "#crypto/dkg/signing.ts";
import { equalBytes, toHex } from "#lib/bytes.ts";
import { type CeremonyInfo, decodeCeremonyMessage, encodeLog } from "#types/ceremony.ts";
import {
  type CeremonyFault,
  type CeremonyRecord,
  decodeCeremonyRecord,
  encodeCeremonyRecord,
} from "#types/ceremony-record.ts";
import type { Rng } from "../support/rng.ts";
import { type Adversary, createAdversary, TWISTS, type Twist } from "./adversary.ts";
import { createSimulatedAgreement, type SimulatedAgreement } from "./core.ts";

/** What is wrong in the first phase; all zero is a calm world. */
export interface Weather {
  readonly loss: number;
  readonly duplicate: number;
  readonly maxDelay: number;
  /** Chance per effect that its node is killed just before it is performed. */
  readonly kill: number;
  readonly partition: boolean;
  /** When everybody is killed at once; undefined: never. */
  readonly blackout: number | undefined;
  /** Timers of the agreement are shorter than what it waits for, so that views split. */
  readonly hasty: boolean;
  /** Chance that a node's deadline comes early in the first phase. */
  readonly earlyDeadline: number;
}

export const CALM: Weather = {
  loss: 0,
  duplicate: 0,
  maxDelay: 2,
  kill: 0,
  partition: false,
  blackout: undefined,
  hasty: false,
  earlyDeadline: 0,
};

export interface WorldOptions {
  readonly info: CeremonyInfo;
  readonly scheme: SharingScheme;
  readonly identityOf: (key: Uint8Array) => CeremonyIdentity;
  readonly previousShares: ReadonlyMap<string, Uint8Array>;
  /** Members (by number in `rules.members`) that are not honest, and what they do; "silent" never speaks. */
  readonly faulty: ReadonlyMap<number, "silent" | "crash" | ReadonlySet<Twist>>;
  readonly archive: readonly Uint8Array[];
  readonly weather: Weather;
  /** The round is given up at the end of the first phase. */
  readonly abort: boolean;
  /** A rule taken away, to see that it is missed. */
  readonly sabotage?: ((ceremony: Ceremony) => void) | undefined;
  /** Effects are performed before what precedes them is durable. */
  readonly lazyDisk?: boolean;
  /** Every node takes its own candidate: no agreement at all. */
  readonly noAgreement?: boolean;
  /** The consensus core agrees, instead of the ideal box. */
  readonly core?: boolean;
}

export interface Node {
  readonly member: number;
  readonly key: Uint8Array;
  readonly faulty: "silent" | "crash" | ReadonlySet<Twist> | undefined;
  records: Uint8Array[];
  machine: Pick<Ceremony, "step" | "candidate"> | undefined;
  ceremony: Ceremony | undefined;
  agreement: SimulatedAgreement | undefined;
  readonly votes: Uint8Array[];
  result: CeremonyResult | undefined;
  restarts: number;
  deadlineAt: number;
}

export interface World {
  readonly options: WorldOptions;
  readonly nodes: readonly Node[];
  readonly agreed: Uint8Array | undefined;
  /** Player indices revealed by each commitment, as hex: what everybody can read. */
  readonly reveals: ReadonlyMap<string, ReadonlySet<number>>;
  /** Some messages that went over the wire. */
  readonly transcript: readonly Uint8Array[];
  readonly violations: readonly string[];
  /** What honest nodes caught others at. */
  readonly caught: ReadonlySet<CeremonyFault>;
  readonly steps: number;
}

const PHASE_ONE = 120;
const PHASE_TWO = 400;
const TICK = 8;
const MAX_TRANSCRIPT = 48;

interface Frame {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  /** Belongs to the agreement; else to the ceremony. */
  readonly vote?: boolean;
}

/** Runs one ceremony to its end; everything follows from `rng`. */
export function runWorld(options: WorldOptions, rng: Rng): World {
  return new Simulation(options, rng).run();
}

class Simulation {
  readonly options: WorldOptions;
  readonly rng: Rng;
  readonly nodes: Node[];
  readonly slots: Frame[][] = [];
  readonly violations: string[] = [];
  readonly reveals = new Map<string, Set<number>>();
  readonly transcript: Uint8Array[] = [];
  readonly caught = new Set<CeremonyFault>();
  /** What honest nodes ever signed: a second, different one is a violation. */
  readonly signed = new Map<string, string>();
  agreed: Uint8Array | undefined;
  steps = 0;
  now = 0;
  #groups: number[] = [];

  constructor(options: WorldOptions, rng: Rng) {
    this.options = options;
    this.rng = rng;
    const probe = createCeremony(
      this.setup((options.info.dealers[0] ?? options.info.players[0]) as Uint8Array),
    );
    this.nodes = probe.rules.members.map((key, member) => ({
      member,
      key,
      faulty: options.faulty.get(member),
      records: [],
      machine: undefined,
      ceremony: undefined,
      agreement: undefined,
      votes: [],
      result: undefined,
      restarts: 0,
      deadlineAt: rng.chance(options.weather.earlyDeadline) ? rng.below(PHASE_ONE) : PHASE_ONE + 5,
    }));
  }

  setup(key: Uint8Array, seed: Uint8Array = this.rng.bytes(32)): CeremonySetup {
    const { info, scheme, identityOf, previousShares } = this.options;
    return { info, scheme, identity: identityOf(key), seed, previousShare: previousShares.get(toHex(key)) };
  }

  note(text: string): void {
    if (this.violations.length < 5) this.violations.push(text);
  }

  boot(node: Node): void {
    const { faulty } = node;
    if (faulty === "silent") return;
    if (faulty !== undefined && faulty !== "crash") {
      const adversary: Adversary = createAdversary(
        this.setup(node.key),
        faulty,
        this.options.archive,
        this.rng,
      );
      node.machine = adversary;
      node.ceremony = adversary.ceremony;
    } else {
      const records = node.records.map(decodeCeremonyRecord);
      const begin = records.find((record) => record.kind === "begin");
      const seed = begin?.kind === "begin" ? begin.seed : this.rng.bytes(32);
      node.ceremony = createCeremony(this.setup(node.key, seed), records);
      node.machine = node.ceremony;
      this.options.sabotage?.(node.ceremony);
    }
    if (this.options.core === true && node.ceremony?.rules.dealer !== undefined) this.join(node);
    this.dispatch(node, { kind: "start" });
    if (this.now >= node.deadlineAt) this.dispatch(node, { kind: "deadline" });
  }

  /** Gives a dealer its part in the core's agreement; everything of it ends with this incarnation. */
  join(node: Node): void {
    const ceremony = node.ceremony as Ceremony;
    const { dealerMembers } = ceremony.rules;
    const byzantine = node.faulty instanceof Set;
    const machine = node.machine as Pick<Ceremony, "candidate">;
    const bent: Ceremony = byzantine
      ? { ...ceremony, candidate: () => machine.candidate(), validate: () => ({ kind: "valid", logs: [] }) }
      : ceremony;
    node.agreement = createSimulatedAgreement(bent, node.votes, {
      now: () => this.now,
      hasty: this.options.weather.hasty,
      send: (dealer, bytes) => {
        if (!byzantine && this.now < PHASE_ONE && this.rng.chance(this.options.weather.kill)) this.kill(node);
        if (node.agreement === undefined) return;
        const to =
          dealer < 0
            ? dealerMembers.filter((member) => member !== node.member)
            : [dealerMembers[dealer] as number];
        const said = byzantine && this.rng.chance(0.1) ? this.rng.bytes(bytes.length) : bytes;
        for (const member of to) this.post({ from: node.member, to: member, bytes: said, vote: true });
      },
      agreed: (set) => {
        if (!byzantine && this.agreed !== undefined && !equalBytes(this.agreed, set))
          this.note("two sets are agreed");
        if (!byzantine) this.agreed ??= set;
        this.dispatch(node, { kind: "agreed", set });
      },
      halted: (reason) => this.note(`${node.member} halted: ${reason}`),
    });
  }

  kill(node: Node): void {
    node.machine = undefined;
    node.agreement = undefined;
    node.restarts++;
  }

  dispatch(node: Node, event: CeremonyEvent): void {
    if (node.machine === undefined) return;
    this.steps++;
    let effects: readonly CeremonyEffect[];
    try {
      effects = node.machine.step(event);
    } catch (error) {
      if (node.faulty === undefined || node.faulty === "crash")
        this.note(`honest ${node.member} threw: ${error}`);
      node.machine = undefined;
      return;
    }
    this.perform(node, effects);
  }

  perform(node: Node, effects: readonly CeremonyEffect[]): void {
    const { weather, lazyDisk } = this.options;
    const honest = node.faulty === undefined || node.faulty === "crash";
    const waiting: Uint8Array[] = [];
    for (const effect of effects) {
      if (honest && this.now < PHASE_ONE && this.rng.chance(weather.kill)) {
        this.kill(node);
        return;
      }
      if (effect.kind === "persist")
        (lazyDisk === true ? waiting : node.records).push(encodeCeremonyRecord(effect.record));
      else this.react(node, effect, honest);
    }
    node.records.push(...waiting);
  }

  react(node: Node, effect: Exclude<CeremonyEffect, { kind: "persist" }>, honest: boolean): void {
    if (effect.kind === "send") {
      this.read(node, effect.bytes, honest);
      this.post({ from: node.member, to: effect.to, bytes: effect.bytes });
    } else if (effect.kind === "candidate") {
      node.agreement?.candidate();
    } else if (effect.kind === "behind") {
      node.agreement?.start();
    } else if (effect.kind === "final") {
      node.result = effect.result;
    } else if (effect.kind === "fault" && honest) {
      this.caught.add(effect.fault);
      const accused = this.nodes[effect.member];
      if (accused?.faulty === undefined || accused.faulty === "crash") {
        this.note(`honest ${node.member} blames honest ${effect.member}: ${effect.fault}, ${effect.detail}`);
      }
    }
  }

  /** What an outsider, or a checker, sees of a frame. */
  read(node: Node, bytes: Uint8Array, honest: boolean): void {
    if (this.transcript.length < MAX_TRANSCRIPT) this.transcript.push(bytes);
    if (!honest) {
      try {
        decodeCeremonyMessage(bytes);
      } catch {
        return;
      }
    }
    const { body } = decodeCeremonyMessage(bytes);
    if (body.kind === "log") {
      const { log } = body;
      const name = toHex(log.commitment);
      const known = this.reveals.get(name) ?? new Set();
      for (const [player, entry] of log.entries.entries()) if (entry.kind === "reveal") known.add(player);
      this.reveals.set(name, known);
      if (honest) {
        this.once(`log ${node.member}`, encodeLog(log));
        this.durable(
          node,
          "log",
          (record) => record.kind === "log" && equalBytes(record.log, encodeLog(log)),
        );
      }
    } else if (honest && body.kind === "ack") {
      this.durable(
        node,
        "share",
        (record) =>
          record.kind === "share" &&
          equalBytes(
            (node.ceremony as Ceremony).rules.domain.commitmentHash(record.commitment),
            body.commitmentHash,
          ),
      );
    } else if (honest && body.kind === "deal") {
      this.once(`deal ${node.member}`, body.commitment);
      this.durable(node, "seed", (record) => record.kind === "begin");
    } else if (honest && body.kind === "confirm" && body.player === node.ceremony?.rules.player) {
      this.once(`confirm ${node.member}`, body.digest);
      this.durable(node, "agreed set", (record) => record.kind === "agreed");
    }
  }

  once(name: string, bytes: Uint8Array): void {
    const before = this.signed.get(name);
    if (before !== undefined && before !== toHex(bytes)) this.note(`two different: ${name}`);
    this.signed.set(name, toHex(bytes));
  }

  durable(node: Node, what: string, test: (record: CeremonyRecord) => boolean): void {
    if (!node.records.some((bytes) => test(decodeCeremonyRecord(bytes)))) {
      this.note(`${node.member} sent before its ${what} was durable`);
    }
  }

  post(frame: Frame): void {
    const { weather } = this.options;
    const stormy = this.now < PHASE_ONE;
    const copies = stormy && this.rng.chance(weather.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (stormy && this.rng.chance(weather.loss)) continue;
      const at = this.now + 1 + this.rng.below(stormy ? weather.maxDelay : 2);
      const slot = this.slots[at] ?? [];
      this.slots[at] = slot;
      slot.push(frame);
    }
  }

  linked(a: number, b: number): boolean {
    return this.now >= PHASE_ONE || this.#groups.length === 0 || this.#groups[a] === this.#groups[b];
  }

  /** Agreement: somebody's candidate, checked by every honest node awake, chosen once a quorum could have voted. */
  agree(): void {
    if (this.agreed !== undefined || this.options.core === true) return;
    const { info } = this.options;
    const dealers = this.nodes.filter((node) => node.ceremony?.rules.dealer !== undefined);
    const awake = dealers.filter((node) => node.machine !== undefined);
    const required = dealers[0]?.ceremony?.rules.requiredLogs ?? info.dealers.length;
    const votes =
      awake.length + dealers.filter((node) => node.faulty !== undefined && node.machine === undefined).length;
    if (votes < Math.min(required, info.dealers.length)) return;
    const proposer = this.rng.pick(awake.length > 0 ? awake : dealers);
    const candidate = proposer.machine?.candidate();
    if (candidate === undefined) return;
    const honest = awake.filter((node) => node.faulty === undefined || node.faulty === "crash");
    const verdicts = new Set(honest.map((node) => node.ceremony?.validate(candidate).kind));
    if (verdicts.size > 1) this.note("honest nodes judge one candidate differently");
    if (verdicts.size === 1 && verdicts.has("valid")) {
      this.agreed = candidate;
    } else if (proposer.faulty === undefined) this.note(`honest ${proposer.member} proposes an invalid set`);
  }

  tick(node: Node): void {
    const { weather } = this.options;
    if (node.machine === undefined) {
      const back = this.now >= PHASE_ONE ? node.faulty !== "crash" : this.rng.chance(0.3);
      if (back && this.now > 0) this.boot(node);
      return;
    }
    if (node.faulty === "crash" && this.rng.chance(0.05)) {
      this.kill(node);
      return;
    }
    if (this.now >= node.deadlineAt) this.dispatch(node, { kind: "deadline" });
    const heard = this.now >= PHASE_ONE || (this.rng.chance(0.3) && !this.rng.chance(weather.loss));
    const boxed = node.ceremony?.rules.dealer !== undefined && this.options.core !== true;
    const set = this.options.noAgreement === true ? node.machine?.candidate() : this.agreed;
    if (set !== undefined && heard && boxed) this.dispatch(node, { kind: "agreed", set });
    this.dispatch(node, { kind: "tick" });
  }

  finished(): boolean {
    return this.nodes.every(
      (node) => node.faulty !== undefined || (node.machine !== undefined && node.result !== undefined),
    );
  }

  run(): World {
    const { weather, abort } = this.options;
    for (const node of this.nodes) if (this.rng.chance(0.8)) this.boot(node);
    const end = PHASE_ONE + PHASE_TWO;
    for (; this.now < (abort ? PHASE_ONE : end); this.now++) {
      if (this.now === weather.blackout) {
        for (const node of this.nodes) if (!(node.faulty instanceof Set)) this.kill(node);
      }
      if (weather.partition && this.now % 20 === 0) {
        this.#groups = this.rng.chance(0.6) ? this.nodes.map(() => this.rng.below(2)) : [];
      }
      for (const frame of this.slots[this.now] ?? []) {
        if (!this.linked(frame.from, frame.to)) continue;
        const node = this.nodes[frame.to] as Node;
        if (frame.vote === true)
          node.agreement?.message(node.ceremony?.rules.dealerMembers.indexOf(frame.from) ?? -1, frame.bytes);
        else this.dispatch(node, { kind: "message", from: frame.from, bytes: frame.bytes });
      }
      for (const node of this.nodes) node.agreement?.poll();
      delete this.slots[this.now];
      for (const node of this.nodes) if ((this.now + node.member) % TICK === 0) this.tick(node);
      if (this.now >= PHASE_ONE || this.rng.chance(0.1)) this.agree();
      if (this.violations.length > 0 || this.finished()) break;
    }
    if (!abort && this.violations.length === 0 && !this.finished()) {
      const stuck = this.nodes.filter((node) => node.faulty === undefined && node.result === undefined);
      this.note(
        `not finished: ${stuck.map((node) => node.member).join(", ")}, agreed: ${this.agreed !== undefined}`,
      );
    }
    const { options, nodes, agreed, reveals, transcript, caught, violations, steps } = this;
    return { options, nodes, agreed, reveals, transcript, caught, violations, steps };
  }
}

/** One to three twists. */
export function pickTwists(rng: Rng): ReadonlySet<Twist> {
  return new Set(Array.from({ length: 1 + rng.below(3) }, () => rng.pick(TWISTS)));
}
