// The ports of one life of a simulated process: journal, cryptography, execution, clock and network, each of which may
// be the last thing that the process does, and reports to the checkers.
import type { JournalRecord } from "#consensus/effects.ts";
import type { Driver } from "#node/consensus/driver.ts";
import type { ApplicationPort, DriverPorts } from "#node/consensus/ports.ts";
import type { Certificate } from "#types/certificate.ts";
import { createSimChain, type SimBody } from "./chain.ts";
import { Violation } from "./checkers.ts";
import { backup, createSimJournal } from "./disk.ts";
import type { LedgerHooks } from "./ledger.ts";
import { callBack, deliveredView, pulse, type Sim, type SimNode } from "./node.ts";
import type { Post } from "./post.ts";
import { digestNumber } from "./stand-in.ts";

/** A peer that was found out is cut off for this long, virtual ms. */
const BLOCK_MS = 5_000;
/** Virtual ms that a node far behind takes for one block. */
const BLOCK_COPY_MS = 0.2;

/** Runs something after so many ms of the node's own time, if the process still lives. */
type After = (ms: number, run: () => void) => void;

const wake = (driver: Driver<SimBody>): void => driver.wake();

/** What the driver of this life of `node` stands on. */
export function portsOf(sim: Sim, post: Post, node: SimNode): DriverPorts<SimBody> {
  const { life } = node;
  const alive = (): boolean => node.life === life;
  const after: After = (ms, run) => {
    sim.at(ms / node.rate, () => {
      if (alive()) sim.inside(node, callBack, run);
    });
  };
  const catchUp = catchUpOf(sim, node, after);
  return {
    ...(catchUp !== undefined && { catchUp }),
    journal: journalOf(sim, post, node),
    scheme: schemeOf(sim, node, after),
    application: applicationOf(sim, node, after),
    network: {
      send: (to, message) => post.send(node, to, message),
      sendBody: (to, body) => post.sendBody(node, to, body),
      requestBody: (to, digest) => post.requestBody(node, to, digest),
      block: (peer, reason) => {
        sim.tell?.(node.slot, `blocks ${peer}: ${reason}`);
        if (node.honest) sim.checkers.blocked(node.slot, peer);
        node.blockedUntil[peer] = sim.scheduler.now() + BLOCK_MS;
      },
    },
    clock: {
      now: () => sim.now(node),
      wall: () => sim.wall(node),
      alarm: (at) => {
        const token = ++node.alarm;
        // The drifting clock rounds: a hair later is never early.
        sim.scheduler.at((at - node.skew) / node.rate + 1e-6, () => {
          if (alive() && node.alarm === token) sim.inside(node, wake, undefined);
        });
      },
    },
    observer: {
      fault: (fault) => {
        sim.tell?.(node.slot, `reports ${fault.kind} of ${fault.signer} in view ${fault.first.view}`);
        node.accused.add(fault.signer);
        if (node.honest) sim.checkers.fault(node.slot, fault);
      },
      halted: (reason) => {
        sim.tell?.(node.slot, `halts: ${reason}`);
        if (node.honest) throw new Violation("L2", `node ${node.slot} halts: ${reason}`);
      },
    },
  };
}

/** What syncing does: takes the next final block from whoever has it, until the certificate's is there or nobody has more. */
function catchUpOf(sim: Sim, node: SimNode, after: After): DriverPorts<SimBody>["catchUp"] {
  if (!sim.options.catchUp || sim.ledger !== undefined) return undefined;
  return (height, done) => {
    const step = (): void => {
      const { blocks, heights } = node.chain;
      if (blocks.length >= height) {
        done();
        return;
      }
      pulse(node);
      const donor = sim.nodes.find(({ honest, chain }) => honest && chain.blocks.length > blocks.length);
      const next = donor?.chain.blocks[blocks.length];
      if (next === undefined) {
        done();
        return;
      }
      const last = blocks.at(-1)?.facts;
      if (node.honest)
        sim.checkers.delivered(node.slot, last?.height ?? 0, last?.digest ?? sim.genesis, next);
      blocks.push(next);
      heights.set(next.facts.digest, next.facts.height);
      after(BLOCK_COPY_MS, step);
    };
    after(BLOCK_COPY_MS, step);
  };
}

