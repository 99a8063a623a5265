// What a Byzantine validator can do: it runs the honest code under its own key, and alters what goes out, says things
// of its own, and keeps quiet. It has no other key.
import type { CoreMessage } from "#consensus/events.ts";
import type { Core } from "#consensus/state.ts";
import type { BuildRequest } from "#node/consensus/ports.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Subject, Vote } from "#types/vote.ts";
import type { Rng } from "../../support/rng.ts";
import type { SimBody } from "../chain.ts";

export interface Rogue {
  readonly index: number;
  readonly n: number;
  readonly rng: Rng;
  readonly core: () => Core;
  /** A vote under the rogue's own key, with a good envelope. */
  vote(subject: Subject): Vote;
  /** Any vote of its own index sealed anew, whatever its partials. */
  seal(vote: Omit<Vote, "envelope">): Vote;
  /** A certificate of another epoch, which another committee with this key once made. */
  foreign(subject: Subject): Certificate;
  /** Straight onto the wire. */
  send(to: number, message: CoreMessage): void;
  sendBody(to: number, body: SimBody): void;
  /** A block on the same parent as `like`; `corrupt`: execution fails. */
  variant(like: SimBody, change: Partial<SimBody["facts"]>, corrupt: boolean): SimBody;
  /** Any block that was ever made. */
  bodyOf(digest: Hash): SimBody | undefined;
}

export interface Adversary {
  readonly name: string;
  /** Provable by two envelopes, so that it must be found out when it acts. */
  readonly provable: boolean;
  /** The rogue's second process with the same key, for twins. */
  readonly twin?: boolean;
  /** Each outgoing message, once per recipient; returns what goes instead. */
  onSend?(rogue: Rogue, to: number, message: CoreMessage): CoreMessage | undefined;
  onSendBody?(rogue: Rogue, to: number, body: SimBody): boolean;
  /** Before a built block is proposed. */
  onBuild?(rogue: Rogue, request: BuildRequest, body: SimBody): SimBody;
  /** Each incoming message; false: not handled. */
  onReceive?(rogue: Rogue, from: number, message: CoreMessage): boolean;
  /** Every now and then. */
  onIdle?(rogue: Rogue): void;
}
