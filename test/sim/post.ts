// What simulated processes say to each other: out of one, through its adversary's hands and the links, into another. All
// that a process says at one moment to one peer travels together.
import type { CoreMessage } from "#consensus/events.ts";
import { assert } from "#lib/assert.ts";
import type { Driver } from "#node/consensus/driver.ts";
import type { Hash } from "#types/ids.ts";
import { decodeMessage, encodeMessage } from "#types/message.ts";
import type { Vote } from "#types/vote.ts";
import type { SimBody } from "./chain.ts";
import { Violation } from "./checkers.ts";
import { holdsVote } from "./disk.ts";
import type { Links } from "./network.ts";
import { type Parcel, pulse, type Sim, type SimNode } from "./node.ts";

export interface Post {
  /** A process sends; `to` an index, or -1 for every other validator. */
  send(node: SimNode, to: number, message: CoreMessage): void;
  sendBody(node: SimNode, to: number, body: SimBody): void;
  requestBody(node: SimNode, to: number, digest: Hash): void;
  /** Past the adversary: straight onto the wire. */
  straight(node: SimNode, to: number, message: CoreMessage): void;
  bodyTo(node: SimNode, to: number, body: SimBody): void;
  /** Lets go what the process has said. */
  flush(node: SimNode): void;
}

/** Hands a parcel to the driver that it reached. */
function hand(driver: Driver<SimBody>, parcel: Parcel): void {
  const { index } = parcel.from;
  if (parcel.type === "message") driver.message(index, parcel.message);
  else if (parcel.type === "body") driver.body(index, parcel.body);
  else driver.bodyRequest(index, parcel.digest);
}

/** The post between the nodes of `sim`; a slot hears nothing before its `deafUntil`. */
export function createPost(sim: Sim, links: Links, deafUntil: readonly number[]): Post {
  const { n, wire, follower, voteless } = sim.options;
  const indices = follower ? n + 1 : n;

  function send(node: SimNode, to: number, message: CoreMessage): void {
    pulse(node);
    if (message.type === "vote") voteLeaves(node, message.vote);
    const { rogue, adversary } = node;
    if (rogue === undefined || adversary?.onSend === undefined) {
      straight(node, to, message);
      return;
    }
    for (let peer = 0; peer < n; peer++) {
      if (peer === node.index || (to >= 0 && peer !== to)) continue;
      const changed = adversary.onSend(rogue, peer, message);
      if (changed !== undefined) straight(node, peer, changed);
    }
  }

  function voteLeaves(node: SimNode, vote: Vote): void {
    sim.tell?.(node.slot, `votes ${vote.kind} in view ${vote.view}`);
    if (sim.calm) node.spoken.add(vote.view);
    if (!node.honest || node.driver === undefined) return;
    const body = node.journal.bodies.has(vote.payload) || node.chain.heights.has(vote.payload);
    sim.checkers.sent(node.slot, vote, { vote: holdsVote(node.journal, vote), body });
  }

  function sendBody(node: SimNode, to: number, body: SimBody): void {
    pulse(node);
    const { rogue, adversary } = node;
    for (let peer = 0; peer < indices; peer++) {
      if (peer === node.index || (to >= 0 && peer !== to)) continue;
      if (rogue !== undefined && adversary?.onSendBody?.(rogue, peer, body) === false) continue;
      bodyTo(node, peer, body);
    }
  }

  function straight(node: SimNode, to: number, message: CoreMessage): void {
    let sent = message;
    if (wire) sent = decodeMessage(encodeMessage(message), 0) as CoreMessage;
    deliver(to, { from: node, type: "message", message: sent });
  }

  function receive(peer: SimNode, parcel: Parcel): void {
    const { from } = parcel;
    if (parcel.type === "body" && wire && sim.ledger !== undefined) {
      const body = sim.ledger.reopened(peer.slot, parcel.body);
      if (body !== undefined) sim.inside(peer, hand, { ...parcel, body });
      return;
    }
    if (parcel.type !== "message") {
      sim.inside(peer, hand, parcel);
      return;
    }
    const { message } = parcel;
    if (message.type === "vote" && peer.slot === voteless && !sim.calm) return;
    if (peer.rogue !== undefined && peer.driver !== undefined) {
      if (peer.adversary?.onReceive?.(peer.rogue, from.index, message) === false) return;
    }
    const proof = !from.honest && message.type === "vote" && isProof(peer, from.index, message.vote);
    const { life } = peer;
    sim.inside(peer, hand, parcel);
    if (proof && peer.life === life) expectCaught(peer, from.index);
  }

  /** Whether `peer`, once it has this vote, holds two of one signer that exclude each other. */
  function isProof(peer: SimNode, from: number, vote: Vote): boolean {
    if (!peer.honest || peer.driver === undefined || peer.index === from || vote.signer !== from)
      return false;
    return sim.crypto.authentic(vote) && peer.witness.hears(peer.driver.core, vote);
  }

  function expectCaught(peer: SimNode, signer: number): void {
    if (peer.accused.has(signer) && peer.blockedUntil[signer]! > sim.scheduler.now()) return;
    throw new Violation("L8", `node ${peer.slot} holds proof against ${signer} and does not act on it`);
  }

  function bodyTo(node: SimNode, to: number, body: SimBody): void {
    deliver(to, { from: node, type: "body", body });
  }

  /** Queues a parcel for everyone behind index `to` (-1: every other validator). */
  function deliver(to: number, parcel: Parcel): void {
    const node = parcel.from;
    assert(Number.isSafeInteger(to), "a message goes to an index, or to everyone");
    for (const peer of sim.nodes) {
      const meant = to >= 0 ? peer.index === to : peer.index < n && peer.index !== node.index;
      if (!meant || peer === node) continue;
      const parcels = node.outgoing[peer.slot];
      if (parcels === undefined) node.outgoing[peer.slot] = [parcel];
      else parcels.push(parcel);
      node.loaded = true;
    }
    if (!node.inside) flush(node);
  }

  /** What a process said at one moment to one peer travels together. */
  function flush(node: SimNode): void {
    if (!node.loaded) return;
    node.loaded = false;
    const { outgoing } = node;
    for (let slot = 0; slot < outgoing.length; slot++) {
      const parcels = outgoing[slot];
      if (parcels === undefined) continue;
      outgoing[slot] = undefined;
      dispatch(node, sim.nodes[slot]!, parcels);
    }
  }

  function dispatch(node: SimNode, peer: SimNode, parcels: readonly Parcel[]): void {
    const arrive = (): void => {
      const now = sim.scheduler.now();
      if (peer.blockedUntil[node.index]! > now || (deafUntil[peer.slot] ?? 0) > now) return;
      for (const parcel of parcels) receive(peer, parcel);
    };
    for (const delay of links.deliveries(node.slot, peer.slot)) sim.at(delay, arrive);
  }
  return {
    send,
    sendBody,
    requestBody(node, to, digest) {
      pulse(node);
      deliver(to, { from: node, type: "bodyRequest", digest });
    },
    straight,
    bodyTo,
    flush,
  };
}
