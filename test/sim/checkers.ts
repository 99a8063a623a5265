// The invariants S1-S12 and L1-L9, looked at from outside: an omniscient observer that every port of every honest node
// reports to. It never asks the code under test what is right.
import type { Fault, JournalRecord } from "#consensus/effects.ts";
import { MAX_WANTS } from "#consensus/resolver.ts";
import type { Core } from "#consensus/state.ts";
import { equalBytes } from "#lib/bytes.ts";
import type { Certificate } from "#types/certificate.ts";
import { type Hash, ZERO_HASH } from "#types/ids.ts";
import { MAX_CLOCK_AHEAD_SECONDS } from "#types/limits.ts";
import { quorumOf } from "#types/quorum.ts";
import type { Subject, Vote, VoteKind } from "#types/vote.ts";
import type { SimBody } from "./chain.ts";
import type { StandIn } from "./stand-in.ts";

export class Violation extends Error {
  override readonly name = "Violation";
  readonly rule: string;
  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.rule = rule;
  }
}

/** A node's own votes of one view. */
type OwnVotes = Record<VoteKind, Subject | undefined>;

interface ViewFacts {
  notarized: Certificate | undefined;
  nullified: boolean;
  nullification: Certificate | undefined;
  finalized: Certificate | undefined;
  /** Bodies the leader's key was asked to propose, by honest nodes' knowledge. */
  proposals: Set<Hash>;
  refused: boolean;
  seed: Uint8Array | undefined;
  /** prevrandao of a block on this view's (R13), once somebody asked. */
  childRandao: Hash | undefined;
  /** Votes that left honest nodes, by slot. */
  readonly votes: (OwnVotes | undefined)[];
}

export interface CheckerOptions {
  readonly n: number;
  readonly epoch: number;
  readonly honest: (index: number) => boolean;
  readonly crypto: StandIn;
  readonly seeded: boolean;
  readonly careless: boolean;
  readonly retention: number;
  readonly genesis: Hash;
}

export interface Checkers {
  /** A record is durable in the journal of an honest node. */
  committed(node: number, record: JournalRecord, bodyDurable: boolean): void;
  /** An honest node decided to sign. */
  signing(node: number, core: Core, subject: Subject, wall: number): void;
  /** A vote left an honest node. */
  sent(node: number, vote: Vote, durable: { vote: boolean; body: boolean }): void;
  /** A leader's notarize vote was made, by whoever holds that key. */
  proposed(signer: number, subject: Subject): void;
  body(body: SimBody): void;
  /** An honest application was asked to make this block final. */
  delivered(node: number, height: number, last: Hash, body: SimBody): void;
  certificateFrom(votes: readonly Vote[], subject: Subject): void;
  restarted(node: number, core: Core, fromBackup: boolean): void;
  stepped(node: number, core: Core): void;
  blocked(node: number, peer: number): void;
  fault(node: number, fault: Fault): void;
  acknowledged(node: number, core: Core, durableView: number): void;
  /** From `view` on, an honest leader's view must not be given up (L1). */
  calmFrom(view: number, leads: (view: number) => boolean): void;
  readonly views: Map<number, ViewFacts>;
  readonly chain: SimBody[];
  readonly faults: Set<number>;
  readonly blockedPeers: Set<number>;
}

/** Whether a certificate is one that was looked at before. */
function sameBytes(a: Certificate, b: Certificate): boolean {
  if (a === b) return true;
  return (
    a.payload === b.payload &&
    a.parentView === b.parentView &&
    a.epoch === b.epoch &&
    equalBytes(a.signature, b.signature) &&
    equalBytes(a.seed, b.seed)
  );
}

