// Holds a key ceremony from its plan to its files: picks the round, opens store and transport, waits for the result,
// writes it, and stays to serve those who are late. Lifetimes close in reverse.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import type { Bls } from "#crypto/bls.ts";
import type { CeremonyProgress, CeremonyResult } from "#crypto/dkg/events.ts";
import { blsSharing } from "#crypto/dkg/polynomial.ts";
import type { CeremonyRules } from "#crypto/dkg/rules.ts";
import { KoraError } from "#lib/error.ts";
import { libp2pWire } from "#net/libp2p.ts";
import { createTransport } from "#net/transport.ts";
import type { Transport } from "#net/types.ts";
import { identityKeyBytes } from "#types/identity.ts";
import { type CeremonyNews, CeremonyRun } from "./driver.ts";
import type { CeremonyPlan } from "./plan.ts";
import { refuseExisting, requireResult, writeResult } from "./results.ts";
import { type CeremonyStore, openCeremonyStore } from "./store.ts";

const SEED_BYTES = 32;
const TICK_MS = 500;
/** How long what is queued may take to leave at the end. */
const FLUSH_MS = 2_000;

export interface HoldOptions {
  /** Begins a new round, whose result may replace an older share. */
  readonly restart: boolean;
  /** Number of the round to begin; above every one used. By default the next. */
  readonly round: number | undefined;
  readonly deadlineMs: number;
  /** How long to stay for participants that are not done. */
  readonly lingerMs: number;
  /** Gives up after so long without a result; undefined waits. */
  readonly timeoutMs: number | undefined;
  /** Writes the result although members are exposed. */
  readonly acceptExposed: boolean;
  readonly bls: Bls;
  /** Instead of libp2p. */
  readonly openTransport?: (plan: CeremonyPlan) => Transport;
  readonly listening: (addresses: readonly string[]) => void;
  readonly begun: (round: number, resumed: boolean) => void;
  readonly news: (news: CeremonyNews) => void;
  readonly signal: AbortSignal;
}

/** A finished ceremony, with its files written. */
export interface HeldCeremony {
  readonly rules: CeremonyRules;
  readonly result: CeremonyResult;
  /** Players that confirmed before this node stopped serving, by index. */
  readonly confirmed: readonly number[];
  /** Who was caught at what, in this run and those before it; by member number. */
  readonly faults: CeremonyProgress["faults"];
}

function openLibp2p({ identity, listen, chain }: CeremonyPlan): Transport {
  const wire = libp2pWire({ identity, listen: [listen], network: `ceremony-${chain.slice(2, 18)}` });
  return createTransport({ self: identity.publicKey, wire, maxUnlisted: 0 });
}

/** Throws CEREMONY_RESTORED, a refusal, where going on would say other things than were said before. */
function refuseRestored({ chain, files }: CeremonyPlan, store: CeremonyStore): void {
  if (!store.isBehind(chain)) return;
  throw new KoraError(`${files.store} is older than what this node has said`, {
    code: "CEREMONY_RESTORED",
    kind: "safety",
    why: `it lacks records of round ${store.lastRound(chain)}: it was restored from a backup, or is another one`,
    hint: "put the newest ceremony.db back, or begin a new round with --force-restart on every node",
  });
}

/** The round to hold: the newest one goes on, unless a new one was asked for. */
function chooseRound(plan: CeremonyPlan, store: CeremonyStore, options: HoldOptions): number {
  const last = store.lastRound(plan.chain);
  if (options.round !== undefined && options.round !== last && options.round <= last) {
    throw new KoraError(`round ${options.round} cannot be held`, {
      code: "ROUND_USED",
      kind: "usage",
      why: `round ${last} was begun already, and no round is ever used twice`,
      hint: `--force-restart --round ${last + 1}, the same on every node`,
    });
  }
  if (options.restart) {
    const round = options.round ?? last + 1;
    if (round > last) store.beginReplacing(plan.chain, round);
    else refuseRestored(plan, store);
    return round;
  }
  refuseRestored(plan, store);
  if (last > 0 && (options.round ?? last) === last) return last;
  if (last > 0) {
    throw new KoraError(`round ${last} is under way`, {
      code: "ROUND_UNDER_WAY",
      kind: "safety",
      why: `round ${options.round} would abandon it`,
      hint: `--force-restart --round ${options.round}, the same on every node`,
    });
  }
  refuseExisting(plan.files);
  return options.round ?? 1;
}

/** Checks that the records of a round are of the committee that the configuration names. */
function checkRecords(plan: CeremonyPlan, store: CeremonyStore, round: number): boolean {
  const begin = store.records(plan.chain, round)[0];
  if (begin?.kind !== "begin") return false;
  const keys = begin.info.players.map((key) => `0x${key.toHex()}`);
  if (keys.join() === plan.participants.join()) return true;
  throw new KoraError("consensus.participants changed during the ceremony", {
    code: "CEREMONY_CHANGED",
    kind: "safety",
    why: `round ${round} was begun with ${keys.length} others than the configuration names`,
    hint: "restore the list, or begin a new round with --force-restart on every node",
  });
}

