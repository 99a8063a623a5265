// Drives the core: performs its effects in order, commits the journal once a turn before anything of that turn leaves
// (R15), and feeds answers back. Synchronous but for the ports' callbacks, so that the simulator runs this very file.
import { createCore, step } from "#consensus/core.ts";
import { type Effect, EVERYONE } from "#consensus/effects.ts";
import type { CoreMessage, Event } from "#consensus/events.ts";
import { ALL_RULES, type Rules } from "#consensus/rules.ts";
import type { Core, CoreConfig } from "#consensus/state.ts";
import { assert } from "#lib/assert.ts";
import type { Hash } from "#types/ids.ts";
import { type Bodies, type BodyState, createBodies } from "./bodies.ts";
import { createDelivery, type Delivery } from "./delivery.ts";
import type { Body, DriverPorts } from "./ports.ts";
import { createVerifier, type Verifier } from "./verifier.ts";

export interface Driver<B extends Body> {
  start(): void;
  /** A consensus message from validator `from`. */
  message(from: number, message: CoreMessage): void;
  /** A body, decoded and hashed, from validator `from`. */
  body(from: number, body: B): void;
  bodyRequest(from: number, digest: Hash): void;
  /** What is known of a body before it is opened. */
  bodyState(digest: Hash): BodyState;
  connected(peer: number): void;
  /** Whether executable transactions wait; solo: `true` asks for a block. */
  work(pending: boolean): void;
  /** The alarm went off. */
  wake(): void;
  /** For status and metrics; not to be changed. */
  readonly core: Core;
  readonly halted: boolean;
}

type EffectOf<T extends Effect["type"]> = Extract<Effect, { readonly type: T }>;
type EventOf<T extends Event["type"]> = Extract<Event, { readonly type: T }>;

/** A driver whose core continues where the journal ends. `rules` exists for the simulator alone. */
export function createDriver<B extends Body>(
  config: CoreConfig,
  ports: DriverPorts<B>,
  rules: Rules = ALL_RULES,
): Driver<B> {
  return new CoreDriver(config, ports, rules);
}

