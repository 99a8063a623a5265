// Drives the core: performs its effects in order, commits the journal once a turn before anything of that turn leaves
// (R15), and feeds answers back. Synchronous but for the ports' callbacks, so that the simulator runs this very file.
import { createCore, step } from "#consensus/core.ts";
import type { Effect } from "#consensus/effects.ts";
import type { CoreMessage, Event } from "#consensus/events.ts";
import { ALL_RULES, type Rules } from "#consensus/rules.ts";
import type { Core, CoreConfig } from "#consensus/state.ts";
import { unreachable } from "#lib/assert.ts";
import type { Hash } from "#types/ids.ts";
import { createBodies } from "./bodies.ts";
import { createDelivery } from "./delivery.ts";
import type { Body, DriverPorts } from "./ports.ts";
import { createVerifier } from "./verifier.ts";

export interface Driver<B extends Body> {
  start(): void;
  /** A consensus message from validator `from`. */
  message(from: number, message: CoreMessage): void;
  /** A body, decoded and hashed, from validator `from`. */
  body(from: number, body: B): void;
  bodyRequest(from: number, digest: Hash): void;
  connected(peer: number): void;
  /** Whether executable transactions wait; solo: `true` asks for a block. */
  work(pending: boolean): void;
  /** The alarm went off. */
  wake(): void;
  /** For status and metrics; not to be changed. */
  readonly core: Core;
  readonly halted: boolean;
}

/** A driver whose core continues where the journal ends. `rules` exists for the simulator alone. */
export function createDriver<B extends Body>(
  config: CoreConfig,
  ports: DriverPorts<B>,
  rules: Rules = ALL_RULES,
): Driver<B> {
  const { journal, scheme, application, network, clock, observer } = ports;
  const core = createCore(config, journal.load(), rules);
  const inbox: Event[] = [];
  let outbox: Effect[] = [];
  let dirty = false;
  let running = false;
  let halted = false;
  let timerAt = Number.POSITIVE_INFINITY;
  let alarmAt = Number.POSITIVE_INFINITY;

  const bodies = createBodies<B>({
    n: config.n,
    me: config.me,
    fetchTimeout: config.timing.fetchTimeout,
    now: clock.now,
    request: network.requestBody,
    stored: (digest) => journal.body(digest) ?? application.body(digest),
  });
  const verifier = createVerifier(application, bodies, scheme, clock, rules);
  const delivery = createDelivery(application, bodies, verifier, {
    acknowledged: (view) => feed({ type: "acknowledged", view }),
    halt,
    afterDurable: rules.r15Acknowledged,
  });

  function halt(reason: string): void {
    halted = true;
    observer.halted(reason);
  }
  function feed(event: Event): void {
    inbox.push(event);
    run();
  }
  /** Turns until nothing is left: drain the inbox, commit, then let the turn's effects out in order. */
  function run(): void {
    if (running) return;
    running = true;
    try {
      while ((inbox.length > 0 || outbox.length > 0) && !halted) {
        for (let i = 0; i < inbox.length; i++) absorb(step(core, inbox[i] as Event, clock.now()));
        inbox.length = 0;
        if (dirty) {
          dirty = false;
          journal.commit();
        }
        const leaving = outbox;
        outbox = [];
        for (const effect of leaving) release(effect);
      }
    } finally {
      running = false;
    }
    alarm();
  }
  function alarm(): void {
    const at = Math.min(timerAt, bodies.nextAt());
    if (at === alarmAt) return;
    alarmAt = at;
    if (at !== Number.POSITIVE_INFINITY) clock.alarm(at);
  }
  /** What stays inside is done at once; what leaves waits for the commit. */
  function absorb(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case "persist": {
          const { record } = effect;
          dirty = true;
          journal.append(record, record.type === "body" ? bodies.get(record.digest) : undefined);
          break;
        }
        case "reserve":
          journal.reserve(effect.upTo);
          break;
        case "sign":
          scheme.sign(effect.subject, (vote) => feed({ type: "signed", vote }));
          break;
        case "authenticate": {
          const { vote, from } = effect;
          inbox.push({ type: "authenticated", vote, from, valid: scheme.authenticate(vote) });
          break;
        }
        case "recover": {
          const { subject, votes } = effect;
          scheme.recover(subject, votes, ({ result, bad }) =>
            feed({ type: "recovered", subject, result, bad }),
          );
          break;
        }
        case "examinePartial": {
          const { vote } = effect;
          scheme.examinePartial(vote, (valid) => feed({ type: "partialExamined", vote, valid }));
          break;
        }
        case "examine": {
          const { from, certificates, seeds } = effect;
          scheme.examine(certificates, seeds, (results) => feed({ type: "examined", from, results }));
          break;
        }
        default:
          if (rules.r15CommitFirst) outbox.push(effect);
          else release(effect);
      }
    }
  }
  function release(effect: Effect): void {
    switch (effect.type) {
      case "send":
        network.send(effect.to, effect.message);
        break;
      case "disseminate": {
        const body = bodies.get(effect.digest);
        if (body !== undefined) network.sendBody(-1, body);
        break;
      }
      case "expect":
        bodies.hint(effect.digest, effect.hint);
        break;
      case "build":
        build(effect);
        break;
      case "verify": {
        const { view, payload } = effect.context;
        verifier.verify(effect.context, (verdict) => feed({ type: "verified", view, payload, verdict }));
        break;
      }
      case "certify": {
        const { view, payload } = effect.context;
        verifier.certify(effect.context, (valid) => feed({ type: "certified", view, payload, valid }));
        break;
      }
      case "certifiedTip":
        application.certifiedTip(effect.payload);
        break;
      case "finalize":
        bodies.giveUp(effect.certificate.view);
        delivery.finalized(effect.certificate);
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
        timerAt = effect.at;
        break;
      case "halt":
        halt(effect.reason);
        break;
      case "persist":
      case "reserve":
      case "sign":
      case "authenticate":
      case "recover":
      case "examinePartial":
      case "examine":
        break;
      default:
        unreachable(effect);
    }
  }
  function build(effect: Extract<Effect, { type: "build" }>): void {
    const { context, deadline, empty } = effect;
    const { view, parentView } = context;
    const prevRandao = scheme.prevRandao(context.parentSeed);
    // R8: a parent whose state a restart lost is executed again, never a reason to decline.
    if (application.heightOf(context.parent) === undefined) {
      bodies.need(context.parent, view, (parent) => {
        verifier.execute(parent, view, (valid) => {
          if (valid) build(effect);
          else feed({ type: "built", view, parentView, payload: undefined });
        });
      });
      return;
    }
    application.build({ context, prevRandao, deadline, empty }, (body) => {
      if (body !== undefined) {
        verifier.built(body.facts.digest);
        bodies.put(body, undefined);
      }
      feed({ type: "built", view, parentView, payload: body?.facts.digest });
    });
  }
  return {
    core,
    get halted() {
      return halted;
    },
    start: () => feed({ type: "start" }),
    message: (from, message) => feed({ type: "message", from, message }),
    body(from, body) {
      bodies.put(body, from);
      run();
    },
    bodyRequest(from, digest) {
      const body = bodies.get(digest);
      if (body !== undefined) network.sendBody(from, body);
    },
    connected: (peer) => feed({ type: "connected", peer }),
    work: (pending) => feed({ type: "work", pending }),
    wake() {
      alarmAt = Number.POSITIVE_INFINITY;
      const now = clock.now();
      bodies.poll();
      if (now < timerAt) {
        alarm();
        return;
      }
      timerAt = Number.POSITIVE_INFINITY;
      feed({ type: "tick" });
    },
  };
}
