// One schedule: validators that run the real core and driver on simulated clocks, disks, links and execution, from a
// seed. Phase one: anything may fail. Phase two: a quorum is healed and must make progress.
import type { JournalRecord } from "#consensus/effects.ts";
import type { CoreMessage } from "#consensus/events.ts";
import { ALL_RULES, type Rules } from "#consensus/rules.ts";
import type { CoreConfig, Timing } from "#consensus/state.ts";
import { assert } from "#lib/assert.ts";
import { createRng, type Rng } from "#lib/rng.ts";
import { createDriver, type Driver } from "#node/consensus/driver.ts";
import type { ApplicationPort, DriverPorts } from "#node/consensus/ports.ts";
import type { Hash } from "#types/ids.ts";
import { decodeMessage, encodeMessage } from "#types/message.ts";
import { maxFaulty } from "#types/quorum.ts";
import type { Vote } from "#types/vote.ts";
import { ADVERSARIES } from "./adversaries/names.ts";
import type { Adversary, Rogue } from "./adversaries/types.ts";
import { type ChainDisk, createSimChain, GENESIS, makeBody, newChainDisk, type SimBody } from "./chain.ts";
import { type Checkers, createCheckers, Violation } from "./checkers.ts";
import {
  backup,
  createSimJournal,
  type GuardDisk,
  holdsVote,
  type JournalDisk,
  keep,
  newJournalDisk,
} from "./disk.ts";
import { createScheduler, type Scheduler } from "./heap.ts";
import { type Ledger, type LedgerHooks, transferAt } from "./ledger.ts";
import { createLinks, type Links } from "./network.ts";
import type { Options, Step } from "./options.ts";
import { createStandIn, digestNumber, mix, type StandIn } from "./stand-in.ts";
import { createWitness, type Witness } from "./witness.ts";

/** Thrown out of a port to end a simulated process at that very effect. */
class Killed extends Error {}
const KILLED = new Killed();

export const SIM_TIMING: Timing = {
  leaderTimeout: 60,
  certificationTimeout: 120,
  timeoutRetry: 200,
  fetchTimeout: 40,
  maxTimeout: 2_000,
  blockTime: 5,
  emptyBlockInterval: 10,
  skipTimeout: 5,
  retention: 12,
};

/** Virtual ms that phase two may take. */
const PHASE_TWO_MS = 60_000;
/** Final views that phase two must add on every honest node. */
const PROGRESS_VIEWS = 8;
/** Virtual ms of peace after which every honest leader must succeed. */
const SETTLE_MS = 300;
/** A node whose chain ends this close below the highest view has caught up. */
const CAUGHT_UP_VIEWS = 4;
/** Virtual ms that peace waits for those who catch up, and between two looks at them. */
const CATCH_UP_MS = 5_000;
const CATCH_UP_STEP_MS = 20;
/** Virtual ms that a node far behind takes for one block. */
const BLOCK_COPY_MS = 0.2;
/** Views of peace that are watched. */
const PEACEFUL_VIEWS = 12;
/** Events of one schedule at most; more is a storm. */
const MAX_EVENTS = 3_000_000;
/** A peer that was found out is cut off for this long, virtual ms. */
const BLOCK_MS = 5_000;
/** Views whose leaders are remembered, once drawn. */
const MAX_LEADERS = 4_096;
/** Virtual ms between two transfers, where the ledger is real. */
const TRANSFER_MS = 12;

interface SimNode {
  readonly slot: number;
  /** Index of its key; n and above: follower. */
  readonly index: number;
  readonly honest: boolean;
  readonly adversary: Adversary | undefined;
  readonly rogue: Rogue | undefined;
  readonly chain: ChainDisk;
  journal: JournalDisk;
  readonly guard: GuardDisk;
  copy: JournalDisk | undefined;
  driver: Driver<SimBody> | undefined;
  application: ApplicationPort<SimBody> | undefined;
  /** Counts lives; answers to a dead process are dropped. */
  life: number;
  /** Ports calls until the process dies; -1: it lives on. */
  fuse: number;
  alarm: number;
  readonly rate: number;
  readonly skew: number;
  readonly wallSkew: number;
  readonly blockedUntil: Float64Array;
  /** Signers of whom this life reported a fault. */
  readonly accused: Set<number>;
  witness: Witness;
  /** Views it voted in since everything arrives. */
  readonly spoken: Set<number>;
  /** Parcels of the running call, by recipient's slot. */
  readonly outgoing: (Parcel[] | undefined)[];
  /** Whether there are any. */
  loaded: boolean;
  inside: boolean;
  restored: boolean;
  /** It died of `killOn` already. */
  struck: boolean;
}