function journalOf(sim: Sim, post: Post, node: SimNode): DriverPorts<SimBody>["journal"] {
  return createSimJournal(node.journal, node.guard, {
    pulse: () => pulse(node),
    committed: (record) => {
      if (record.type === "certificate") {
        const { certificate } = record;
        sim.tell?.(node.slot, `holds ${certificate.kind} certificate of view ${certificate.view}`);
        if (certificate.kind === "finalize") announce(sim, post, node, certificate);
        if (sim.options.backups && sim.rng.chance(0.05)) node.copy = backup(node.journal);
      }
      strike(sim, node, record);
      const stored = record.type === "verdict" && node.journal.bodies.has(record.payload);
      if (node.honest) sim.checkers.committed(node.slot, record, stored);
    },
    acknowledgedView: () => deliveredView(node),
  });
}

/** A scenario's kill at the worst moment: right after this commit. */
function strike(sim: Sim, node: SimNode, record: JournalRecord): void {
  const { killOn } = sim.options;
  if (killOn === undefined || node.struck || sim.calm) return;
  const kind = record.type === "vote" ? record.vote.kind : record.type;
  if (kind !== killOn) return;
  node.struck = true;
  node.fuse = 0;
}

/** Followers hear of finalizations from whoever has them. */
function announce(sim: Sim, post: Post, node: SimNode, certificate: Certificate): void {
  if (!sim.options.follower || node.index >= sim.options.n) return;
  post.straight(node, sim.options.n, { type: "certificates", certificates: [certificate] });
}

function schemeOf(sim: Sim, node: SimNode, after: After): DriverPorts<SimBody>["scheme"] {
  const { n, cryptoTime } = sim.options;
  const base = sim.crypto.port(node.index < n ? node.index : undefined, (votes, subject) => {
    if (node.honest) sim.checkers.certificateFrom(votes, subject);
  });
  const { sign } = base;
  const signing = (subject: Parameters<typeof sign>[0]): void => {
    if (subject.kind === "notarize" && sim.leader(subject.view) === node.index)
      sim.checkers.proposed(node.index, subject);
    if (node.honest && node.driver !== undefined)
      sim.checkers.signing(node.slot, node.driver.core, subject, sim.wall(node));
  };
  if (cryptoTime === 0) {
    return {
      ...base,
      sign(subject, done) {
        signing(subject);
        sign(subject, done);
      },
    };
  }
  const later = (run: () => void): void => after(sim.rng.unit() * cryptoTime, run);
  return {
    ...base,
    sign(subject, done) {
      signing(subject);
      later(() => sign(subject, done));
    },
    recover: (subject, votes, done) => later(() => base.recover(subject, votes, done)),
    examine: (certificates, seeds, done) => later(() => base.examine(certificates, seeds, done)),
    examinePartial: (vote, done) => later(() => base.examinePartial(vote, done)),
  };
}

function applicationOf(sim: Sim, node: SimNode, after: After): ApplicationPort<SimBody> {
  const { buildTime, verifyTime, finalizeTime } = sim.options;
  const { rng } = sim;
  const factor = sim.options.slow?.slot === node.slot ? sim.options.slow.factor : 1;
  const spent = (ms: number): number => (ms === 0 ? 0 : ms * factor * (0.5 + rng.unit()));
  const hooks: LedgerHooks = {
    now: () => sim.now(node),
    pulse: () => pulse(node),
    after,
    buildTime: () => spent(buildTime),
    verifyTime: () => spent(verifyTime),
    finalizeTime: () => spent(finalizeTime),
    wall: () => sim.wall(node),
    salt: () => rng.u32(),
    finalized: (body) => {
      sim.tell?.(node.slot, `makes height ${body.facts.height} final (view ${body.facts.view})`);
      if (!node.honest) return;
      const last = node.chain.blocks.at(-1)?.facts;
      sim.checkers.delivered(node.slot, last?.height ?? 0, last?.digest ?? sim.genesis, body);
    },
    durable: () => {
      sim.traced(digestNumber(node.chain.blocks.at(-1)!.facts.digest));
      // Alone, a node makes one block each time it is told.
      if (sim.options.scheme === "solo") sim.at(sim.options.blockTime, () => sim.tellWork(node));
      else if (sim.ledger !== undefined) sim.at(0, () => sim.tellWork(node));
    },
  };
  const chain =
    sim.ledger?.boot(node.slot, node.chain, hooks) ?? createSimChain(node.chain, sim.genesis, hooks);
  return {
    ...chain,
    build: (request, done) =>
      chain.build(request, (body) => {
        const rogue = node.rogue;
        const made =
          body === undefined || rogue === undefined
            ? body
            : (node.adversary?.onBuild?.(rogue, request, body) ?? body);
        if (made !== undefined) sim.publish(made);
        sim.tell?.(
          node.slot,
          `builds on view ${request.context.parentView} for view ${request.context.view}`,
        );
        done(made);
      }),
  };
}