class CoreDriver<B extends Body> implements Driver<B> {
  readonly core: Core;
  readonly #ports: DriverPorts<B>;
  readonly #rules: Rules;
  readonly #bodies: Bodies<B>;
  readonly #verifier: Verifier<B>;
  readonly #delivery: Delivery;
  readonly #inbox: Event[] = [];
  #outbox: Effect[] = [];
  /** The outbox of the turn before, to be used again. */
  #emptied: Effect[] = [];
  #dirty = false;
  #running = false;
  #halted = false;
  #timerAt = Number.POSITIVE_INFINITY;
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(config: CoreConfig, ports: DriverPorts<B>, rules: Rules) {
    const { journal, scheme, application, network, clock } = ports;
    this.#ports = ports;
    this.#rules = rules;
    this.core = createCore(config, journal.load(), rules);
    this.#bodies = createBodies<B>({
      n: config.n,
      me: config.me,
      fetchTimeout: config.timing.fetchTimeout,
      now: clock.now,
      request: network.requestBody,
      stored: (digest) => journal.body(digest) ?? application.body(digest),
    });
    this.#verifier = createVerifier(application, this.#bodies, scheme, clock, rules);
    this.#delivery = createDelivery(application, this.#bodies, this.#verifier, {
      acknowledged: (view) => this.#feed({ type: "acknowledged", view }),
      halt: (reason) => this.#halt(reason),
      catchUp: ports.catchUp,
      afterDurable: rules.r15Acknowledged,
    });
  }

  get halted(): boolean {
    return this.#halted;
  }

  start(): void {
    this.#feed({ type: "start" });
  }

  message(from: number, message: CoreMessage): void {
    this.#feed({ type: "message", from, message });
  }

  body(from: number, body: B): void {
    this.#bodies.put(body, from);
    this.#run();
  }

  bodyRequest(from: number, digest: Hash): void {
    const body = this.#bodies.get(digest);
    if (body !== undefined) this.#ports.network.sendBody(from, body);
  }

  bodyState(digest: Hash): BodyState {
    return this.#bodies.state(digest);
  }

  connected(peer: number): void {
    this.#feed({ type: "connected", peer });
  }

  work(pending: boolean): void {
    this.#feed({ type: "work", pending });
  }

  wake(): void {
    if (this.#halted) return;
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#bodies.poll();
    if (this.#ports.clock.now() < this.#timerAt) {
      this.#setAlarm();
      return;
    }
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#feed({ type: "tick" });
  }

  #halt(reason: string): void {
    if (this.#halted) return;
    this.#halted = true;
    this.#ports.observer.halted(reason);
  }

  #feed(event: Event): void {
    if (this.#halted) return;
    this.#inbox.push(event);
    this.#run();
  }

  /** Turns until nothing is left: drain the inbox, commit, then let the turn's effects out in order. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      while ((this.#inbox.length > 0 || this.#outbox.length > 0) && !this.#halted) this.#turn();
    } catch (thrown) {
      // R16: what a failed write was to make durable never leaves, whatever happens next.
      this.#halted = true;
      throw thrown;
    } finally {
      this.#running = false;
    }
    this.#setAlarm();
  }

  #turn(): void {
    const { clock, journal } = this.#ports;
    const inbox = this.#inbox;
    for (let i = 0; i < inbox.length; i++) {
      const event = inbox[i] as Event;
      const effects = step(this.core, event, clock.now());
      for (const effect of effects) this.#absorb(effect);
      this.#letGo(event);
    }
    inbox.length = 0;
    if (this.#dirty) {
      // Where this throws, everything stays: nothing leaves before a commit that returns.
      journal.commit();
      this.#dirty = false;
    }
    const leaving = this.#outbox;
    if (leaving.length === 0) return;
    this.#outbox = this.#emptied;
    for (const effect of leaving) if (!this.#halted) this.#release(effect);
    leaving.length = 0;
    this.#emptied = leaving;
  }

  /** An answer about a body, which stays at hand until the answer was acted on: it may have to be journalled (R15). */
  #answer(event: EventOf<"built" | "verified" | "certified">): void {
    if (event.payload !== undefined) this.#bodies.hold(event.payload);
    this.#feed(event);
  }

  /** Undoes `hold` of #answer and of a notarize that was to be signed. */
  #letGo(event: Event): void {
    switch (event.type) {
      case "built":
      case "verified":
      case "certified":
        if (event.payload !== undefined) this.#bodies.release(event.payload);
        break;
      case "signed":
        if (event.vote.kind === "notarize") this.#bodies.release(event.vote.payload);
        break;
      default:
    }
  }

  #setAlarm(): void {
    const at = Math.min(this.#timerAt, this.#bodies.nextAt());
    if (at === this.#alarmAt) return;
    this.#alarmAt = at;
    if (at !== Number.POSITIVE_INFINITY) this.#ports.clock.alarm(at);
  }

  /** What stays inside is done at once; what leaves waits for the commit. */
  #absorb(effect: Effect): void {
    const { journal, scheme } = this.#ports;
    switch (effect.type) {
      case "persist": {
        const { record } = effect;
        this.#dirty = true;
        const body = record.type === "body" ? this.#bodies.get(record.digest) : undefined;
        assert(record.type !== "body" || body !== undefined, "a body is at hand when it is journalled");
        journal.append(record, body);
        break;
      }
      case "reserve":
        journal.reserve(effect.upTo);
        break;
      case "sign": {
        const { subject } = effect;
        if (subject.kind === "notarize") this.#bodies.hold(subject.payload);
        scheme.sign(subject, (vote) => this.#feed({ type: "signed", vote }));
        break;
      }
      case "authenticate": {
        const { vote, from } = effect;
        this.#inbox.push({ type: "authenticated", vote, from, valid: scheme.authenticate(vote) });
        break;
      }
      case "recover": {
        const { subject, votes } = effect;
        scheme.recover(subject, votes, ({ result, bad }) => {
          this.#feed({ type: "recovered", subject, result, bad });
        });
        break;
      }
      case "examinePartial": {
        const { vote } = effect;
        scheme.examinePartial(vote, (valid) => this.#feed({ type: "partialExamined", vote, valid }));
        break;
      }
      case "examine": {
        const { from, certificates, seeds } = effect;
        scheme.examine(certificates, seeds, (results) => this.#feed({ type: "examined", from, results }));
        break;
      }
      case "certify": {
        // A verdict that R3 left behind costs no turn of its own, and so no second commit.
        const { view, payload } = effect.context;
        const valid = this.#bodies.get(payload) && this.#verifier.known(effect.context);
        if (valid === undefined) this.#outbox.push(effect);
        else this.#answer({ type: "certified", view, payload, valid });
        break;
      }
      default:
        if (this.#rules.r15CommitFirst) this.#outbox.push(effect);
        else this.#release(effect);
    }
  }

  #release(effect: Effect): void {
    const { journal, application, network, observer } = this.#ports;
    switch (effect.type) {
      case "send":
        network.send(effect.to, effect.message);
        break;
      case "disseminate": {
        const body = this.#bodies.get(effect.digest);
        if (body !== undefined) network.sendBody(EVERYONE, body);
        break;
      }
      case "expect":
        this.#bodies.hint(effect.digest, effect.from);
        break;
      case "build":
        this.#build(effect);
        break;
      case "verify":
        this.#verify(effect);
        break;
      case "certify":
        this.#certify(effect);
        break;
      case "certifiedTip":
        application.certifiedTip(effect.payload, this.core.rounds.get(effect.view)?.seed);
        break;
      case "finalize":
        this.#bodies.giveUp(effect.certificate.view);
        this.#delivery.finalized(effect.certificate);
        break;
      case "prune":
        journal.prune(effect.below);
        break;
      case "block":
        network.block(effect.peer, effect.reason);
        break;
      case "fault":
        observer.fault(effect.fault);
        break;
      case "setTimer":
        this.#timerAt = effect.at;
        break;
      case "halt":
        this.#halt(effect.reason);
        break;
      default:
    }
  }

  #verify({ context }: EffectOf<"verify">): void {
    const { view, payload } = context;
    this.#verifier.verify(context, (verdict) => this.#answer({ type: "verified", view, payload, verdict }));
  }

  #certify({ context }: EffectOf<"certify">): void {
    const { view, payload } = context;
    this.#verifier.certify(context, (valid) => this.#answer({ type: "certified", view, payload, valid }));
  }

  /** R2. R8: a parent whose state a restart lost is executed again, never a reason to decline. */
  #build(effect: EffectOf<"build">): void {
    const { context, deadline, empty } = effect;
    const { view, parentView, parent } = context;
    const { application, scheme } = this.#ports;
    const built = (payload: Hash | undefined): void =>
      this.#answer({ type: "built", view, parentView, payload });
    if (application.heightOf(parent) === undefined) {
      this.#bodies.need(parent, view, (body) => {
        this.#verifier.execute(body, view, (valid) => (valid ? this.#build(effect) : built(undefined)));
      });
      return;
    }
    const prevRandao = scheme.prevRandao(context.parentSeed);
    application.build({ context, prevRandao, deadline, empty }, (body) => {
      if (body !== undefined) {
        this.#verifier.built(body.facts);
        this.#bodies.put(body, undefined);
      }
      built(body?.facts.digest);
    });
  }
}