/** What travels between processes. */
type Parcel = { readonly from: SimNode } & (
  | { readonly type: "message"; readonly message: CoreMessage }
  | { readonly type: "body"; readonly body: SimBody }
  | { readonly type: "bodyRequest"; readonly digest: Hash }
);

/** Hands a parcel to the driver that it reached. */
function hand(driver: Driver<SimBody>, parcel: Parcel): void {
  const { index } = parcel.from;
  if (parcel.type === "message") driver.message(index, parcel.message);
  else if (parcel.type === "body") driver.body(index, parcel.body);
  else driver.bodyRequest(index, parcel.digest);
}

/** View of the newest block on the node's disk. */
function deliveredView({ chain: { blocks } }: SimNode): number {
  return blocks.length === 0 ? 0 : blocks[blocks.length - 1]!.facts.view;
}

const callBack = (_driver: Driver<SimBody>, run: () => void): void => run();
const wake = (driver: Driver<SimBody>): void => driver.wake();

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
  readonly nodes: readonly SimNode[];
  readonly checkers: Checkers;
  readonly scheduler: Scheduler;
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

class Simulation implements World {
  readonly scheduler: Scheduler = createScheduler();
  readonly nodes: SimNode[] = [];
  readonly checkers: Checkers;
  readonly #options: Options;
  readonly #rules: Rules;
  readonly #rng: Rng;
  readonly #links: Links;
  readonly #crypto: StandIn;
  readonly #ledger: Ledger | undefined;
  readonly #genesis: Hash;
  readonly #bodies = new Map<string, SimBody>();
  readonly #slots: SimNode[][] = [];
  /** Undefined when nobody listens, so that nothing is spelled out in vain. */
  readonly #tell: ((node: number, what: string) => void) | undefined;
  #calm = false;
  #trace = 0;
  #steps = 0;
  #restored = 0;
  readonly #deafUntil: number[] = [];
  readonly #leaders: number[] = [];

  constructor(options: Options, rules: Rules, narrate: Narrator | undefined, { crypto, ledger }: Parts) {
    const { n } = options;
    this.#ledger = ledger;
    this.#genesis = ledger?.genesis ?? GENESIS;
    this.#options = options;
    this.#rules = options.careless ? { ...rules, r3Verified: false } : rules;
    this.#tell = narrate && ((node, what) => narrate(this.scheduler.now(), node, what));
    this.#rng = createRng(options.seed ^ 0x5eed);
    this.#crypto = crypto ?? createStandIn(options.seed | 1, options.scheme, rules, ledger);
    const slots =
      n +
      (options.follower ? 1 : 0) +
      [...options.byzantine.values()].filter((a) => ADVERSARIES[a]?.twin).length;
    this.#links = createLinks(options, slots, this.#rng.fork());
    this.checkers = createCheckers({
      n,
      epoch: 0,
      honest: (index) => !options.byzantine.has(index),
      crypto: this.#crypto,
      seeded: options.scheme !== "identity",
      careless: options.careless,
      retention: SIM_TIMING.retention,
      genesis: this.#genesis,
    });
    for (let index = 0; index < n; index++) this.#add(index, ADVERSARIES[options.byzantine.get(index) ?? ""]);
    for (const [index, name] of options.byzantine)
      if (ADVERSARIES[name]?.twin) this.#add(index, ADVERSARIES[name]);
    if (options.follower) this.#add(n, undefined);
  }