export function createCheckers(options: CheckerOptions): Checkers {
  const { n, honest, crypto } = options;
  const quorum = quorumOf(n);
  const views = new Map<number, ViewFacts>();
  const chain: SimBody[] = [];
  const bodies = new Map<Hash, SimBody>();
  /** Newest final view of each slot; a node that restarts is held to it. */
  const floors: number[] = [];
  const faults = new Set<number>();
  const blockedPeers = new Set<number>();
  let calm = Number.POSITIVE_INFINITY;
  let wellLed: (view: number) => boolean = () => false;

  function at(view: number): ViewFacts {
    let facts = views.get(view);
    if (facts === undefined) {
      facts = {
        notarized: undefined,
        nullified: false,
        nullification: undefined,
        finalized: undefined,
        proposals: new Set(),
        refused: false,
        seed: undefined,
        childRandao: undefined,
        votes: [],
      };
      views.set(view, facts);
    }
    return facts;
  }
  function fail(rule: string, what: string): never {
    throw new Violation(rule, what);
  }
  function certificate(node: number, c: Certificate): void {
    const facts = at(c.view);
    const held =
      c.kind === "notarize" ? facts.notarized : c.kind === "finalize" ? facts.finalized : facts.nullification;
    if (held !== undefined && sameBytes(held, c)) return;
    if (c.epoch !== options.epoch) fail("S8", `node ${node} took a certificate of epoch ${c.epoch}`);
    if (!crypto.certificateGood(c))
      fail("S8", `node ${node} took a forged ${c.kind} certificate of view ${c.view}`);
    if (facts.seed !== undefined && !equalBytes(facts.seed, c.seed))
      fail("S10", `two seeds in view ${c.view}`);
    facts.seed = c.seed;
    if (c.kind === "notarize") {
      if (facts.notarized !== undefined && facts.notarized.payload !== c.payload)
        fail("S2", `two notarizations in view ${c.view}`);
      if (facts.finalized !== undefined && facts.finalized.payload !== c.payload)
        fail("S5", `view ${c.view}`);
      facts.notarized ??= c;
    } else if (c.kind === "nullify") {
      facts.nullified = true;
      if (c.view >= calm && wellLed(c.view))
        fail("L1", `view ${c.view} of an honest leader was given up in peace`);
      facts.nullification = c;
    } else {
      if (facts.finalized !== undefined && facts.finalized.payload !== c.payload)
        fail("S1", `two finalizations in view ${c.view}`);
      if (facts.notarized?.payload !== c.payload) fail("S4", `view ${c.view} is final but not notarized`);
      if (facts.refused) fail("S9", `view ${c.view} was refused and is final`);
      facts.finalized ??= c;
    }
    if (facts.finalized !== undefined && facts.nullified)
      fail("S3", `view ${c.view} is finalized and nullified`);
  }
  function ownVotes(node: number, view: number): OwnVotes {
    const { votes } = at(view);
    let own = votes[node];
    if (own === undefined) {
      own = { notarize: undefined, nullify: undefined, finalize: undefined };
      votes[node] = own;
    }
    return own;
  }
  function checkNotarize(node: number, core: Core, vote: Subject, wall: number): void {
    const { view, parentView, payload } = vote;
    if (!at(view).proposals.has(payload))
      fail("R3", `node ${node} notarized what the leader of ${view} did not propose`);
    if (core.rounds.get(view)?.equivocated)
      fail("R3", `node ${node} notarized view ${view}, whose leader it saw equivocate`);
    if (parentView >= view) fail("S6", `node ${node} voted for a parent at ${parentView} in view ${view}`);
    for (let skipped = parentView + 1; skipped < view; skipped++) {
      if (core.rounds.get(skipped)?.certificates.nullify === undefined && skipped > core.finalizedView) {
        fail(
          "S6",
          `node ${node} voted in view ${view} for a parent in ${parentView}, but ${skipped} is not nullified`,
        );
      }
      if (skipped === core.finalizedView) fail("S6", `node ${node} voted to skip the final view ${skipped}`);
    }
    if (parentView > core.finalizedView) {
      const parent = core.rounds.get(parentView);
      if (parent?.certificates.notarize === undefined)
        fail("S9", `node ${node} voted on a parent that is not notarized`);
      if (parent.certification !== "certified")
        fail("S9", `node ${node} voted on a parent that it did not certify`);
    }
    const ahead = (bodies.get(payload)?.facts.timestamp ?? 0) - wall;
    if (ahead > MAX_CLOCK_AHEAD_SECONDS)
      fail("R3", `node ${node} voted for a block ${ahead} s ahead of its clock`);
    if (!options.careless) checkBody(node, vote);
  }
  /** R13, from the committee's own key. */
  function childRandao(view: number): Hash | undefined {
    if (view === 0) return crypto.randao(undefined);
    const facts = at(view);
    facts.childRandao ??= crypto.randao(
      crypto.certificate({
        kind: "nullify",
        epoch: options.epoch,
        view,
        parentView: 0,
        payload: ZERO_HASH,
      }).seed,
    );
    return facts.childRandao;
  }
  function checkBody(node: number, vote: Subject): void {
    const body = bodies.get(vote.payload);
    if (body === undefined) fail("R3", `node ${node} voted for a block that nobody made`);
    const { facts } = body;
    if (body.corrupt) fail("R3", `node ${node} voted for a block whose execution fails`);
    if (facts.epoch !== vote.epoch || facts.view !== vote.view || facts.parentView !== vote.parentView) {
      fail("R3", `node ${node} voted for a block whose extraData is wrong in view ${vote.view}`);
    }
    const parentDigest = vote.parentView === 0 ? options.genesis : at(vote.parentView).notarized?.payload;
    if (facts.parent !== parentDigest)
      fail("R3", `node ${node} voted for a block with another parent than view ${vote.parentView}`);
    const parentHeight = vote.parentView === 0 ? 0 : bodies.get(facts.parent)?.facts.height;
    if (parentHeight === undefined || facts.height !== parentHeight + 1)
      fail("R3", `node ${node} voted for a wrong height`);
    if (options.seeded && facts.prevRandao !== childRandao(vote.parentView))
      fail("R13", `node ${node} voted for a wrong prevrandao in view ${vote.view}`);
  }
  return {
    views,
    calmFrom(view, leads) {
      calm = view;
      wellLed = leads;
    },
    chain,
    faults,
    blockedPeers,
    committed(node, record, bodyDurable) {
      if (record.type === "certificate") certificate(node, record.certificate);
      else if (record.type === "verdict" && !record.valid) at(record.view).refused = true;
      else if (record.type === "verdict") {
        if (at(record.view).refused) fail("S9", `node ${node} certified what was refused`);
        if (!bodyDurable) fail("R15", `node ${node} certified view ${record.view} without its body`);
      }
    },
    signing(node, core, subject, wall) {
      const { view, kind } = subject;
      if (view <= core.finalizedView)
        fail("R17", `node ${node} signed in view ${view}, final ${core.finalizedView}`);
      if (kind === "notarize") checkNotarize(node, core, subject, wall);
      if (kind !== "finalize") return;
      const round = core.rounds.get(view);
      if (round?.certificates.notarize?.payload !== subject.payload)
        fail("R6", `node ${node} finalized without a notarization`);
      if (round.certification !== "certified") fail("R6", `node ${node} finalized what it did not certify`);
      if (round.equivocated) fail("R6", `node ${node} finalized an equivocator's block`);
      if (at(view).refused) fail("S9", `node ${node} finalized what was refused`);
    },
    sent(node, vote, durable) {
      if (vote.signer !== node) return;
      const own = ownVotes(node, vote.view);
      const before = own[vote.kind];
      if (!durable.vote)
        fail("R15", `node ${node} sent a ${vote.kind} of view ${vote.view} that is not durable`);
      if (before !== undefined) {
        if (before.payload !== vote.payload || before.parentView !== vote.parentView) {
          fail("S7", `node ${node} signed two ${vote.kind} votes in view ${vote.view}`);
        }
        return;
      }
      if (vote.kind !== "nullify" && !durable.body)
        fail("R15", `node ${node} sent a ${vote.kind} without a durable body`);
      if (vote.kind === "notarize" && own.nullify !== undefined)
        fail("R3", `node ${node} notarized view ${vote.view} after it nullified it`);
      if (vote.kind === "finalize" && own.nullify !== undefined)
        fail("S7", `node ${node} finalized view ${vote.view} after nullifying it`);
      if (vote.kind === "nullify" && own.finalize !== undefined)
        fail("S7", `node ${node} nullified view ${vote.view} after finalizing it`);
      own[vote.kind] = vote;
    },
    proposed(_signer, vote) {
      at(vote.view).proposals.add(vote.payload);
    },
    body(body) {
      bodies.set(body.facts.digest, body);
    },
    delivered(node, height, last, body) {
      const { facts } = body;
      if (facts.height !== height + 1 || facts.parent !== last)
        fail("S11", `node ${node} got height ${facts.height} after ${height}`);
      const known = chain[height];
      if (known !== undefined && known.facts.digest !== facts.digest)
        fail("S1", `node ${node} has another block ${facts.height}`);
      if (known !== undefined) return;
      if (body.corrupt && !options.careless) fail("R3", `a corrupt block is final at ${facts.height}`);
      const parentView = chain[height - 1]?.facts.view ?? 0;
      for (let skipped = parentView + 1; skipped < facts.view; skipped++) {
        if (!at(skipped).nullified)
          fail("S6", `final view ${facts.view} skips view ${skipped}, which is not nullified`);
        if (at(skipped).finalized !== undefined)
          fail("S6", `final view ${facts.view} skips the final view ${skipped}`);
      }
      chain[height] = body;
    },
    certificateFrom(votes, subject) {
      let signers = 0;
      let distinct = 0;
      for (const { signer } of votes) {
        const bit = 1 << signer;
        if ((signers & bit) === 0) distinct++;
        signers |= bit;
      }
      if (distinct < quorum) {
        const { kind, view } = subject;
        fail("S8", `${kind} certificate of view ${view} from ${distinct} of ${quorum} signers`);
      }
    },
    restarted(node, core, fromBackup) {
      if (fromBackup) floors[node] = core.finalizedView;
      const floor = floors[node] ?? 0;
      if (core.finalizedView < floor)
        fail("S12", `node ${node} restarted at ${core.finalizedView}, below its floor ${floor}`);
    },
    stepped(node, core) {
      if (core.finalizedView > (floors[node] ?? 0)) floors[node] = core.finalizedView;
      const round = core.rounds.get(core.view);
      if (round?.proposal !== undefined && round.mine.nullify === undefined && !round.equivocated) {
        const maySign =
          core.signFloor < core.view && core.echoes.size + 1 >= quorum && core.config.me !== undefined;
        const { parentView } = round.proposal;
        const wrong = parentView >= core.view || parentView < core.finalizedView;
        if (wrong && maySign)
          fail("R9", `node ${node} waits on a parent in ${parentView} in view ${core.view}`);
      }
      const top = Math.max(core.view, core.highestNotarized) + 1;
      const bound = top - Math.min(core.finalizedView, core.acknowledgedView) + options.retention + 8;
      if (core.rounds.size > bound)
        fail("L6", `node ${node} keeps ${core.rounds.size} rounds, at most ${bound}`);
      if (core.wants.size > MAX_WANTS) fail("L6", `node ${node} wants ${core.wants.size} certificates`);
    },
    blocked(node, peer) {
      if (honest(peer)) fail("L8", `node ${node} blocked the honest node ${peer}`);
      blockedPeers.add(peer);
    },
    fault(node, fault) {
      if (honest(fault.signer))
        fail("L8", `node ${node} accuses the honest node ${fault.signer} of ${fault.kind}`);
      if (!crypto.authentic(fault.first) || !crypto.authentic(fault.second))
        fail("L8", "evidence with a bad envelope");
      faults.add(fault.signer);
    },
    acknowledged(node, core, durableView) {
      if (core.acknowledgedView > durableView)
        fail("S11", `node ${node} acknowledged view ${core.acknowledgedView}, durable ${durableView}`);
    },
  };
}
