// One schedule: validators that run the real core and driver on simulated clocks, disks, links and execution, from a
// seed. Phase one: anything may fail. Phase two: a quorum is healed and must make progress.
import { ALL_RULES, type Rules } from "#consensus/rules.ts";
import type { CoreConfig } from "#consensus/state.ts";
import { createDriver, type Driver } from "#node/consensus/driver.ts";
import type { Hash } from "#types/ids.ts";
import { maxFaulty } from "#types/quorum.ts";
import { createRng, type Rng } from "../support/rng.ts";
import { ADVERSARIES } from "./adversaries/names.ts";
import type { Adversary } from "./adversaries/types.ts";
import { GENESIS, newChainDisk, type SimBody } from "./chain.ts";
import { type Checkers, createCheckers, Violation } from "./checkers.ts";
import { backup, keep, newJournalDisk } from "./disk.ts";
import { createScheduler, type Scheduler } from "./heap.ts";
import { type Ledger, transferAt } from "./ledger.ts";
import { createLinks, type Links } from "./network.ts";
import { callBack, deliveredView, KILLED, SIM_TIMING, type Sim, type SimNode, type Tell } from "./node.ts";
import type { Options, Step } from "./options.ts";
import { createPeace, onlyTheNetwork, type Peace } from "./peace.ts";
import { portsOf } from "./ports.ts";
import { createPost, type Post } from "./post.ts";
import { rogueOf } from "./rogue.ts";
import { createStandIn, mix, type StandIn } from "./stand-in.ts";
import { createWitness } from "./witness.ts";

/** Virtual ms that phase two may take. */
const PHASE_TWO_MS = 60_000;
/** Final views that phase two must add on every honest node. */
const PROGRESS_VIEWS = 8;
/** Virtual ms of peace after which every honest leader must succeed. */
const SETTLE_MS = 300;
/** Views of peace that are watched. */
const PEACEFUL_VIEWS = 12;
/** Events of one schedule at most; more is a storm. */
const MAX_EVENTS = 3_000_000;
/** Views whose leaders are remembered, once drawn. */
const MAX_LEADERS = 4_096;
/** Virtual ms between two transfers, where the ledger is real. */
const TRANSFER_MS = 12;

export interface Outcome {
  readonly trace: number;
  readonly views: number;
  readonly height: number;
  readonly steps: number;
  readonly ms: number;
  /** Validators that were proven faulty. */
  readonly accused: number;
}

export interface World {
  run(): Outcome;
  /** The same over a real ledger, whose work is awaited between events. */
  settle(): Promise<Outcome>;
}

export type Narrator = (time: number, node: number, what: string) => void;

/** What replaces a stand-in. */
export interface Parts {
  readonly crypto?: StandIn;
  readonly ledger?: Ledger;
}

/** A schedule ready to run. */
export function createWorld(
  options: Options,
  rules: Rules = ALL_RULES,
  narrate?: Narrator,
  parts: Parts = {},
): World {
  return new Simulation(options, rules, narrate, parts);
}

class Simulation implements World, Sim {
  readonly scheduler: Scheduler = createScheduler();
  readonly nodes: SimNode[] = [];
  readonly checkers: Checkers;
  readonly options: Options;
  readonly rng: Rng;
  readonly crypto: StandIn;
  readonly ledger: Ledger | undefined;
  readonly genesis: Hash;
  readonly tell: Tell | undefined;
  calm = false;
  readonly #rules: Rules;
  readonly #links: Links;
  readonly #post: Post;
  readonly #bodies = new Map<Hash, SimBody>();
  #peace: Peace | undefined;
  #trace = 0;
  #steps = 0;
  #restored = 0;
  readonly #deafUntil: number[] = [];
  readonly #leaders: number[] = [];

  constructor(options: Options, rules: Rules, narrate: Narrator | undefined, { crypto, ledger }: Parts) {
    const { n } = options;
    this.ledger = ledger;
    this.genesis = ledger?.genesis ?? GENESIS;
    this.options = options;
    this.#rules = options.careless ? { ...rules, r3Verified: false } : rules;
    this.tell = narrate && ((node, what) => narrate(this.scheduler.now(), node, what));
    this.rng = createRng(options.seed ^ 0x5eed);
    this.crypto = crypto ?? createStandIn(options.seed | 1, options.scheme, rules, ledger);
    const slots =
      n +
      (options.follower ? 1 : 0) +
      [...options.byzantine.values()].filter((a) => ADVERSARIES[a]?.twin).length;
    this.#links = createLinks(options, slots, this.rng.fork());
    this.checkers = createCheckers({
      n,
      epoch: 0,
      honest: (index) => !options.byzantine.has(index),
      crypto: this.crypto,
      seeded: options.scheme !== "identity",
      careless: options.careless,
      retention: SIM_TIMING.retention,
      genesis: this.genesis,
    });
    this.#post = createPost(this, this.#links, this.#deafUntil);
    for (let index = 0; index < n; index++) this.#add(index, ADVERSARIES[options.byzantine.get(index) ?? ""]);
    for (const [index, name] of options.byzantine)
      if (ADVERSARIES[name]?.twin) this.#add(index, ADVERSARIES[name]);
    if (options.follower) this.#add(n, undefined);
  }

