// The stand-in application: blocks with the header fields that consensus fixes, executed in memory, final ones on a disk
// that survives a kill. Execution takes the virtual time that the schedule says.
import type { BlockFacts } from "#consensus/header.ts";
import { MAX_BODY_BYTES } from "#node/consensus/bodies.ts";
import type { ApplicationPort, Body } from "#node/consensus/ports.ts";
import { type Hash, ZERO_HASH } from "#types/ids.ts";
import { digestNumber, digestOf, mix } from "./stand-in.ts";

/** A stand-in block. */
export interface SimBody extends Body {
  /** Execution gives another state than the header says. */
  readonly corrupt: boolean;
  readonly salt: number;
}

export const GENESIS: Hash = digestOf(0x6e516e51, 0x6e516e51);
export const GENESIS_FACTS: BlockFacts = {
  digest: GENESIS,
  parent: ZERO_HASH,
  height: 0,
  epoch: 0,
  view: 0,
  parentView: 0,
  prevRandao: ZERO_HASH,
  timestamp: 0,
};

/** So large that a node's memory holds few of them, and the rest must come from its journal, its chain or others. */
const BODY_BYTES: number = MAX_BODY_BYTES / 8;

/** A block whose digest covers all of it. */
export function makeBody(facts: Omit<BlockFacts, "digest">, corrupt: boolean, salt: number): SimBody {
  let a = mix(mix(digestNumber(facts.parent), facts.height), facts.view);
  a = mix(mix(mix(a, facts.parentView), facts.epoch), digestNumber(facts.prevRandao));
  a = mix(mix(mix(a, facts.timestamp), salt), corrupt ? 1 : 0);
  const { parent, height, epoch, view, parentView, prevRandao, timestamp } = facts;
  const digest = digestOf(a, mix(a, 0x51ed270b));
  const whole = { digest, parent, height, epoch, view, parentView, prevRandao, timestamp };
  return { facts: whole, size: BODY_BYTES, corrupt, salt };
}

/** What survives: final blocks by height. */
export interface ChainDisk {
  readonly blocks: SimBody[];
  readonly heights: Map<Hash, number>;
}

export function newChainDisk(genesis: Hash): ChainDisk {
  return { blocks: [], heights: new Map([[genesis, 0]]) };
}

export interface SimChainHooks {
  /** Called before anything the process could be killed at. */
  pulse(): void;
  /** Runs after `ms` of this node's time, if the process still lives. */
  after(ms: number, run: () => void): void;
  buildTime(): number;
  verifyTime(): number;
  finalizeTime(): number;
  wall(): number;
  salt(): number;
  finalized(body: SimBody): void;
  durable(body: SimBody): void;
}

export function createSimChain(
  disk: ChainDisk,
  genesis: Hash,
  hooks: SimChainHooks,
): ApplicationPort<SimBody> {
  const executed = new Map<Hash, number>();
  const known = (digest: Hash): number | undefined => executed.get(digest) ?? disk.heights.get(digest);
  const later = (ms: number, run: () => void): void => {
    if (ms <= 0) run();
    else hooks.after(ms, run);
  };
  return {
    build({ context, prevRandao, deadline: _, empty: __ }, done) {
      hooks.pulse();
      later(hooks.buildTime(), () => {
        const parentHeight = known(context.parent);
        if (parentHeight === undefined) {
          done(undefined);
          return;
        }
        const { parent, epoch, view, parentView } = context;
        const facts = {
          parent,
          height: parentHeight + 1,
          epoch,
          view,
          parentView,
          prevRandao: prevRandao ?? ZERO_HASH,
          timestamp: Math.floor(hooks.wall()),
        };
        const body = makeBody(facts, false, hooks.salt());
        executed.set(body.facts.digest, body.facts.height);
        done(body);
      });
    },
    verify(body, done) {
      hooks.pulse();
      const { digest, parent, height } = body.facts;
      if (known(digest) !== undefined) {
        done({ kind: "valid" });
        return;
      }
      if (known(parent) === undefined) {
        done({ kind: "missing", digest: parent });
        return;
      }
      later(hooks.verifyTime(), () => {
        if (body.corrupt) done({ kind: "invalid", reason: "state root" });
        else {
          executed.set(digest, height);
          done({ kind: "valid" });
        }
      });
    },
    finalize(body, _certificate, done) {
      hooks.pulse();
      hooks.finalized(body);
      later(hooks.finalizeTime(), () => {
        hooks.pulse();
        disk.blocks.push(body);
        disk.heights.set(body.facts.digest, body.facts.height);
        executed.delete(body.facts.digest);
        hooks.durable(body);
        done();
      });
    },
    tip() {
      const last = disk.blocks.at(-1);
      return last === undefined ? { digest: genesis, height: 0 } : last.facts;
    },
    heightOf: known,
    isFinal: (digest) => disk.heights.has(digest),
    body(digest) {
      const height = disk.heights.get(digest);
      return height === undefined || height === 0 ? undefined : disk.blocks[height - 1];
    },
    certifiedTip() {},
  };
}