  #add(index: number, adversary: Adversary | undefined): void {
    const { drift, wallSkew, n } = this.#options;
    const rng = this.#rng;
    const slot = this.nodes.length;
    const node: SimNode = {
      slot,
      index,
      honest: adversary === undefined,
      adversary,
      rogue: adversary === undefined ? undefined : this.#rogue(() => node, rng.fork()),
      chain: newChainDisk(this.#genesis),
      journal: newJournalDisk(),
      guard: { reservation: undefined },
      copy: undefined,
      driver: undefined,
      application: undefined,
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
    let same = this.#slots[index];
    if (same === undefined) {
      same = [];
      this.#slots[index] = same;
    }
    same.push(node);
  }

  #rogue(self: () => SimNode, rng: Rng): Rogue {
    const crypto = this.#crypto;
    return {
      get index() {
        return self().index;
      },
      n: this.#options.n,
      rng,
      core: () => self().driver!.core,
      vote: (subject) => this.#note(crypto.vote(self().index, subject)),
      seal: (vote) => this.#note(crypto.seal({ ...vote, signer: self().index })),
      foreign: (subject) => crypto.certificate(subject),
      send: (to, message) => this.#post(self(), to, message),
      sendBody: (to, body) => this.#postBody(self(), to, body),
      variant: (like, change, corrupt) => {
        const body =
          this.#ledger?.variant(like, change, corrupt, rng.u32()) ??
          makeBody({ ...like.facts, ...change }, corrupt, rng.u32());
        this.#publish(body);
        return body;
      },
      bodyOf: (digest) => this.#bodies.get(digest),
    };
  }

  #note(vote: Vote): Vote {
    if (vote.kind === "notarize" && this.#leads(vote)) this.checkers.proposed(vote.signer, vote);
    return vote;
  }