  #add(index: number, adversary: Adversary | undefined): void {
    const { drift, wallSkew, n } = this.options;
    const rng = this.rng;
    const slot = this.nodes.length;
    const node: SimNode = {
      slot,
      index,
      honest: adversary === undefined,
      adversary,
      rogue: adversary === undefined ? undefined : rogueOf(this, this.#post, () => node, rng.fork()),
      chain: newChainDisk(this.genesis),
      journal: newJournalDisk(),
      guard: { reservation: undefined },
      copy: undefined,
      driver: undefined,
      life: 0,
      fuse: -1,
      alarm: 0,
      rate: 1 + drift * (rng.unit() - 0.5) * 2,
      skew: drift > 0 ? rng.below(10_000) : 0,
      wallSkew: wallSkew * (rng.unit() - 0.5) * 2,
      blockedUntil: new Float64Array(n + 1),
      accused: new Set(),
      witness: createWitness(),
      spoken: new Set(),
      outgoing: [],
      loaded: false,
      inside: false,
      restored: false,
      struck: false,
    };
    this.nodes.push(node);
  }

  /** The true leader of a view, from the committee's own key. */
  leader(view: number): number {
    let leader = this.#leaders[view];
    if (leader === undefined) {
      leader = this.#drawLeader(view);
      if (view < MAX_LEADERS) this.#leaders[view] = leader;
    }
    return leader;
  }

