// How a node that only follows finds more peers than it was told of: it asks those it is connected with, and dials whom
// they name. A record counts under its owner's signature; it is passed on only while its owner is connected, and an
// address only to those for whom it can mean the same machine. Members of the committee answer, and ask nobody.
import type { SocketAddress } from "#config/kind.ts";
import { type Identity, verifyIdentity } from "#crypto/identity.ts";
import { KoraError } from "#lib/error.ts";
import { type Reach, reachOf } from "#net/address.ts";
import type { Channel, ChannelSpec, FrameHandler, Transport } from "#net/types.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import {
  decodeExchange,
  encodeExchange,
  MAX_RECORDS,
  type PeerRecord,
  recordMessage,
} from "#types/peer-record.ts";
import type { Committee } from "./committee.ts";

/** Peers that a follower wants; beyond these it neither asks nor dials. */
const WANTED_PEERS = 8;
/** How often one that has fewer asks somebody. */
const ASK_MS = 10_000;
/** Peers whose last answers are kept until all that they named was dialled. */
const MAX_NAMERS = 64;
/** Seconds for which a record counts, and by which its clock may be ahead. */
const RECORD_SECONDS = 24 * 3_600;
const AHEAD_SECONDS = 600;

export interface ExchangeOptions {
  readonly transport: Transport;
  readonly spec: ChannelSpec;
  readonly committee: Committee;
  readonly identity: Identity;
  /** Where others can dial this node, if the operator says so. */
  readonly dialable: SocketAddress | undefined;
  readonly genesis: Hash;
}

/** Host and port of host:port with or without brackets. */
function placeOf(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
    port: Number(address.slice(colon + 1)),
  };
}

const seconds = (): number => Math.floor(Date.now() / 1000);

function isFresh({ time }: PeerRecord): boolean {
  const age = seconds() - time;
  return age <= RECORD_SECONDS && age >= -AHEAD_SECONDS;
}

/** This node's own record, where it is known, or listens, on an address that others can dial. */
function ownRecord({ transport, identity, dialable, genesis }: ExchangeOptions): PeerRecord | undefined {
  const places = dialable === undefined ? transport.listening().map(placeOf) : [dialable];
  const found = places.find(({ host }) => reachOf(host) !== undefined);
  if (found === undefined) return undefined;
  const { host, port } = found;
  const place = { key: identity.publicKey, host: host.toLowerCase(), port, time: seconds() };
  return { ...place, signature: identity.sign(recordMessage(genesis, place)) };
}

/** Who was named and not dialled yet. */
interface Book {
  /** Keeps what `from` named last. */
  put(from: IdentityKey, named: readonly PeerRecord[]): void;
  /** One of each who named some, in turn: whoever names a thousand false ones delays nobody else's. */
  take(): PeerRecord | undefined;
}

function createBook(): Book {
  /** By who named them; whose turn it is stands first. */
  const lists = new Map<IdentityKey, readonly PeerRecord[]>();
  return {
    put(from, named) {
      if (named.length === 0) lists.delete(from);
      else lists.set(from, named);
      const [oldest] = lists.keys();
      if (lists.size > MAX_NAMERS && oldest !== undefined) lists.delete(oldest);
    },
    take() {
      const [turn] = lists;
      if (turn === undefined) return undefined;
      const [from, [next, ...others]] = turn;
      lists.delete(from);
      if (others.length > 0) lists.set(from, others);
      return next;
    },
  };
}

/** Opens the channel on `transport`, which must not have started; disposing stops asking. */
export function startExchange(options: ExchangeOptions): Disposable {
  const { transport, spec, committee, genesis } = options;
  const follower = committee.me === undefined;
  /** Of connected peers that said where they are. */
  const records = new Map<IdentityKey, PeerRecord>();
  const book = createBook();
  const asked = new Set<IdentityKey>();
  let dialling = 0;

  const reachOfPeer = (peer: IdentityKey): Reach | undefined => {
    const found = transport.peers().find((each) => each.peer === peer);
    return found && reachOf(placeOf(found.address).host);
  };
  /** Whether a record's address means to `peer` what it means here. */
  function shared(record: PeerRecord, peer: IdentityKey): boolean {
    const [its, theirs] = [reachOf(record.host), reachOfPeer(peer)];
    return its !== undefined && theirs !== undefined && its >= theirs;
  }
  const isSigned = (record: PeerRecord): boolean =>
    verifyIdentity(record.key, recordMessage(genesis, record), record.signature);
  function answer(to: IdentityKey): void {
    const offered = [...records.values()].filter((record) => record.key !== to && shared(record, to));
    // Somebody else each time: where one begins in a circle is as good as a draw.
    const start = Math.floor(Math.random() * offered.length);
    const circle = [...offered.slice(start), ...offered.slice(0, start)];
    channel.send(to, encodeExchange({ type: "answer", records: circle.slice(0, MAX_RECORDS) }));
  }
  function learn(from: IdentityKey, named: readonly PeerRecord[]): void {
    const wanted = named.filter(
      (record) =>
        record.key !== transport.self &&
        !transport.isConnected(record.key) &&
        shared(record, from) &&
        isFresh(record),
    );
    if (wanted.every(isSigned)) book.put(from, wanted);
    else transport.report(from, "badSignature");
    dialMore();
  }
  const receive: FrameHandler = (from, frame) => {
    try {
      const message = decodeExchange(frame);
      if (message.type === "ask") {
        const { own: record } = message;
        if (record?.key === from && shared(record, from) && isFresh(record) && isSigned(record))
          records.set(from, record);
        answer(from);
      } else if (!asked.delete(from)) transport.report(from, "uselessReply");
      else if (follower) learn(from, message.records);
    } catch (error) {
      if (!(error instanceof KoraError && error.code === "BAD_ENCODING")) throw error;
      transport.report(from, "malformed");
    }
  };
  const channel: Channel = transport.open(spec, receive);

  function dialMore(): void {
    while (transport.peers().length + dialling < WANTED_PEERS) {
      const named = book.take();
      if (named === undefined) return;
      if (transport.isConnected(named.key)) continue;
      dialling++;
      const { key: peer, host, port } = named;
      void transport.dial({ host, port, peer }).finally(() => dialling--);
    }
  }
  function ask(peer: IdentityKey): void {
    asked.add(peer);
    channel.send(peer, encodeExchange({ type: "ask", own: ownRecord(options) }));
  }
  const asking = setInterval(() => {
    const peers = transport.peers();
    if (!follower || peers.length >= WANTED_PEERS) return;
    dialMore();
    const chosen = peers[Math.floor(Math.random() * peers.length)];
    if (chosen !== undefined) ask(chosen.peer);
  }, ASK_MS);
  const stop = transport.onPeer(({ kind, peer }) => {
    if (kind === "connected") {
      // A member leaves its address with everyone, and has no use for the answer.
      ask(peer);
      return;
    }
    records.delete(peer);
    asked.delete(peer);
  });
  return {
    [Symbol.dispose]() {
      clearInterval(asking);
      stop();
    },
  };
}
