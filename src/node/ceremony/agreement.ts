// C4: agreement on the set of logs, as one instance of the consensus core among the dealers. Its "chain" starts at the
// ceremony's id; the block at height 1 is a set of logs, blocks above are empty and only help it to become final. The
// first final set is the set. Synchronous: clock, journal and network are ports, so that simulations run this file.

import type { CoreMessage } from "#consensus/events.ts";
import { DEFAULT_TIMING, type Timing } from "#consensus/state.ts";
import type { Ceremony } from "#crypto/dkg/ceremony.ts";
import { createLru } from "#lib/bounded.ts";
import { decodeWhole, type Reader, Writer } from "#lib/codec.ts";
import { createDriver } from "#node/consensus/driver.ts";
import type { ApplicationPort, Body, ClockPort, JournalPort, NetworkPort } from "#node/consensus/ports.ts";
import { MAX_LOG_SET_BYTES } from "#types/ceremony.ts";
import { bytesOf, type Hash, hash, ZERO_HASH } from "#types/ids.ts";
import { decodeMessage, encodeMessage, type Message } from "#types/message.ts";
import { createVotes } from "./votes.ts";

/** A proposal: a set of logs in its place; empty above height 1. */
export interface SetBody extends Body {
  readonly bytes: Uint8Array;
  readonly set: Uint8Array;
}

/** Bytes of a proposal beside its set. */
const PLACE_BYTES = 8 + 8 + 32 + 8 + 4;
/** Bytes of an agreement message at most: a body with its tag and length. */
export const MAX_AGREEMENT_MESSAGE_BYTES: number = PLACE_BYTES + MAX_LOG_SET_BYTES + 16;
/** Proposals whose height is remembered; views that end without agreement add to them. */
const MAX_KNOWN = 256;
const DAY_MS = 24 * 60 * 60 * 1_000;

/** Slower than a chain's: a proposal carries many signatures and shares to check. After agreement nothing is built. */
export const AGREEMENT_TIMING: Timing = {
  ...DEFAULT_TIMING,
  leaderTimeout: 2_000,
  certificationTimeout: 4_000,
  timeoutRetry: 1_000,
  blockTime: 100,
  emptyBlockInterval: DAY_MS,
};

export interface AgreementPorts {
  readonly ceremony: Ceremony;
  readonly journal: JournalPort<SetBody>;
  readonly clock: ClockPort;
  readonly timing: Timing;
  /** To a dealer by its index, or to all of them with -1. */
  send(to: number, bytes: Uint8Array): void;
  agreed(set: Uint8Array): void;
  /** A dealer was caught voting twice; by index. */
  twoVotes(dealer: number): void;
  halted(reason: string): void;
}

export interface Agreement {
  /** Takes part from now on; before, only a first message makes it. Repeats do nothing. */
  start(): void;
  /** The ceremony has a set to propose, or a better one. */
  candidate(): void;
  /** Bytes from dealer `from`. False if they are no message. */
  message(from: number, bytes: Uint8Array): boolean;
  connected(dealer: number): void;
  /** The alarm went off. */
  wake(): void;
}

/** Where a proposal stands. */
type Place = Pick<SetBody["facts"], "view" | "parentView" | "parent" | "height">;

/** A proposal from its parts, with its digest. */
function makeBody(ceremony: Ceremony, place: Place, set: Uint8Array): SetBody {
  const writer = new Writer(PLACE_BYTES + set.length).u64(place.view).u64(place.parentView);
  const bytes = writer.raw(bytesOf(place.parent)).u64(place.height).bytes(set).finish();
  const digest = hash(ceremony.rules.domain.proposalHash(bytes));
  return {
    bytes,
    set,
    size: bytes.length,
    facts: { ...place, digest, epoch: 0, prevRandao: ZERO_HASH, timestamp: 0 },
  };
}

function readPlace(reader: Reader): Place {
  return {
    view: reader.u64(),
    parentView: reader.u64(),
    parent: hash(reader.raw(32)),
    height: reader.u64(),
  };
}

/** Inverse of the above; throws BAD_ENCODING. */
export function decodeBody(ceremony: Ceremony, bytes: Uint8Array): SetBody {
  const { place, set } = decodeWhole(bytes, (reader) => ({
    place: readPlace(reader),
    set: reader.bytes(MAX_LOG_SET_BYTES),
  }));
  return makeBody(ceremony, place, set);
}

