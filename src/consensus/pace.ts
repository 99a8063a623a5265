// R1: when a view is due, when its timers fire, and which leaders are not waited for. Section 9: growing timers.
import { selectParent } from "./ancestry.ts";
import { type Core, emit, isNullified, leaderAt, roundOf } from "./state.ts";

/** Doublings of a timer at most; maxTimeout caps it anyway. */
const MAX_DOUBLINGS = 16;

function doublings(core: Core): number {
  return Math.min(MAX_DOUBLINGS, Math.max(0, core.failures - core.faults));
}

function scaled(core: Core, base: number): number {
  return Math.max(base, Math.min(core.config.timing.maxTimeout, base * (1 << doublings(core))));
}

/** How long the leader may build: half the leader timeout, halved again with every failing view. */
export function buildBudget(core: Core): number {
  return core.config.timing.leaderTimeout / 2 / (1 << doublings(core));
}

/** R1: sets the due time of the current view; called at entry and whenever one of its causes changes. */
export function updateDue(core: Core): void {
  const { timing, scheme } = core.config;
  if (scheme === "solo") {
    core.paused = !core.work;
    core.dueAt = core.now;
    return;
  }
  const round = roundOf(core, core.view);
  core.dueAt = Math.min(round.seenAt >= 0 ? round.seenAt : Number.POSITIVE_INFINITY, pacedDue(core, timing));
  core.dueAt = Math.max(core.dueAt, core.enteredAt);
}

function pacedDue(core: Core, timing: Core["config"]["timing"]): number {
  if (core.view > 1 && isNullified(core, core.view - 1)) return core.enteredAt;
  const choice = selectParent(core, core.view);
  if (choice.kind === "gap") return core.enteredAt;
  const seenAt = core.rounds.get(choice.view)?.seenAt ?? -1;
  if (seenAt < 0) return core.enteredAt;
  const busy = core.work || choice.view !== core.finalizedView;
  return seenAt + (busy ? timing.blockTime : timing.emptyBlockInterval);
}

/** When the leader is given up unless its vote was seen. */
export function leaderDeadline(core: Core): number {
  return core.dueAt + scaled(core, core.config.timing.leaderTimeout);
}

/** When the view is given up unless it is certified. */
export function certificationDeadline(core: Core): number {
  return core.dueAt + scaled(core, core.config.timing.certificationTimeout);
}

/** R1: whether the leader of the current view has been silent for so long that it is not waited for. */
export function leaderIsSilent(core: Core): boolean {
  const { timing, me, n } = core.config;
  const leader = leaderAt(core, core.view);
  const since = core.view - timing.skipTimeout;
  if (leader === undefined || leader === me || since < core.observedFrom) return false;
  if ((core.activeAt[leader] as number) >= since) return false;
  let active = 0;
  for (let signer = 0; signer < n; signer++) {
    if (signer === me || (core.activeAt[signer] as number) >= since) active++;
  }
  if (active < core.quorum) return false;
  const { tallies } = roundOf(core, core.view);
  return !(tallies.notarize.votes[leader] ?? tallies.nullify.votes[leader] ?? tallies.finalize.votes[leader]);
}

/** Arms the timer for the next thing that time alone decides. A later deadline than the armed one waits for its tick. */
export function arm(core: Core): void {
  if (core.config.scheme === "solo" || !core.started) return;
  const round = roundOf(core, core.view);
  let at = Math.min(core.retryAt, core.wantsAt, core.greetAt);
  if (core.now < core.dueAt) at = Math.min(at, core.dueAt);
  else if (round.mine.nullify === undefined) {
    const deadline = round.proposal === undefined ? leaderDeadline(core) : certificationDeadline(core);
    if (deadline > core.now) at = Math.min(at, deadline);
  }
  if (at >= core.timerAt) return;
  core.timerAt = at;
  emit(core, { type: "setTimer", at });
}
