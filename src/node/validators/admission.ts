// Which bodies are worth opening. Finding the senders of a full one costs a second of a core, so that whoever pushes
// bodies that nobody wants must not have them opened: only what was asked for, and what a view's leader pushes. Reads
// headers; that the rest is theirs, and whether the block is right, is judged later.
import { positionOf } from "#chain/header-rules.ts";
import { leaderAt } from "#consensus/state.ts";
import { headerHash } from "#crypto/digest.ts";
import type { Driver } from "#node/consensus/driver.ts";
import type { Body } from "#node/consensus/ports.ts";
import { decodeHeaderOfBlock } from "#types/block.ts";

/** Views ahead of this node's own whose bodies are of use soon; beyond them they are asked for when their time comes. */
const VIEWS_AHEAD = 8;

/** To be opened, and then the sender rests, since it may have no right to push it. */
export interface Wary {
  /** Whether it has turned out that it had. */
  readonly cleared: () => boolean;
}

/** To be opened; to be opened warily; not of use, which is no fault: an answer may come after another one. */
export type Admission = "open" | "useless" | Wary;

/** Nothing ever speaks for it. */
const NEVER: Wary = { cleared: () => false };

/** What the admission of bodies asks the driver. */
export type AskedDriver = Pick<Driver<Body>, "core" | "bodyState">;

/** Judges the wire form of a body from validator `from`; throws BAD_RLP for one that has no header. */
export type Admit = (driver: AskedDriver, from: number, body: Uint8Array) => Admission;

/** The admission of bodies on a chain. */
export function createAdmission(): Admit {
  /** The highest view for which each validator pushed a body as its leader. */
  const led = new Map<number, number>();
  return ({ core, bodyState }, from, body) => {
    const header = decodeHeaderOfBlock(body);
    const state = bodyState(headerHash(header));
    if (state === "awaited") return "open";
    const { view } = positionOf(header);
    if (state === "held" || view <= core.finalizedView || view > core.view + VIEWS_AHEAD) return "useless";
    const leader = leaderAt(core, view);
    // An honest one was ahead of this node, which soon learns of it; it may lead again before a rest has ended.
    if (leader === undefined) return { cleared: () => leaderAt(core, view) === from };
    if (leader !== from) return "useless";
    // A second body is no fault, and no reason to drop everything either; an honest leader's views only rise.
    if (view <= (led.get(from) ?? 0)) return NEVER;
    led.set(from, view);
    return "open";
  };
}