  #drawLeader(view: number): number {
    const { n, scheme } = this.options;
    if (view <= 1 || scheme === "identity") return view % n;
    const subject = {
      kind: "nullify",
      epoch: 0,
      view: view - 1,
      parentView: 0,
      payload: this.genesis,
    } as const;
    const lottery = this.crypto.lottery(this.crypto.certificate(subject).seed);
    let remainder = 0;
    for (const byte of lottery) remainder = (remainder * 256 + byte) % n;
    return remainder;
  }

  publish(body: SimBody): void {
    this.#bodies.set(body.facts.digest, body);
    this.checkers.body(body);
  }

  published(digest: Hash): SimBody | undefined {
    return this.#bodies.get(digest);
  }

  traced(value: number): void {
    this.#trace = mix(this.#trace, value);
  }

  /** Runs `act` inside the node's process; what it is killed in is lost. */
  inside<T>(node: SimNode, act: (driver: Driver<SimBody>, given: T) => void, given: T): void {
    const { driver } = node;
    if (driver === undefined) return;
    this.#steps++;
    node.inside = true;
    try {
      act(driver, given);
    } catch (error) {
      if (error !== KILLED) throw error;
      node.inside = false;
      this.#post.flush(node);
      this.#crash(node);
      return;
    }
    node.inside = false;
    this.#post.flush(node);
    const { core } = driver;
    this.#trace = mix(mix(this.#trace, node.slot), mix(core.view, core.finalizedView));
    if (node.honest) {
      this.checkers.stepped(node.slot, core);
      this.checkers.acknowledged(node.slot, core, deliveredView(node));
    }
    if (driver.halted) throw new Violation("L2", `node ${node.slot} halted`);
  }

  #crash(node: SimNode, restore = false): void {
    this.tell?.(node.slot, "is killed");
    node.driver = undefined;
    node.life++;
    node.fuse = -1;
    const wait = this.calm ? 1 : this.rng.unit() * this.options.downTime;
    if (restore && node.copy !== undefined) {
      node.journal = node.copy;
      node.restored = true;
    }
    this.at(wait, () => this.#boot(node));
  }

  at(delay: number, run: () => void): void {
    this.scheduler.at(this.scheduler.now() + delay, run);
  }

  now(node: SimNode): number {
    return this.scheduler.now() * node.rate + node.skew;
  }

  wall(node: SimNode): number {
    return 1_000 + this.scheduler.now() / 1_000 + node.wallSkew;
  }

  #config(node: SimNode): CoreConfig {
    const { n, scheme, blockTime, emptyInterval, guardOverride } = this.options;
    return {
      ...(guardOverride !== undefined && { guardOverride }),
      epoch: 0,
      n,
      me: node.index < n ? node.index : undefined,
      scheme,
      genesis: this.genesis,
      timing: { ...SIM_TIMING, blockTime, emptyBlockInterval: Math.max(blockTime, emptyInterval) },
    };
  }

  #boot(node: SimNode): void {
    if (node.driver !== undefined) return;
    const restoredBackup = this.#maybeRestore(node) || node.restored;
    node.restored = false;
    this.tell?.(node.slot, restoredBackup ? "starts from a backup" : "starts");
    const driver = createDriver(this.#config(node), portsOf(this, this.#post, node), this.#rules);
    node.driver = driver;
    node.accused.clear();
    node.witness = createWitness();
    if (node.honest) this.checkers.restarted(node.slot, driver.core, restoredBackup);
    for (let index = 0; index < this.#submitted; index++) this.ledger?.submit(node.slot, transferAt(index)!);
    this.inside(node, callBack, () => driver.start());
    if (node.driver === driver) this.tellWork(node);
  }

  /** As a node does when it starts, at every transaction, and after each block. */
  tellWork(node: SimNode): void {
    const pending = this.options.busy || this.ledger?.pending(node.slot) === true;
    if (pending !== node.driver?.core.work) this.inside(node, (driver) => driver.work(pending), undefined);
  }

  /** Puts an old copy of the journal back, on at most as many nodes as may be faulty. */
  #maybeRestore(node: SimNode): boolean {
    const { backups, byzantine, n, absent } = this.options;
    if (!backups || node.copy === undefined || this.calm || node.index >= n) return false;
    if (this.#restored + byzantine.size + absent.size >= maxFaulty(n) || this.rng.chance(0.5)) return false;
    // A copy of this very run is beyond the guard: for those the other validators' echoes are asked (see the scenarios).
    if (node.copy.reservation?.counter === node.guard.reservation?.counter) return false;
    this.#restored++;
    node.journal = node.copy;
    node.copy = undefined;
    // Restored while it hears nobody, it has only the guard to go by.
    this.#deafUntil[node.slot] = this.scheduler.now() + 300;
    return true;
  }

  #schedulePhaseOne(): void {
    const { partitions, partitionEvery, partitionLength, killEvery, phaseOneMs } = this.options;
    const rng = this.rng;
    const split = (): void => {
      if (this.calm) return;
      this.#links.split(rng.pick(partitions));
      this.at(rng.unit() * partitionLength, () => {
        if (!this.calm) this.#links.heal();
        this.at(rng.unit() * partitionEvery * 2, split);
      });
    };
    if (partitions.length > 0) this.at(rng.unit() * partitionEvery, split);
    const kill = (): void => {
      if (this.calm) return;
      const victims = this.options.killAll ? this.nodes : [rng.pick(this.nodes)];
      for (const victim of victims) if (victim.driver !== undefined) victim.fuse = rng.below(40);
      this.at(rng.unit() * killEvery * 2, kill);
    };
    if (killEvery > 0) this.at(rng.unit() * killEvery, kill);
    for (const step of this.options.script ?? []) this.at(step.at, () => this.#perform(step));
    this.at(phaseOneMs, () => this.#heal());
  }

  #perform(step: Step): void {
    if (step.do === "heal") {
      this.tell?.(-1, "all links are back");
      this.#links.heal();
      return;
    }
    if (step.do === "cut") {
      this.tell?.(-1, `links between ${step.groups.map((g) => g.join("+")).join(" | ")} are cut`);
      this.#links.cut(step.groups);
      return;
    }
    const node = this.nodes[step.slot]!;
    if (step.do === "start") this.#boot(node);
    else if (step.do === "backup") node.copy = backup(node.journal);
    else this.#crash(node, step.do === "restore");
  }

  #scheduleRogues(): void {
    for (const node of this.nodes) {
      const { adversary, rogue } = node;
      if (rogue === undefined || adversary?.onIdle === undefined) continue;
      const idle = (): void => {
        if (node.driver !== undefined) adversary.onIdle?.(rogue);
        this.at(20 + this.rng.below(60), idle);
      };
      this.at(5, idle);
    }
  }

  #count = 0;
  #submitted = 0;
  #goal = Number.POSITIVE_INFINITY;
  #deadline = Number.POSITIVE_INFINITY;

  #heal(): void {
    this.calm = true;
    this.#links.calm();
    let highest = 0;
    for (const node of this.nodes) {
      node.fuse = -1;
      if (this.options.absentForever && this.options.absent.has(node.index)) continue;
      if (this.options.joinAtFloor && this.options.absent.has(node.index)) this.#giveFloor(node);
      this.#boot(node);
      if (node.honest && node.driver !== undefined) highest = Math.max(highest, node.driver.core.view);
    }
    this.#goal = this.options.short
      ? this.options.views
      : Math.max(this.options.views, highest + PROGRESS_VIEWS);
    this.#deadline = this.scheduler.now() + PHASE_TWO_MS;
    if (!onlyTheNetwork(this)) return;
    this.#goal = Number.POSITIVE_INFINITY;
    const peace = createPeace(this);
    this.#peace = peace;
    this.at(SETTLE_MS, () =>
      peace.expect((highest) => {
        this.#goal = Math.max(this.options.views, highest + PEACEFUL_VIEWS);
      }),
    );
  }

  /** What state sync would leave: the chain of another node and the newest finalization, from which the floor follows. */
  #giveFloor(node: SimNode): void {
    const donor = this.nodes.find((other) => other.honest && other.chain.blocks.length > 0);
    if (donor === undefined) return;
    for (const body of donor.chain.blocks) {
      node.chain.blocks.push(body);
      node.chain.heights.set(body.facts.digest, body.facts.height);
    }
    const floor = donor.driver?.core.finalization;
    const lottery = floor === undefined ? undefined : donor.driver?.core.rounds.get(floor.view)?.lottery;
    if (floor !== undefined) keep(node.journal, { type: "certificate", certificate: floor, lottery });
  }

  #done(): boolean {
    for (const node of this.nodes) {
      if (!node.honest || (this.options.absentForever && this.options.absent.has(node.index))) continue;
      const { driver } = node;
      if (driver === undefined || driver.core.finalizedView < this.#goal) return false;
      if (deliveredView(node) < this.#goal) return false;
    }
    return true;
  }

  #stuck(): never {
    const where = this.nodes.map((node) => {
      const { slot, driver, honest } = node;
      const core = driver?.core;
      return `${slot}${honest ? "" : "!"}: view ${core?.view} final ${core?.finalizedView} delivered ${deliveredView(node)}`;
    });
    throw new Violation("L2", `no progress to view ${this.#goal} in phase two (${where.join("; ")})`);
  }

  /** A client gives the next transfer to everyone who is there. */
  #submit(ledger: Ledger, index: number): void {
    const next = transferAt(index);
    if (next === undefined) return;
    this.#submitted = index + 1;
    for (const node of this.nodes) {
      if (node.driver === undefined) continue;
      ledger.submit(node.slot, next);
      this.tellWork(node);
    }
    this.at(TRANSFER_MS, () => this.#submit(ledger, index + 1));
  }

  #begin(): void {
    const { absent, short } = this.options;
    for (const node of this.nodes)
      if (!absent.has(node.index)) this.at(this.rng.unit() * 5, () => this.#boot(node));
    if (short === true) this.#goal = this.options.views;
    this.#scheduleRogues();
    this.#schedulePhaseOne();
    const ledger = this.ledger;
    if (ledger !== undefined) this.at(TRANSFER_MS, () => this.#submit(ledger, 0));
  }

  /** Runs the next event; false once the goal is reached. */
  #next(): boolean {
    if (!this.scheduler.next()) return false;
    const count = ++this.#count;
    if (count > MAX_EVENTS) throw new Violation("L6", `more than ${MAX_EVENTS} events`);
    if (this.options.short !== true && ((count & 31) !== 0 || !this.calm)) return true;
    if (this.#done()) return false;
    if (this.scheduler.now() > this.#deadline) this.#stuck();
    return true;
  }

  #outcome(): Outcome {
    if (!this.#done()) this.#stuck();
    this.#peace?.expectVoices();
    return {
      trace: this.#trace >>> 0,
      views: Math.max(...this.nodes.map((node) => node.driver?.core.view ?? 0)),
      height: this.checkers.chain.length,
      steps: this.#steps,
      ms: this.scheduler.now(),
      accused: this.checkers.faults.size,
    };
  }

  run(): Outcome {
    this.#begin();
    while (this.#next());
    return this.#outcome();
  }

  async settle(): Promise<Outcome> {
    this.#begin();
    do await this.ledger?.settle();
    while (this.#next());
    return this.#outcome();
  }
}