  #leads(vote: Vote): boolean {
    return this.#leader(vote.view) === vote.signer;
  }

  /** The true leader of a view, from the committee's own key. */
  #leader(view: number): number {
    let leader = this.#leaders[view];
    if (leader === undefined) {
      leader = this.#drawLeader(view);
      if (view < MAX_LEADERS) this.#leaders[view] = leader;
    }
    return leader;
  }

  #drawLeader(view: number): number {
    const { n, scheme } = this.#options;
    if (view <= 1 || scheme === "identity") return view % n;
    const subject = {
      kind: "nullify",
      epoch: 0,
      view: view - 1,
      parentView: 0,
      payload: this.#genesis,
    } as const;
    const lottery = this.#crypto.lottery(this.#crypto.certificate(subject).seed);
    let remainder = 0;
    for (const byte of lottery) remainder = (remainder * 256 + byte) % n;
    return remainder;
  }

  #publish(body: SimBody): void {
    this.#bodies.set(body.facts.digest, body);
    this.checkers.body(body);
  }

  /** Runs `act` inside the node's process; what it is killed in is lost. */
  #inside<T>(node: SimNode, act: (driver: Driver<SimBody>, given: T) => void, given: T): void {
    const { driver } = node;
    if (driver === undefined) return;
    this.#steps++;
    node.inside = true;
    try {
      act(driver, given);
    } catch (error) {
      if (error !== KILLED) throw error;
      node.inside = false;
      this.#flush(node);
      this.#crash(node);
      return;
    }
    node.inside = false;
    this.#flush(node);
    const { core } = driver;
    this.#trace = mix(mix(this.#trace, node.slot), mix(core.view, core.finalizedView));
    if (node.honest) {
      this.checkers.stepped(node.slot, core);
      this.checkers.acknowledged(node.slot, core, deliveredView(node));
    }
    if (driver.halted) throw new Violation("L2", `node ${node.slot} halted`);
  }

  #pulse(node: SimNode): void {
    if (node.fuse < 0) return;
    if (node.fuse-- === 0) throw KILLED;
  }

  #crash(node: SimNode, restore = false): void {
    this.#tell?.(node.slot, "is killed");
    node.driver = undefined;
    node.life++;
    node.fuse = -1;
    const wait = this.#calm ? 1 : this.#rng.unit() * this.#options.downTime;
    if (restore && node.copy !== undefined) {
      node.journal = node.copy;
      node.restored = true;
    }
    this.#at(wait, () => this.#boot(node));
  }

  #at(delay: number, run: () => void): void {
    this.scheduler.at(this.scheduler.now() + delay, run);
  }

  #now(node: SimNode): number {
    return this.scheduler.now() * node.rate + node.skew;
  }

  #wall(node: SimNode): number {
    return 1_000 + this.scheduler.now() / 1_000 + node.wallSkew;
  }

  #config(node: SimNode): CoreConfig {
    const { n, scheme, blockTime, emptyInterval, guardOverride } = this.#options;
    return {
      ...(guardOverride !== undefined && { guardOverride }),
      epoch: 0,
      n,
      me: node.index < n ? node.index : undefined,
      scheme,
      genesis: this.#genesis,
      timing: { ...SIM_TIMING, blockTime, emptyBlockInterval: Math.max(blockTime, emptyInterval) },
    };
  }

  #boot(node: SimNode): void {
    if (node.driver !== undefined) return;
    const restoredBackup = this.#maybeRestore(node) || node.restored;
    node.restored = false;
    this.#tell?.(node.slot, restoredBackup ? "starts from a backup" : "starts");
    const driver = createDriver(this.#config(node), this.#ports(node), this.#rules);
    node.driver = driver;
    node.accused.clear();
    node.witness = createWitness();
    if (node.honest) this.checkers.restarted(node.slot, driver.core, restoredBackup);
    for (let index = 0; index < this.#submitted; index++) this.#ledger?.submit(node.slot, transferAt(index)!);
    this.#inside(node, callBack, () => driver.start());
    if (node.driver === driver) this.#tellWork(node);
  }

  /** As a node does when it starts, at every transaction, and after each block. */
  #tellWork(node: SimNode): void {
    const pending = this.#options.busy || this.#ledger?.pending(node.slot) === true;
    if (pending !== node.driver?.core.work) this.#inside(node, (driver) => driver.work(pending), undefined);
  }

  /** Puts an old copy of the journal back, on at most as many nodes as may be faulty. */
  #maybeRestore(node: SimNode): boolean {
    const { backups, byzantine, n, absent } = this.#options;
    if (!backups || node.copy === undefined || this.#calm || node.index >= n) return false;
    if (this.#restored + byzantine.size + absent.size >= maxFaulty(n) || this.#rng.chance(0.5)) return false;
    // A copy of this very run is beyond the guard: for those the other validators' echoes are asked (see the scenarios).
    if (node.copy.reservation?.counter === node.guard.reservation?.counter) return false;
    this.#restored++;
    node.journal = node.copy;
    node.copy = undefined;
    // Restored while it hears nobody, it has only the guard to go by.
    this.#deafUntil[node.slot] = this.scheduler.now() + 300;
    return true;
  }

  #ports(node: SimNode): DriverPorts<SimBody> {
    const { life } = node;
    const alive = (): boolean => node.life === life;
    const after = (ms: number, run: () => void): void => {
      this.#at(ms / node.rate, () => {
        if (alive()) this.#inside(node, callBack, run);
      });
    };
    const application = this.#application(node, after);
    node.application = application;
    const catchUp = this.#catchUp(node, after);
    return {
      ...(catchUp !== undefined && { catchUp }),
      journal: this.#journal(node),
      scheme: this.#scheme(node, after),
      application,
      network: {
        send: (to, message) => this.#send(node, to, message),
        sendBody: (to, body) => this.#sendBody(node, to, body),
        requestBody: (to, digest) => {
          this.#pulse(node);
          this.#deliver(to, { from: node, type: "bodyRequest", digest });
        },
        block: (peer, reason) => {
          this.#tell?.(node.slot, `blocks ${peer}: ${reason}`);
          if (node.honest) this.checkers.blocked(node.slot, peer);
          node.blockedUntil[peer] = this.scheduler.now() + BLOCK_MS;
        },
      },
      clock: {
        now: () => this.#now(node),
        wall: () => this.#wall(node),
        alarm: (at) => {
          const token = ++node.alarm;
          // The drifting clock rounds: a hair later is never early.
          this.scheduler.at((at - node.skew) / node.rate + 1e-6, () => {
            if (alive() && node.alarm === token) this.#inside(node, wake, undefined);
          });
        },
      },
      observer: {
        fault: (fault) => {
          this.#tell?.(node.slot, `reports ${fault.kind} of ${fault.signer} in view ${fault.first.view}`);
          node.accused.add(fault.signer);
          if (node.honest) this.checkers.fault(node.slot, fault);
        },
        halted: (reason) => {
          this.#tell?.(node.slot, `halts: ${reason}`);
          if (node.honest) throw new Violation("L2", `node ${node.slot} halts: ${reason}`);
        },
      },
    };
  }

  /** What syncing does: takes the next final block from whoever has it, until the certificate's is there. */
  #catchUp(node: SimNode, after: (ms: number, run: () => void) => void): DriverPorts<SimBody>["catchUp"] {
    if (!this.#options.catchUp || this.#ledger !== undefined) return undefined;
    return (height, done) => {
      const step = (): void => {
        const { blocks, heights } = node.chain;
        if (blocks.length >= height) {
          done();
          return;
        }
        this.#pulse(node);
        const donor = this.nodes.find(({ honest, chain }) => honest && chain.blocks.length >= height);
        const next = donor?.chain.blocks[blocks.length];
        if (next !== undefined) {
          const last = blocks.at(-1)?.facts;
          if (node.honest)
            this.checkers.delivered(node.slot, last?.height ?? 0, last?.digest ?? this.#genesis, next);
          blocks.push(next);
          heights.set(next.facts.digest, next.facts.height);
        }
        after(next === undefined ? CATCH_UP_STEP_MS : BLOCK_COPY_MS, step);
      };
      after(BLOCK_COPY_MS, step);
    };
  }

  #journal(node: SimNode): DriverPorts<SimBody>["journal"] {
    return createSimJournal(node.journal, node.guard, {
      pulse: () => this.#pulse(node),
      committed: (record) => {
        if (record.type === "certificate") {
          const { certificate } = record;
          this.#tell?.(node.slot, `holds ${certificate.kind} certificate of view ${certificate.view}`);
          if (certificate.kind === "finalize") this.#announce(node, certificate);
          if (this.#options.backups && this.#rng.chance(0.05)) node.copy = backup(node.journal);
        }
        this.#strike(node, record);
        const stored = record.type === "verdict" && node.journal.bodies.has(record.payload);
        if (node.honest) this.checkers.committed(node.slot, record, stored);
      },
      acknowledgedView: () => deliveredView(node),
    });
  }

  /** A scenario's kill at the worst moment: right after this commit. */
  #strike(node: SimNode, record: JournalRecord): void {
    const { killOn } = this.#options;
    if (killOn === undefined || node.struck || this.#calm) return;
    const kind = record.type === "vote" ? record.vote.kind : record.type;
    if (kind !== killOn) return;
    node.struck = true;
    node.fuse = 0;
  }

  /** Followers hear of finalizations from whoever has them. */
  #announce(
    node: SimNode,
    certificate: Extract<CoreMessage, { type: "certificates" }>["certificates"][number],
  ): void {
    if (!this.#options.follower || node.index >= this.#options.n) return;
    this.#post(node, this.#options.n, { type: "certificates", certificates: [certificate] });
  }

  #scheme(node: SimNode, after: (ms: number, run: () => void) => void): DriverPorts<SimBody>["scheme"] {
    const { n, cryptoTime } = this.#options;
    const base = this.#crypto.port(node.index < n ? node.index : undefined, (votes, subject) => {
      if (node.honest) this.checkers.certificateFrom(votes, subject);
    });
    const { sign } = base;
    const signing = (subject: Parameters<typeof sign>[0]): void => {
      if (subject.kind === "notarize" && this.#leader(subject.view) === node.index)
        this.checkers.proposed(node.index, subject);
      if (node.honest && node.driver !== undefined)
        this.checkers.signing(node.slot, node.driver.core, subject, this.#wall(node));
    };
    if (cryptoTime === 0) {
      return {
        ...base,
        sign(subject, done) {
          signing(subject);
          sign(subject, done);
        },
      };
    }
    const later = (run: () => void): void => after(this.#rng.unit() * cryptoTime, run);
    return {
      ...base,
      sign(subject, done) {
        signing(subject);
        later(() => sign(subject, done));
      },
      recover: (subject, votes, done) => later(() => base.recover(subject, votes, done)),
      examine: (certificates, seeds, done) => later(() => base.examine(certificates, seeds, done)),
      examinePartial: (vote, done) => later(() => base.examinePartial(vote, done)),
    };
  }

  #application(node: SimNode, after: (ms: number, run: () => void) => void): ApplicationPort<SimBody> {
    const { buildTime, verifyTime, finalizeTime } = this.#options;
    const rng = this.#rng;
    const factor = this.#options.slow?.slot === node.slot ? this.#options.slow.factor : 1;
    const spent = (ms: number): number => (ms === 0 ? 0 : ms * factor * (0.5 + rng.unit()));
    const hooks: LedgerHooks = {
      now: () => this.#now(node),
      pulse: () => this.#pulse(node),
      after,
      buildTime: () => spent(buildTime),
      verifyTime: () => spent(verifyTime),
      finalizeTime: () => spent(finalizeTime),
      wall: () => this.#wall(node),
      salt: () => rng.u32(),
      finalized: (body) => {
        this.#tell?.(node.slot, `makes height ${body.facts.height} final (view ${body.facts.view})`);
        if (!node.honest) return;
        const last = node.chain.blocks.at(-1)?.facts;
        this.checkers.delivered(node.slot, last?.height ?? 0, last?.digest ?? this.#genesis, body);
      },
      durable: () => {
        this.#trace = mix(this.#trace, digestNumber(node.chain.blocks.at(-1)!.facts.digest));
        if (this.#ledger !== undefined) this.#at(0, () => this.#tellWork(node));
      },
    };
    const chain =
      this.#ledger?.boot(node.slot, node.chain, hooks) ?? createSimChain(node.chain, this.#genesis, hooks);
    return {
      ...chain,
      build: (request, done) =>
        chain.build(request, (body) => {
          const rogue = node.rogue;
          const made =
            body === undefined || rogue === undefined
              ? body
              : (node.adversary?.onBuild?.(rogue, request, body) ?? body);
          if (made !== undefined) this.#publish(made);
          this.#tell?.(
            node.slot,
            `builds on view ${request.context.parentView} for view ${request.context.view}`,
          );
          done(made);
        }),
    };
  }

  #send(node: SimNode, to: number, message: CoreMessage): void {
    this.#pulse(node);
    if (message.type === "vote") this.#voteLeaves(node, message.vote);
    const { rogue, adversary } = node;
    if (rogue === undefined || adversary?.onSend === undefined) {
      this.#post(node, to, message);
      return;
    }
    for (let peer = 0; peer < this.#options.n; peer++) {
      if (peer === node.index || (to >= 0 && peer !== to)) continue;
      const changed = adversary.onSend(rogue, peer, message);
      if (changed !== undefined) this.#post(node, peer, changed);
    }
  }

  #voteLeaves(node: SimNode, vote: Vote): void {
    this.#tell?.(node.slot, `votes ${vote.kind} in view ${vote.view}`);
    if (this.#calm) node.spoken.add(vote.view);
    if (!node.honest) return;
    const driver = node.driver;
    if (driver === undefined) return;
    const body = node.journal.bodies.has(vote.payload) || node.chain.heights.has(vote.payload);
    this.checkers.sent(node.slot, vote, { vote: holdsVote(node.journal, vote), body });
  }

  #sendBody(node: SimNode, to: number, body: SimBody): void {
    this.#pulse(node);
    const { rogue, adversary } = node;
    for (let peer = 0; peer < this.#slots.length; peer++) {
      if (peer === node.index || (to >= 0 && peer !== to)) continue;
      if (rogue !== undefined && adversary?.onSendBody?.(rogue, peer, body) === false) continue;
      this.#postBody(node, peer, body);
    }
  }

  #post(node: SimNode, to: number, message: CoreMessage): void {
    let sent = message;
    if (this.#options.wire) sent = decodeMessage(encodeMessage(message), 0) as CoreMessage;
    this.#deliver(to, { from: node, type: "message", message: sent });
  }

  #receive(peer: SimNode, parcel: Parcel): void {
    const { from } = parcel;
    if (parcel.type === "body" && this.#options.wire && this.#ledger !== undefined) {
      const body = this.#ledger.reopened(peer.slot, parcel.body);
      if (body !== undefined) this.#inside(peer, hand, { ...parcel, body });
      return;
    }
    if (parcel.type !== "message") {
      this.#inside(peer, hand, parcel);
      return;
    }
    const { message } = parcel;
    if (message.type === "vote" && peer.slot === this.#options.voteless && !this.#calm) return;
    if (peer.rogue !== undefined && peer.driver !== undefined) {
      if (peer.adversary?.onReceive?.(peer.rogue, from.index, message) === false) return;
    }
    const proof = !from.honest && message.type === "vote" && this.#isProof(peer, from.index, message.vote);
    const { life } = peer;
    this.#inside(peer, hand, parcel);
    if (proof && peer.life === life) this.#expectCaught(peer, from.index);
  }

  /** Whether `peer`, once it has this vote, holds two of one signer that exclude each other. */
  #isProof(peer: SimNode, from: number, vote: Vote): boolean {
    if (!peer.honest || peer.driver === undefined || peer.index === from || vote.signer !== from)
      return false;
    return this.#crypto.authentic(vote) && peer.witness.hears(peer.driver.core, vote);
  }

  #expectCaught(peer: SimNode, signer: number): void {
    if (peer.accused.has(signer) && peer.blockedUntil[signer]! > this.scheduler.now()) return;
    throw new Violation("L8", `node ${peer.slot} holds proof against ${signer} and does not act on it`);
  }

  #postBody(node: SimNode, to: number, body: SimBody): void {
    this.#deliver(to, { from: node, type: "body", body });
  }

  /** Queues a parcel for everyone behind index `to` (-1: every other validator). */
  #deliver(to: number, parcel: Parcel): void {
    const { n } = this.#options;
    const node = parcel.from;
    assert(Number.isSafeInteger(to), "a message goes to an index, or to everyone");
    for (const peer of this.nodes) {
      const meant = to >= 0 ? peer.index === to : peer.index < n && peer.index !== node.index;
      if (!meant || peer === node) continue;
      const parcels = node.outgoing[peer.slot];
      if (parcels === undefined) node.outgoing[peer.slot] = [parcel];
      else parcels.push(parcel);
      node.loaded = true;
    }
    if (!node.inside) this.#flush(node);
  }

  /** What a process said at one moment to one peer travels together. */
  #flush(node: SimNode): void {
    if (!node.loaded) return;
    node.loaded = false;
    const { outgoing } = node;
    for (let slot = 0; slot < outgoing.length; slot++) {
      const parcels = outgoing[slot];
      if (parcels === undefined) continue;
      outgoing[slot] = undefined;
      this.#dispatch(node, this.nodes[slot]!, parcels);
    }
  }

  #dispatch(node: SimNode, peer: SimNode, parcels: readonly Parcel[]): void {
    const arrive = (): void => {
      const now = this.scheduler.now();
      if (peer.blockedUntil[node.index]! > now || (this.#deafUntil[peer.slot] ?? 0) > now) return;
      for (const parcel of parcels) this.#receive(peer, parcel);
    };
    for (const delay of this.#links.deliveries(node.slot, peer.slot)) this.#at(delay, arrive);
  }

  #schedulePhaseOne(): void {
    const { partitions, partitionEvery, partitionLength, killEvery, phaseOneMs } = this.#options;
    const rng = this.#rng;
    const split = (): void => {
      if (this.#calm) return;
      this.#links.split(rng.pick(partitions));
      this.#at(rng.unit() * partitionLength, () => {
        if (!this.#calm) this.#links.heal();
        this.#at(rng.unit() * partitionEvery * 2, split);
      });
    };
    if (partitions.length > 0) this.#at(rng.unit() * partitionEvery, split);
    const kill = (): void => {
      if (this.#calm) return;
      const victims = this.#options.killAll ? this.nodes : [rng.pick(this.nodes)];
      for (const victim of victims) if (victim.driver !== undefined) victim.fuse = rng.below(40);
      this.#at(rng.unit() * killEvery * 2, kill);
    };
    if (killEvery > 0) this.#at(rng.unit() * killEvery, kill);
    for (const step of this.#options.script ?? []) this.#at(step.at, () => this.#perform(step));
    this.#at(phaseOneMs, () => this.#heal());
  }

  #perform(step: Step): void {
    if (step.do === "heal") {
      this.#tell?.(-1, "all links are back");
      this.#links.heal();
      return;
    }
    if (step.do === "cut") {
      this.#tell?.(-1, `links between ${step.groups.map((g) => g.join("+")).join(" | ")} are cut`);
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
        this.#at(20 + this.#rng.below(60), idle);
      };
      this.#at(5, idle);
    }
  }

  #count = 0;
  /** First view of peace (L1). */
  #peaceFrom: number | undefined;
  /** Validators that hold the chain by then. */
  #peaceful: readonly SimNode[] = [];
  #submitted = 0;
  #goal = Number.POSITIVE_INFINITY;
  #deadline = Number.POSITIVE_INFINITY;

  #heal(): void {
    this.#calm = true;
    this.#links.calm();
    let highest = 0;
    for (const node of this.nodes) {
      node.fuse = -1;
      if (this.#options.absentForever && this.#options.absent.has(node.index)) continue;
      if (this.#options.joinAtFloor && this.#options.absent.has(node.index)) this.#giveFloor(node);
      this.#boot(node);
      if (node.honest && node.driver !== undefined) highest = Math.max(highest, node.driver.core.view);
    }
    this.#goal = this.#options.short
      ? this.#options.views
      : Math.max(this.#options.views, highest + PROGRESS_VIEWS);
    this.#deadline = this.scheduler.now() + PHASE_TWO_MS;
    if (!this.#onlyTheNetwork()) return;
    this.#goal = Number.POSITIVE_INFINITY;
    this.#at(SETTLE_MS, () => this.#expectPeace());
  }

  /** Whether nothing else can keep an honest leader from succeeding in peace. */
  #onlyTheNetwork(): boolean {
    const { byzantine, backups, careless, short, slow, drift, emptyInterval } = this.#options;
    if (byzantine.size > 0 || backups || careless || short || slow !== undefined) return false;
    const { buildTime, verifyTime, cryptoTime } = this.#options;
    return buildTime + verifyTime + cryptoTime + drift * emptyInterval <= 20;
  }

  /** Honest validators that are meant to be there. */
  #members(): SimNode[] {
    const { n, absent, absentForever } = this.#options;
    return this.nodes.filter(
      ({ index, honest }) => honest && index < n && !(absentForever && absent.has(index)),
    );
  }

  /**
   * L1, where nothing but the network was in the way: honest leaders, fast execution, everybody present. Peace begins
   * once everybody holds the chain: a block's parent must be executed before one can lead or vote (R3, R4, R8). Who
   * needs longer, because it fetches a long chain body by body, must get there (L2) and is not judged on the way.
   */
  #expectPeace(): void {
    const highest = Math.max(...this.nodes.map((node) => node.driver?.core.view ?? 0));
    const members = this.#members().filter(({ driver, chain }) => {
      const delivered = chain.blocks.at(-1)?.facts.view ?? 0;
      return (
        driver !== undefined && driver.core.view >= highest - 1 && delivered >= highest - CAUGHT_UP_VIEWS
      );
    });
    const patient = this.scheduler.now() < this.#deadline - PHASE_TWO_MS + CATCH_UP_MS;
    if (members.length < this.#members().length && patient) {
      this.#at(CATCH_UP_STEP_MS, () => this.#expectPeace());
      return;
    }
    this.#peaceful = members;
    // The next view is still paced by a parent that was first seen, here early and there late, before there was peace.
    this.#peaceFrom = highest + 2;
    this.#goal = Math.max(this.#options.views, highest + PEACEFUL_VIEWS);
    // R1 lets a leader be skipped of which nothing arrived for skipTimeout views; the newest may be on their way.
    this.checkers.calmFrom(this.#peaceFrom, (view) => {
      const leader = members.find(({ index }) => index === this.#leader(view));
      if (leader === undefined) return false;
      for (let at = view - SIM_TIMING.skipTimeout; at < view - 2; at++)
        if (leader.spoken.has(at)) return true;
      return false;
    });
  }

  /** L1: in peace nobody's voice is missing, or the skip of silent leaders would excuse it for ever. */
  #expectVoices(): void {
    // Where execution takes as long as a view, who fell behind gets level slowly, and views go on without it.
    const { n, verifyTime } = this.#options;
    if (this.#peaceFrom === undefined || n === 1 || verifyTime > 1) return;
    for (const { slot, spoken } of this.#peaceful) {
      let heard = false;
      for (const view of spoken) heard ||= view >= this.#peaceFrom;
      if (!heard)
        throw new Violation("L1", `node ${slot} signed nothing in peace, from view ${this.#peaceFrom} on`);
    }
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
      if (!node.honest || (this.#options.absentForever && this.#options.absent.has(node.index))) continue;
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
      this.#tellWork(node);
    }
    this.#at(TRANSFER_MS, () => this.#submit(ledger, index + 1));
  }

  #begin(): void {
    const { absent, short } = this.#options;
    for (const node of this.nodes)
      if (!absent.has(node.index)) this.#at(this.#rng.unit() * 5, () => this.#boot(node));
    if (short === true) this.#goal = this.#options.views;
    this.#scheduleRogues();
    this.#schedulePhaseOne();
    const ledger = this.#ledger;
    if (ledger !== undefined) this.#at(TRANSFER_MS, () => this.#submit(ledger, 0));
  }

  /** Runs the next event; false once the goal is reached. */
  #next(): boolean {
    if (!this.scheduler.next()) return false;
    if (this.#count > MAX_EVENTS) throw new Violation("L6", `more than ${MAX_EVENTS} events`);
    const short = this.#options.short === true;
    if (!short && ((++this.#count & 31) !== 0 || !this.#calm)) return true;
    if (this.#done()) return false;
    if (this.scheduler.now() > this.#deadline) this.#stuck();
    return true;
  }

  #outcome(): Outcome {
    if (!this.#done()) this.#stuck();
    this.#expectVoices();
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
    do await this.#ledger?.settle();
    while (this.#next());
    return this.#outcome();
  }
}