/** Participants that were not heard of yet, for people. */
function unheard(run: CeremonyRun): string {
  const { rules } = run.ceremony;
  const { peers } = run.ceremony.progress();
  const names = rules.members.filter((_, member) => member !== rules.me && peers[member] === undefined);
  return names.length === 0
    ? "all were heard of"
    : `not heard of: ${names.map((key) => key.toHex()).join(", ")}`;
}

/** What makes an unfinished ceremony go on; the flag again would begin one more round, which the others do not hold. */
function goOn({ restart, round }: HoldOptions): string {
  const again = restart && round === undefined ? "again without --force-restart" : "again";
  return `run the same command ${again}: it goes on where it stopped`;
}

/** Rejects when the operator stops the command or its time is over. */
function givenUp(run: CeremonyRun, options: HoldOptions): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const over = (cause: string): void =>
    reject(
      new KoraError("the key ceremony is not finished", {
        code: "CEREMONY_UNFINISHED",
        why: `${cause}; ${unheard(run)}`,
        hint: goOn(options),
      }),
    );
  options.signal.addEventListener("abort", () => over("it was stopped"), { once: true });
  if (options.signal.aborted) over("it was stopped");
  if (options.timeoutMs !== undefined) {
    const { timeoutMs } = options;
    setTimeout(() => over(`${timeoutMs / 1_000} s passed`), timeoutMs).unref();
  }
  return promise;
}

function refuseExposed(rules: CeremonyRules, { output }: CeremonyResult): never {
  const names = output.exposed.map((player) => (rules.info.players[player] as Uint8Array).toHex());
  throw new KoraError("the new key is not used: members are exposed", {
    code: "MEMBERS_EXPOSED",
    kind: "safety",
    why: `everybody can read the share of ${names.join(", ")}; each counts as faulty from now on`,
    hint: "run it with --accept-exposed and no --force-restart, or begin anew everywhere once all are online",
  });
}

/** Until everybody is done, `ms` have passed, or the operator stops the command. */
async function linger(run: CeremonyRun, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await Promise.race([run.everybody, promise]);
  clearTimeout(timer);
}

async function keepResult(
  plan: CeremonyPlan,
  store: CeremonyStore,
  run: CeremonyRun,
  result: CeremonyResult,
  options: HoldOptions,
): Promise<void> {
  const { rules } = run.ceremony;
  if (run.erased) {
    requireResult(plan.files, rules, result);
    return;
  }
  if (result.output.exposed.length > 0 && !options.acceptExposed) {
    await linger(run, options.lingerMs, options.signal);
    refuseExposed(rules, result);
  }
  const replace = store.replaces(plan.chain, rules.info.round);
  await writeResult(plan.files, rules, result, { bls: options.bls, replace, passphrase: plan.passphrase });
  run.eraseSecrets();
}

/** Holds the ceremony; resolves when its files are written and nobody needs this node any more. */
export async function holdCeremony(plan: CeremonyPlan, options: HoldOptions): Promise<HeldCeremony> {
  await using stack = new AsyncDisposableStack();
  if (!options.restart && !existsSync(plan.files.store)) refuseExisting(plan.files);
  const seed = plan.identity.revealSeed();
  const store = stack.use(openCeremonyStore(plan.files.store, seed));
  seed.fill(0);
  const round = chooseRound(plan, store, options);
  const resumed = checkRecords(plan, store, round);
  const transport = (options.openTransport ?? openLibp2p)(plan);
  stack.defer(() => transport.close());
  const keys = plan.participants.map(identityKeyBytes);
  const run = new CeremonyRun({
    info: { chain: plan.chain, round, dealers: keys, players: keys, previous: undefined },
    identity: plan.identity,
    scheme: blsSharing(options.bls),
    transport,
    store,
    seed: new Uint8Array(randomBytes(SEED_BYTES)),
    deadlineMs: options.deadlineMs,
    tickMs: TICK_MS,
    news: options.news,
  });
  stack.defer(() => run.stop(FLUSH_MS));
  transport.allow(plan.participants.filter((key) => key !== plan.identity.publicKey));
  await transport.start();
  options.listening(transport.listening());
  for (const peer of plan.peers) transport.keep(peer);
  options.begun(round, resumed);
  run.start();
  const result = await Promise.race([run.result, givenUp(run, options)]);
  await keepResult(plan, store, run, result, options);
  await linger(run, options.lingerMs, options.signal);
  const { confirms, faults } = run.ceremony.progress();
  return { rules: run.ceremony.rules, result, confirmed: confirms, faults };
}
