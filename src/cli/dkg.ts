// kora dkg: takes part in the ceremony that makes a network's key, and says who was missing or caught.
import { openBls } from "#crypto/bls.ts";
import type { CeremonyProgress } from "#crypto/dkg/events.ts";
import { toHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { CeremonyNews } from "#node/ceremony/driver.ts";
import { type HeldCeremony, holdCeremony } from "#node/ceremony/hold.ts";
import { type CeremonyPlan, planCeremony } from "#node/ceremony/plan.ts";
import { encodeCeremonyRecord } from "#types/ceremony-record.ts";
import { identityKey } from "#types/identity.ts";
import { quorumOf } from "#types/quorum.ts";
import { hasFlag, integerFlag, numberFlag } from "./args.ts";
import type { Args, CommandContext, CommandRun } from "./command.ts";
import { configOf } from "./config.ts";
import { passphraseSource } from "./passphrase.ts";
import { bar, createProgress, type Progress } from "./terminal.ts";

/** Seconds that dealers wait for silent players, and that a finished node stays for others. */
const DEFAULT_DEADLINE = 600;
const DEFAULT_LINGER = 30;
const MAX_SECONDS = 7 * 24 * 3_600;

interface Timing {
  readonly deadlineMs: number;
  readonly lingerMs: number;
  readonly timeoutMs: number | undefined;
}

function secondsFlag(args: Args, name: string): number | undefined {
  const seconds = numberFlag(args, name, { min: 0, max: MAX_SECONDS });
  return seconds === undefined ? undefined : seconds * 1_000;
}

function timingOf(args: Args): Timing {
  return {
    deadlineMs: secondsFlag(args, "deadline") ?? DEFAULT_DEADLINE * 1_000,
    lingerMs: secondsFlag(args, "linger") ?? DEFAULT_LINGER * 1_000,
    timeoutMs: secondsFlag(args, "timeout"),
  };
}

/** Where the ceremony stands, in one line. */
function standing(progress: CeremonyProgress, size: number): string {
  const quorum = quorumOf(size);
  const { shares, acks, logs, confirms, closed } = progress;
  if (progress.stage === "dealing") {
    const own = closed ? "own log closed" : `acknowledged ${acks}/${size}`;
    return `evaluations ${shares}/${size}, ${own}, logs ${Math.min(logs, quorum)}/${quorum}`;
  }
  const word = progress.stage === "final" ? "finished" : "logs agreed";
  return `${word}, confirmed by ${confirms.length}/${size}`;
}

/** Parts of the work that are done: evaluations, own log, logs, agreement, confirmations. */
function shareDone(progress: CeremonyProgress, size: number): readonly [number, number] {
  const quorum = quorumOf(size);
  const total = 2 * size + 2 * quorum + 1;
  if (progress.stage === "final") return [total, total];
  if (progress.stage === "agreed") {
    return [total - quorum + Math.min(quorum, progress.confirms.length), total];
  }
  const acks = progress.closed ? size : progress.acks;
  return [progress.shares + acks + Math.min(quorum, progress.logs), total];
}

interface Narrator {
  readonly news: (news: CeremonyNews) => void;
  readonly say: (event: string, text: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Tells what happens: a bar on a terminal, one line a step elsewhere, one object a line with --json. */
function createNarrator(context: CommandContext, plan: CeremonyPlan, progress: Progress): Narrator {
  const json = hasFlag(context.args, "json");
  const size = plan.participants.length;
  let last = "";
  const say: Narrator["say"] = (event, text, fields) => {
    if (json) context.out(JSON.stringify({ event, ...fields }));
    else progress.step(text);
  };
  function showProgress(found: CeremonyProgress): void {
    const text = standing(found, size);
    const [done, total] = shareDone(found, size);
    progress.update(`${bar(done, total)}  ${text}`);
    if (text === last) return;
    last = text;
    const { stage, shares, acks, closed, logs, confirms } = found;
    const fields = { stage, shares, acks, closed, logs, confirms: confirms.length };
    if (json || !context.terminal.interactive) say("progress", text, fields);
  }
  return {
    say,
    news(item) {
      if (item.kind === "progress") showProgress(item.progress);
      else if (item.kind === "fault") {
        const { peer, fault, detail } = item;
        say("fault", `caught ${peer.slice(2)}: ${fault} (${detail})`, { participant: peer, fault, detail });
      } else if (item.kind === "elsewhere") {
        const { peer, round } = item;
        const text = `${peer.slice(2)} holds another ceremony (its round ${round}): all must run the same round with the same participants and genesis`;
        say("elsewhere", text, { participant: peer, round });
      } else if (item.kind === "peer") {
        const word = item.connected ? "connected" : "disconnected";
        say(word, `${word} ${item.peer.slice(2)}`, { participant: item.peer });
      }
    },
  };
}

/** Participants by what became of them. */
function summary({ rules, result, confirmed }: HeldCeremony): Readonly<Record<string, unknown>> {
  const nameOf = (player: number): string => identityKey(rules.info.players[player] as Uint8Array);
  const { output } = result;
  const everybody = rules.info.players.map((_, player) => player);
  return {
    round: rules.info.round,
    groupPublicKey: `0x${output.publicKey.toHex()}`,
    threshold: output.threshold,
    participants: everybody.map(nameOf),
    exposed: output.exposed.map(nameOf),
    revealed: everybody.filter((player) => output.reveals[player]?.length !== 0).map(nameOf),
    unconfirmed: everybody.filter((player) => !confirmed.includes(player)).map(nameOf),
  };
}

function list(names: unknown): string {
  const texts = (names as readonly string[]).map((name) => name.slice(2));
  return texts.length === 0 ? "none" : texts.join("\n                    ");
}

/** What shows to others that members lied: the two statements each of them signed, as this node keeps them. */
function proofs({ rules, faults }: HeldCeremony): readonly Readonly<Record<string, unknown>>[] {
  return faults
    .filter(({ evidence }) => evidence.length > 0)
    .map(({ member, fault, evidence }) => ({
      participant: identityKey(rules.members[member] as Uint8Array),
      fault,
      record: toHex(encodeCeremonyRecord({ kind: "fault", member, fault, evidence })),
    }));
}

/** Who was caught at what: by the ceremony, which remembers, and by the agreement in this run. */
function caught({ rules, faults }: HeldCeremony, seen: ReadonlySet<string>): string[] {
  const known = faults.map(
    ({ member, fault }) => `${(rules.members[member] as Uint8Array).toHex()} ${fault}`,
  );
  return [...new Set([...known, ...seen])].sort();
}

function describe(held: HeldCeremony, plan: CeremonyPlan, faults: readonly string[]): string {
  const facts = summary(held);
  return [
    `group public key    ${String(facts["groupPublicKey"]).slice(2)}`,
    `threshold           ${facts["threshold"]} of ${plan.participants.length}, round ${facts["round"]}`,
    `exposed             ${list(facts["exposed"])}`,
    `silent to some      ${list(facts["revealed"])}`,
    `not confirmed yet   ${list(facts["unconfirmed"])}`,
    `caught              ${faults.length === 0 ? "none" : faults.join("\n                    ")}`,
    `share               ${plan.files.share}`,
    `output              ${plan.files.output}`,
  ].join("\n");
}

/** `kora dkg`. */
export const dkg: CommandRun = async (context) => {
  const { args, signal } = context;
  const { settings } = configOf(context);
  const timing = timingOf(args);
  const round = integerFlag(args, "round", { min: 1, max: Number.MAX_SAFE_INTEGER });
  const plan = await planCeremony(settings, passphraseSource(context));
  const bls = await openBls();
  const progress = createProgress(context.terminal, hasFlag(args, "json"));
  const narrator = createNarrator(context, plan, progress);
  const seen = new Set<string>();
  try {
    const held = await holdCeremony(plan, {
      ...timing,
      restart: hasFlag(args, "force-restart"),
      round,
      acceptExposed: hasFlag(args, "accept-exposed"),
      bls,
      signal,
      listening: (addresses) => {
        for (const address of addresses) context.out(`Listening on ${address}`);
      },
      begun: (number, resumed) => {
        const word = resumed ? "goes on" : "begins";
        const text = `key ceremony ${word}: round ${number}, ${plan.participants.length} participants, chain ${plan.chainId} (${plan.chain})`;
        narrator.say("begun", text, { round: number, resumed, chain: plan.chain });
      },
      news: (item) => {
        if (item.kind === "fault") seen.add(`${item.peer.slice(2)} ${item.fault}`);
        narrator.news(item);
      },
    });
    progress.done();
    const faults = caught(held, seen);
    if (hasFlag(args, "json"))
      context.out(JSON.stringify({ event: "finished", ...summary(held), faults, proofs: proofs(held) }));
    else context.out(describe(held, plan, faults));
    return 0;
  } catch (error) {
    progress.done();
    throw error instanceof KoraError
      ? error
      : new KoraError("the key ceremony failed", {
          code: "CEREMONY_FAILED",
          hint: "run the same command again, without --force-restart: it goes on where it stopped",
          cause: error,
        });
  }
};
