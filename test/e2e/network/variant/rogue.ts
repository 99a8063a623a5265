// What a Byzantine validator can do on a real network: it runs the product's node under its own key and share, alters
// what goes out on the wire, says things of its own, and keeps quiet. It has nobody else's key.
import { headerHash } from "#crypto/digest.ts";
import type { Identity } from "#crypto/identity.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import { createLru } from "#lib/bounded.ts";
import type { Channel, ChannelSpec, FrameHandler, Transport } from "#net/types.ts";
import { createThresholdVotes } from "#node/validators/votes.ts";
import { decodeBlock, encodeBlock } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import { DEFAULT_MAX_BLOCK_BYTES } from "#types/limits.ts";
import { decodeMessage, encodeMessage, type Message } from "#types/message.ts";
import type { Subject, Vote } from "#types/vote.ts";
import { createRng, type Rng } from "../../../support/rng.ts";
import type { Act } from "./acts.ts";

/** A body and what it is called. */
export interface RogueBody {
  readonly digest: Hash;
  readonly header: Header;
  readonly bytes: Uint8Array;
}

export interface Rogue {
  readonly index: number;
  readonly n: number;
  readonly rng: Rng;
  /** A vote under the rogue's own key and share. */
  vote(subject: Subject): Vote;
  /** Writes down what was done to a peer, if it is there for that. */
  did(to: number, what: string): void;
  /** Straight onto the wire. */
  send(to: number, message: Message): void;
  /** Any bytes on any channel. */
  sendRaw(to: number, channel: string, frame: Uint8Array): void;
  readonly channels: () => readonly string[];
  bodyOf(bytes: Uint8Array): RogueBody;
  /** The same block with another header, to be asked for from now on. */
  variant(body: RogueBody, change: (header: Header) => Header): RogueBody;
  /** Whether the block was built here: nobody sent it. */
  isOwn(digest: Hash): boolean;
}

export interface Conduct {
  /** Each outgoing consensus message, once per recipient; answers what goes instead. */
  onSend?(rogue: Rogue, to: number, message: Message): readonly Message[];
  /** Each outgoing frame of the other channels; false: it does not go. */
  onSendRaw?(rogue: Rogue, to: number, channel: string, frame: Uint8Array): boolean;
  /** Each incoming consensus message. */
  onReceive?(rogue: Rogue, from: number, message: Message): void;
  /** Every few milliseconds. */
  onIdle?(rogue: Rogue): void;
}

const IDLE_MS = 10;
/** Blocks of others, and own variants, that are remembered. */
const MEMORY = 1_024;
const CONSENSUS = new Set(["votes", "certificates", "resolver", "blocks"]);
const CHANNEL_OF: Readonly<Record<Message["type"], string>> = {
  ...{ vote: "votes", hello: "votes", echo: "votes", certificates: "certificates" },
  ...{ request: "resolver", bodyRequest: "resolver", body: "blocks" },
};
/** No quota of the rogue's own holds it back. */
const UNLIMITED = { bytesPerSecond: 1e9, messagesPerSecond: 1e6 } as const;

export interface RogueParts {
  readonly scheme: ThresholdScheme;
  readonly identity: Identity;
  readonly genesis: Hash;
  readonly seed: number;
  readonly act: Act;
}

/** `inner` as a validator of this conduct uses it. */
export function misbehaving(inner: Transport, conduct: Conduct, parts: RogueParts): Transport {
  const { scheme, identity, genesis, seed, act } = parts;
  const participants = scheme.participants();
  const port = createThresholdVotes(scheme, identity, genesis);
  const channels = new Map<string, Channel>();
  const others = createLru<Hash, true>(MEMORY);
  const variants = createLru<Hash, RogueBody>(MEMORY);
  const keyOf = (to: number): IdentityKey => participants[to] as IdentityKey;
  const rogue: Rogue = {
    index: scheme.index ?? 0,
    n: participants.length,
    rng: createRng(seed),
    vote(subject) {
      let made: Vote | undefined;
      port.sign(subject, (vote) => {
        made = vote;
      });
      if (made === undefined) throw new Error("signing is synchronous");
      return made;
    },
    did(to, what) {
      if (inner.isConnected(keyOf(to))) act(what);
    },
    send: (to, message) => rogue.sendRaw(to, CHANNEL_OF[message.type], encodeMessage(message)),
    sendRaw: (to, channel, frame) => void channels.get(channel)?.send(keyOf(to), frame),
    channels: () => [...channels.keys()],
    bodyOf(bytes) {
      const { header } = decodeBlock(bytes);
      return { digest: headerHash(header), header, bytes };
    },
    variant({ bytes }, change) {
      const { header: old, transactions } = decodeBlock(bytes);
      const header = change(old);
      const made = { digest: headerHash(header), header, bytes: encodeBlock({ header, transactions }) };
      variants.set(made.digest, made);
      return made;
    },
    isOwn: (digest) => !others.has(digest),
  };

  function leave(to: number, spec: ChannelSpec, frame: Uint8Array): void {
    if (!CONSENSUS.has(spec.name)) {
      if (conduct.onSendRaw?.(rogue, to, spec.name, frame) ?? true) rogue.sendRaw(to, spec.name, frame);
      return;
    }
    const message = decodeMessage(frame, DEFAULT_MAX_BLOCK_BYTES);
    for (const said of conduct.onSend?.(rogue, to, message) ?? [message]) rogue.send(to, said);
  }
  function arrive(from: number, frame: Uint8Array): boolean {
    const message = decodeMessage(frame, DEFAULT_MAX_BLOCK_BYTES);
    if (message.type === "body") others.set(rogue.bodyOf(message.body).digest, true);
    conduct.onReceive?.(rogue, from, message);
    const asked = message.type === "bodyRequest" ? variants.get(message.digest) : undefined;
    if (asked !== undefined) rogue.send(from, { type: "body", body: asked.bytes });
    return asked === undefined;
  }
  function open(spec: ChannelSpec, handler: FrameHandler): Channel {
    const heard: FrameHandler = (from, frame) => {
      const index = participants.indexOf(from);
      if (index < 0 || !CONSENSUS.has(spec.name) || arrive(index, frame)) return handler(from, frame);
    };
    const channel = inner.open({ ...spec, outbound: UNLIMITED }, heard);
    channels.set(spec.name, channel);
    const sendTo = (key: IdentityKey, frame: Uint8Array): void => {
      const to = participants.indexOf(key);
      if (to < 0) channel.send(key, frame);
      else leave(to, spec, frame);
    };
    return {
      spec,
      send(to, frame) {
        sendTo(to, frame);
        return inner.isConnected(to) ? "queued" : "absent";
      },
      broadcast(frame) {
        const peers = inner.peers();
        for (const { peer } of peers) sendTo(peer, frame);
        return peers.length;
      },
      drained: (to, signal) => channel.drained(to, signal),
    };
  }
  const idle = setInterval(() => conduct.onIdle?.(rogue), IDLE_MS);
  idle.unref();
  return new Proxy(inner, {
    get(target, name) {
      if (name === "open") return open;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