interface Received {
  readonly message: Message;
  readonly body: SetBody | undefined;
}

function decode(ceremony: Ceremony, bytes: Uint8Array): Received | undefined {
  try {
    const message = decodeMessage(bytes, PLACE_BYTES + MAX_LOG_SET_BYTES);
    return { message, body: message.type === "body" ? decodeBody(ceremony, message.body) : undefined };
  } catch {
    return undefined;
  }
}

interface Application extends ApplicationPort<SetBody> {
  /** A leader's turn that waits for a candidate goes on. */
  candidate(): void;
}

function createApplication(ports: AgreementPorts): Application {
  const { ceremony } = ports;
  const genesis = ceremony.rules.domain.id;
  const heights = createLru<Hash, number>(MAX_KNOWN);
  const finals = createLru<Hash, true>(MAX_KNOWN);
  let tip = { digest: genesis, height: 0 };
  let waiting: (() => boolean) | undefined;
  // What the journal holds was verified before a crash.
  const heightOf = (digest: Hash): number | undefined =>
    digest === genesis ? 0 : (heights.get(digest) ?? ports.journal.body(digest)?.facts.height);
  return {
    tip: () => tip,
    isFinal: (digest) => digest === genesis || finals.has(digest),
    heightOf,
    body: () => undefined,
    certifiedTip: () => {},
    candidate() {
      if (waiting?.() === true) waiting = undefined;
    },
    build({ context }, done) {
      const height = (heightOf(context.parent) ?? 0) + 1;
      const attempt = (): boolean => {
        const set = height === 1 ? ceremony.candidate() : new Uint8Array(0);
        if (set === undefined) return false;
        const body = makeBody(ceremony, { ...context, height }, set);
        heights.set(body.facts.digest, height);
        done(body);
        return true;
      };
      // Without a candidate the turn is not given up at once: a log may come before the others' timers end it.
      waiting = attempt() ? undefined : attempt;
    },
    verify(body, done) {
      const { digest, parent, height } = body.facts;
      const under = heightOf(parent);
      if (under === undefined) {
        done({ kind: "missing", digest: parent });
        return;
      }
      const right = height === 1 ? ceremony.validate(body.set).kind === "valid" : body.set.length === 0;
      if (!right || height !== under + 1) {
        done({ kind: "invalid", reason: "not a valid set of logs" });
        return;
      }
      heights.set(digest, height);
      done({ kind: "valid" });
    },
    finalize(body, _certificate, done) {
      const { digest, height } = body.facts;
      tip = { digest, height };
      finals.set(digest, true);
      if (height === 1) ports.agreed(body.set);
      done();
    },
  };
}

/** This node's part in the agreement of `ceremony`'s dealers; one that does not deal only follows. */
export function createAgreement(ports: AgreementPorts): Agreement {
  const { ceremony, journal, clock, timing } = ports;
  const { rules } = ceremony;
  const application = createApplication(ports);
  const network: NetworkPort<SetBody> = {
    send: (to, message) => ports.send(to, encodeMessage(message)),
    sendBody: (to, body) => ports.send(to, encodeMessage({ type: "body", body: body.bytes })),
    requestBody: (to, digest) => ports.send(to, encodeMessage({ type: "bodyRequest", digest })),
    block: () => {},
  };
  const driver = createDriver<SetBody>(
    {
      epoch: 0,
      n: rules.info.dealers.length,
      me: rules.dealer,
      scheme: "identity",
      genesis: rules.domain.id,
      timing,
    },
    {
      journal,
      scheme: createVotes(rules),
      application,
      network,
      clock,
      observer: { fault: (fault) => ports.twoVotes(fault.signer), halted: ports.halted },
    },
  );
  let started = false;
  function start(): void {
    if (started) return;
    started = true;
    driver.start();
  }
  return {
    start,
    candidate() {
      start();
      application.candidate();
    },
    message(from, bytes) {
      const received = decode(ceremony, bytes);
      if (received === undefined) return false;
      start();
      const { message, body } = received;
      if (body !== undefined) driver.body(from, body);
      else if (message.type === "bodyRequest") driver.bodyRequest(from, message.digest);
      else driver.message(from, message as CoreMessage);
      return true;
    },
    connected(dealer) {
      if (started) driver.connected(dealer);
    },
    wake() {
      if (started) driver.wake();
    },
  };
}
