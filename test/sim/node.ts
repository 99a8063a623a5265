// One simulated process: what survives its deaths, the life it is in, what it is about to send; and what its parts need
// of the world around it.
import type { CoreMessage } from "#consensus/events.ts";
import type { Timing } from "#consensus/state.ts";
import type { Driver } from "#node/consensus/driver.ts";
import type { Hash } from "#types/ids.ts";
import type { Rng } from "../support/rng.ts";
import type { Adversary, Rogue } from "./adversaries/types.ts";
import type { ChainDisk, SimBody } from "./chain.ts";
import type { Checkers } from "./checkers.ts";
import type { GuardDisk, JournalDisk } from "./disk.ts";
import type { Scheduler } from "./heap.ts";
import type { Ledger } from "./ledger.ts";
import type { Options } from "./options.ts";
import type { StandIn } from "./stand-in.ts";
import type { Witness } from "./witness.ts";

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

/** Thrown out of a port to end a simulated process at that very effect. */
class Killed extends Error {}
export const KILLED: Error = new Killed();

export interface SimNode {
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
export type Parcel = { readonly from: SimNode } & (
  | { readonly type: "message"; readonly message: CoreMessage }
  | { readonly type: "body"; readonly body: SimBody }
  | { readonly type: "bodyRequest"; readonly digest: Hash }
);

/** Says what a node did; -1: the network. */
export type Tell = (node: number, what: string) => void;

/** The world, as the parts of a process see it. */
export interface Sim {
  readonly options: Options;
  readonly scheduler: Scheduler;
  readonly checkers: Checkers;
  readonly nodes: readonly SimNode[];
  readonly rng: Rng;
  readonly crypto: StandIn;
  readonly ledger: Ledger | undefined;
  readonly genesis: Hash;
  /** Undefined when nobody listens, so that nothing is spelled out in vain. */
  readonly tell: Tell | undefined;
  /** Phase two. */
  readonly calm: boolean;
  /** Runs `run` after `delay` virtual ms. */
  at(delay: number, run: () => void): void;
  /** The node's clocks: monotonic ms, and seconds since the epoch. */
  now(node: SimNode): number;
  wall(node: SimNode): number;
  /** Runs `act` inside the node's process; what it is killed in is lost. */
  inside<T>(node: SimNode, act: (driver: Driver<SimBody>, given: T) => void, given: T): void;
  /** The true leader of a view, from the committee's own key. */
  leader(view: number): number;
  /** A body that somebody made, and where such are found again. */
  publish(body: SimBody): void;
  published(digest: Hash): SimBody | undefined;
  /** Becomes part of the schedule's trace. */
  traced(value: number): void;
  /** Tells the node whether transactions wait. */
  tellWork(node: SimNode): void;
}

/** Something a process could be killed at is about to happen. */
export function pulse(node: SimNode): void {
  if (node.fuse < 0) return;
  if (node.fuse-- === 0) throw KILLED;
}

/** View of the newest block on the node's disk. */
export function deliveredView({ chain: { blocks } }: SimNode): number {
  return blocks.length === 0 ? 0 : blocks[blocks.length - 1]!.facts.view;
}

/** For `inside`: what is to be run is what is given. */
export const callBack = (_driver: Driver<SimBody>, run: () => void): void => run();
