// Between the transport and the consensus driver: frames become messages, keys become indices. What cannot be decoded
// is its sender's fault and costs it a while of silence; nothing a peer sends is thrown further.
import type { Blame } from "#consensus/effects.ts";
import { EVERYONE } from "#consensus/effects.ts";
import { assert } from "#lib/assert.ts";
import { refusesBytes } from "#lib/error.ts";
import type { Offence } from "#net/score.ts";
import type { Channel, FrameHandler, Transport } from "#net/types.ts";
import type { Driver } from "#node/consensus/driver.ts";
import type { Body, NetworkPort } from "#node/consensus/ports.ts";
import type { IdentityKey } from "#types/identity.ts";
import { decodeMessage, encodeMessage, type Message } from "#types/message.ts";
import type { Admit, Wary } from "./admission.ts";
import type { ChannelName, ChannelSpecs } from "./channels.ts";
import type { Committee } from "./committee.ts";
import { restAfter } from "./rest.ts";

/** Seconds for which a validator is not listened to that signed two things. */
const EQUIVOCATION_SECONDS = 600;
/** What the rest is called among peers. Never held against one for good: whoever repairs its node is welcome back. */
const OFFENCE_OF: Readonly<Record<Exclude<Blame, "equivocation">, Offence>> = {
  impersonation: "badSignature",
  badEnvelope: "badSignature",
  badPartial: "badSignature",
  badCertificate: "badSignature",
  wrongEpoch: "wrongChain",
};

const CHANNEL_OF: Readonly<Record<Message["type"], ChannelName>> = {
  vote: "votes",
  hello: "votes",
  echo: "votes",
  certificates: "certificates",
  request: "resolver",
  bodyRequest: "resolver",
  body: "blocks",
};

/** A body with the bytes it travels as. */
export interface WireBody extends Body {
  readonly bytes: Uint8Array;
}

export interface GatewayOptions<B extends WireBody> {
  readonly transport: Transport;
  readonly committee: Committee;
  readonly specs: ChannelSpecs;
  readonly maxBlockBytes: number;
  /** Which bodies are opened at all. */
  readonly admit: Admit;
  /** A received body, hashed; undefined when it is none. A promise where that takes long. */
  readonly decodeBody: (bytes: Uint8Array) => B | undefined | Promise<B | undefined>;
}

export interface Gateway<B extends WireBody> {
  readonly network: NetworkPort<B>;
  /** Gives the driver what arrives from now on. Once, before the transport starts. */
  attach(driver: Driver<B>): void;
}

/** How long a peer rests after a body that was opened warily, in times of what that took. */
const WARY_REST = 9;

/** How often it is looked whether it had a right to it, in milliseconds. */
const LOOK_MS = 10;

/** Rests after a body that was begun to be opened at `started`, unless its sender is cleared or it was none. */
async function rested(
  taken: boolean | Promise<boolean>,
  { cleared }: Wary,
  started: number,
): Promise<boolean> {
  const right = await taken;
  const now = performance.now();
  const end = now + restAfter(now - started, WARY_REST);
  while (right && !cleared() && performance.now() < end) await Bun.sleep(LOOK_MS);
  return right;
}

/** Whether a message was one; a promise while a body is opened, or its sender rests. */
type Sink<B extends Body> = (driver: Driver<B>, from: number, message: Message) => boolean | Promise<boolean>;

function deliver<B extends WireBody>(options: GatewayOptions<B>): Sink<B> {
  return (driver, from, message) => {
    switch (message.type) {
      case "body": {
        const take = (body: B | undefined): boolean => {
          if (body !== undefined) driver.body(from, body);
          return body !== undefined;
        };
        const admission = options.admit(driver, from, message.body);
        if (admission === "useless") return true;
        const started = performance.now();
        const body = options.decodeBody(message.body);
        const taken = body instanceof Promise ? body.then(take) : take(body);
        return admission === "open" ? taken : rested(taken, admission, started);
      }
      case "bodyRequest":
        driver.bodyRequest(from, message.digest);
        return true;
      default:
        driver.message(from, message);
        return true;
    }
  };
}

/** Opens the consensus channels on `transport`, which must not have started. */
export function createGateway<B extends WireBody>(options: GatewayOptions<B>): Gateway<B> {
  const { transport, committee, specs, maxBlockBytes } = options;
  const sink = deliver(options);
  let attached: Driver<B> | undefined;
  function blame(peer: IdentityKey, reason: Blame): void {
    if (reason === "equivocation") transport.block(peer, EQUIVOCATION_SECONDS, reason);
    else transport.report(peer, OFFENCE_OF[reason]);
  }

  const handler =
    (name: ChannelName): FrameHandler =>
    (from, frame) => {
      const index = committee.indexOf(from);
      if (index === undefined || attached === undefined) return undefined;
      const settle = (taken: boolean): void => {
        if (!taken) transport.report(from, "malformed");
      };
      try {
        const message = decodeMessage(frame, maxBlockBytes);
        const fits = CHANNEL_OF[message.type] === name;
        const taken = fits && sink(attached, index, message);
        return taken instanceof Promise ? taken.then(settle) : settle(taken);
      } catch (error) {
        if (!refusesBytes(error)) throw error;
        return settle(false);
      }
    };
  const open = (name: ChannelName): Channel => transport.open(specs[name], handler(name));
  const channels = {
    votes: open("votes"),
    certificates: open("certificates"),
    resolver: open("resolver"),
    blocks: open("blocks"),
  };
  function send(to: number, message: Message): void {
    const channel = channels[CHANNEL_OF[message.type] as keyof typeof channels];
    const frame = encodeMessage(message);
    if (to === EVERYONE) channel.broadcast(frame);
    else channel.send(committee.participants[to] as IdentityKey, frame);
  }
  return {
    network: {
      send,
      sendBody: (to, body) => send(to, { type: "body", body: body.bytes }),
      requestBody: (to, digest) => send(to, { type: "bodyRequest", digest }),
      block: (peer, reason) => blame(committee.participants[peer] as IdentityKey, reason),
    },
    attach(driver) {
      assert(attached === undefined, "a gateway serves one driver");
      attached = driver;
      transport.onPeer(({ kind, peer }) => {
        const index = committee.indexOf(peer);
        if (kind === "connected" && index !== undefined) driver.connected(index);
      });
    },
  };
}
