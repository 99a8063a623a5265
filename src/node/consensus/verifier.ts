// R3's last conditions and R4's verdict: header fields against their place in the chain, then execution, parents first.
// Missing data is waited for and is never a verdict; only R3 looks at a clock, and then answers "early", not "invalid".
import type { BlockContext } from "#consensus/effects.ts";
import { type BlockFacts, headerFlaw } from "#consensus/header.ts";
import type { Rules } from "#consensus/rules.ts";
import { createLru } from "#lib/bounded.ts";
import type { Hash } from "#types/ids.ts";
import { MAX_CLOCK_AHEAD_SECONDS } from "#types/limits.ts";
import type { Bodies } from "./bodies.ts";
import type { ApplicationPort, Body, ClockPort, SchemePort } from "./ports.ts";

/** Verdicts remembered, so that R4 costs nothing after R3. */
const MAX_VERDICTS = 1_024;
/** Waits for ever: a final block's body. */
export const FOR_EVER: number = Number.POSITIVE_INFINITY;

export interface Verifier<B extends Body> {
  /** R3. `done` may never be called, when the body never comes. */
  verify(context: BlockContext, done: (verdict: "valid" | "invalid" | "early") => void): void;
  /** R4. */
  certify(context: BlockContext, done: (valid: boolean) => void): void;
  /** Executes a block and whatever ancestors it lacks, with no look at its header. */
  execute(body: B, until: number, done: (valid: boolean) => void): void;
  /** The verdict on a block that was looked at before, in this very place. */
  known(context: BlockContext): boolean | undefined;
  /** A block built here needs no second execution. */
  built(facts: BlockFacts): void;
}

/** What was found of a block, and of which place: a header that is wrong in one place is right in another. */
interface Known {
  readonly view: number;
  readonly parentView: number;
  readonly valid: boolean;
}

/** A verifier over the application and the bodies at hand. */
export function createVerifier<B extends Body>(
  application: ApplicationPort<B>,
  bodies: Bodies<B>,
  scheme: SchemePort,
  clock: ClockPort,
  rules: Rules,
): Verifier<B> {
  const verdicts = createLru<Hash, Known>(MAX_VERDICTS);

  function execute(body: B, until: number, done: (valid: boolean) => void): void {
    application.verify(body, (verdict) => {
      if (verdict.kind !== "missing") {
        done(verdict.kind === "valid");
        return;
      }
      bodies.need(verdict.digest, until, (ancestor) => {
        execute(ancestor, until, (valid) => (valid ? execute(body, until, done) : done(false)));
      });
    });
  }
  function known({ payload, view, parentView }: BlockContext): boolean | undefined {
    const found = verdicts.get(payload);
    return found?.view === view && found.parentView === parentView ? found.valid : undefined;
  }
  function inspect(context: BlockContext, body: B, done: (valid: boolean) => void, unexecuted = false): void {
    const before = known(context);
    if (before !== undefined) {
      done(before);
      return;
    }
    const parentHeight = application.heightOf(context.parent);
    if (parentHeight === undefined) {
      bodies.need(context.parent, context.view, (ancestor) => {
        execute(ancestor, context.view, (valid) => {
          if (valid) inspect(context, body, done, unexecuted);
          else done(false);
        });
      });
      return;
    }
    const { payload, epoch, view, parentView, parent } = context;
    const settle = (valid: boolean): void => {
      verdicts.set(payload, { view, parentView, valid });
      done(valid);
    };
    const prevRandao = scheme.prevRandao(context.parentSeed);
    const expected = { epoch, view, parentView, parent, parentHeight, prevRandao };
    if (headerFlaw(body.facts, expected, rules) !== undefined) settle(false);
    else if (unexecuted) done(true);
    else execute(body, view, settle);
  }
  /** However long it takes: when `done` is called, the body is at hand. */
  function inspectKept(
    context: BlockContext,
    body: B,
    done: (valid: boolean) => void,
    unexecuted = false,
  ): void {
    const kept = (valid: boolean): void => {
      bodies.put(body, undefined);
      done(valid);
    };
    inspect(context, body, kept, unexecuted);
  }
  return {
    execute,
    verify(context, done) {
      bodies.need(context.payload, context.view, (body) => {
        const ahead = body.facts.timestamp - clock.wall();
        if (rules.r3Timestamp && ahead > MAX_CLOCK_AHEAD_SECONDS) done("early");
        else inspectKept(context, body, (valid) => done(valid ? "valid" : "invalid"), !rules.r3Verified);
      });
    },
    certify(context, done) {
      bodies.need(context.payload, context.view, (body) => inspectKept(context, body, done));
    },
    known,
    built({ digest, view, parentView }) {
      verdicts.set(digest, { view, parentView, valid: true });
    },
  };
}
