// L1: once nothing but the network was ever in the way and that is over, every honest leader succeeds, and nobody's
// voice is missing.
import { Violation } from "./checkers.ts";
import { deliveredView, SIM_TIMING, type Sim, type SimNode } from "./node.ts";

/** A node whose chain ends this close below the highest view has caught up. */
const CAUGHT_UP_VIEWS = 4;
/** Slower disks keep up with nobody. */
const MAX_FINALIZE_MS = 5;
/** Virtual ms that peace waits for those who catch up, and between two looks at them. */
const CATCH_UP_MS = 5_000;
const CATCH_UP_STEP_MS = 20;

export interface Peace {
  /**
   * Peace begins once everybody holds the chain: a block's parent must be executed before one can lead or vote (R3, R4,
   * R8). Who needs longer, because it fetches a long chain body by body, must get there (L2) and is not judged on the
   * way. `begun` is told the highest view by then.
   */
  expect(begun: (highest: number) => void): void;
  /** At the end: nobody's voice was missing, or the skip of silent leaders would excuse it for ever. */
  expectVoices(): void;
}

/** Whether nothing else can keep an honest leader from succeeding in peace: fast execution, everybody honest. */
export function onlyTheNetwork({ options }: Sim): boolean {
  const { byzantine, backups, careless, short, slow, drift, emptyInterval } = options;
  if (byzantine.size > 0 || backups || careless || short || slow !== undefined) return false;
  const { buildTime, verifyTime, finalizeTime, cryptoTime } = options;
  // Chains that end far below what is final never count as level.
  if (finalizeTime > MAX_FINALIZE_MS) return false;
  return buildTime + verifyTime + cryptoTime + drift * emptyInterval <= 20;
}

/** Honest validators that are meant to be there. */
function membersOf({ options, nodes }: Sim): SimNode[] {
  const { n, absent, absentForever } = options;
  return nodes.filter(({ index, honest }) => honest && index < n && !(absentForever && absent.has(index)));
}

/** The judge of a schedule's phase two, which begins now. */
export function createPeace(sim: Sim): Peace {
  const patience = sim.scheduler.now() + CATCH_UP_MS;
  let from: number | undefined;
  let members: readonly SimNode[] = [];

  function expect(begun: (highest: number) => void): void {
    const highest = Math.max(...sim.nodes.map((node) => node.driver?.core.view ?? 0));
    const all = membersOf(sim);
    const level = all.filter((node) => {
      const view = node.driver?.core.view ?? -1;
      return view >= highest - 1 && deliveredView(node) >= highest - CAUGHT_UP_VIEWS;
    });
    if (level.length < all.length && sim.scheduler.now() < patience) {
      sim.at(CATCH_UP_STEP_MS, () => expect(begun));
      return;
    }
    members = level;
    // The next view is still paced by a parent that was first seen, here early and there late, before there was peace.
    from = highest + 2;
    begun(highest);
    // R1 lets a leader be skipped of which nothing arrived for skipTimeout views; the newest may be on their way.
    sim.checkers.calmFrom(from, (view) => {
      const leader = level.find(({ index }) => index === sim.leader(view));
      if (leader === undefined) return false;
      for (let at = view - SIM_TIMING.skipTimeout; at < view - 2; at++)
        if (leader.spoken.has(at)) return true;
      return false;
    });
  }
  return {
    expect,
    expectVoices() {
      // Where execution takes as long as a view, who fell behind gets level slowly, and views go on without it.
      const { n, verifyTime } = sim.options;
      if (from === undefined || n === 1 || verifyTime > 1) return;
      for (const { slot, spoken } of members) {
        let heard = false;
        for (const view of spoken) heard ||= view >= from;
        if (!heard) throw new Violation("L1", `node ${slot} signed nothing in peace, from view ${from} on`);
      }
    },
  };
}
