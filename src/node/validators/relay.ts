// Transactions between nodes. Members of the committee send what is new straight to one another, and again only what
// waits long: between them gossip of the same batches cost 2.0 times the CPU with four members and 3.4 times with eight
// (test/bench/network/relay.ts), and agreement must not wait for a mesh to form. Everybody else gossips, and each member
// joins the two. A peer's transaction is judged before it is passed on; pools differ, so most refusals are no fault.
import { BLOB_TRANSACTION_TYPE } from "#chain/blob-sidecar.ts";
import type { LedgerService } from "#chain/service.ts";
import { createLru } from "#lib/bounded.ts";
import { KoraError } from "#lib/error.ts";
import type { Offence } from "#net/score.ts";
import type { ChannelSpec, MessageJudge, TopicSpec, Transport } from "#net/types.ts";
import { BATCH_BYTES, decodeTransactions, encodeTransactions, MAX_BATCH_TRANSACTIONS } from "#types/batch.ts";
import type { IdentityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import type { Committee } from "./committee.ts";
import { createReminder, REMINDER_TICK_MS } from "./reminder.ts";
import { restAfter } from "./rest.ts";

/**
 * Milliseconds for which a batch waits for company: the first after a pause leaves soon, under load they go out at a
 * slower beat, since a batch costs more than what is in it.
 */
const FIRST_MS = 5;
const BEAT_MS = 40;
/** The beat of what members gossip to those who only follow. */
const GOSSIP_BEAT_MS = 100;
/** Hashes of passed-on transactions that are remembered. */
const MAX_SEEN = 65_536;
/** Transactions judged at a stretch: between two of these others get their turn, and the offences are looked at. */
const PIECE = 128;

/** Refusals that an honest peer does not cause, since it would have refused as well. */
const PROOF: ReadonlySet<string> = new Set(["MALFORMED", "INVALID_SENDER", "OVERSIZED"]);
/** Refusals that say more of the transaction than of this pool: who relays many of these checks nothing. */
const DOUBT: ReadonlySet<string> = new Set([
  ...["UNPROTECTED", "INITCODE_TOO_LARGE", "TX_GAS_CAP", "GAS_LIMIT", "TIP_ABOVE_FEE_CAP", "NONCE_MAX"],
  ...["INTRINSIC_GAS", "FLOOR_GAS", "AUTHORIZATION_LIST_EMPTY", "SENDER_NOT_EOA", "INSUFFICIENT_FUNDS"],
]);

export interface RelayOptions {
  readonly transport: Transport;
  readonly committee: Committee;
  readonly spec: ChannelSpec;
  readonly topic: TopicSpec;
  readonly service: LedgerService;
  /** Wire forms of what waits in the pool, for a peer that just connected; bounded by the caller. */
  readonly pending: () => readonly Uint8Array[];
  /** The wire form of a transaction that waits in the pool. */
  readonly waiting: (hash: Hash) => Uint8Array | undefined;
}

interface Outbox {
  add(raw: Uint8Array): void;
  close(): void;
}

function createOutbox(beatMs: number, flush: (batch: readonly Uint8Array[]) => void | Promise<void>): Outbox {
  let batch: Uint8Array[] = [];
  let bytes = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sentAt = Number.NEGATIVE_INFINITY;
  const send = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const full = batch;
    batch = [];
    bytes = 0;
    sentAt = performance.now();
    void flush(full);
  };
  return {
    add(raw) {
      batch.push(raw);
      bytes += raw.length;
      if (bytes >= BATCH_BYTES || batch.length === MAX_BATCH_TRANSACTIONS) send();
      else timer ??= setTimeout(send, Math.max(FIRST_MS, sentAt + beatMs - performance.now()));
    },
    close: () => clearTimeout(timer),
  };
}

/** What became of a peer's batch. */
interface Judged {
  /** Transactions that this node had not heard of and took. */
  readonly fresh: readonly Uint8Array[];
  readonly wrong: Offence | undefined;
  /** Milliseconds for which the sender is not listened to now; 0 when nothing was refused. */
  readonly rest: number;
}

/**
 * How long a peer rests after a batch, in times of what judging its refused part took: replayed transactions are no
 * fault, but whoever sends nothing else gets a tenth, and a stranger a twentieth, of a core.
 */
const MEMBER_REST = 9;
const STRANGER_REST = 19;

/** Judges batches, handing the event loop over between pieces. `offended` hears of each doubtful transaction. */
function createBatchJudge(
  service: LedgerService,
  committee: Committee,
  offended: (from: IdentityKey, offence: Offence) => void,
): (from: IdentityKey, frame: Uint8Array) => Promise<Judged> {
  const seen = createLru<Hash, true>(MAX_SEEN);
  return async (from, frame) => {
    const fresh: Uint8Array[] = [];
    const raws = decodeTransactions(frame);
    let refused = 0;
    let spent = 0;
    for (let at = 0; at < raws.length; at += PIECE) {
      const piece = raws.slice(at, at + PIECE);
      if (at > 0) await Bun.sleep(0);
      const started = performance.now();
      const submissions = await service.submitAll(piece, "peer");
      spent += performance.now() - started;
      for (const [i, submission] of submissions.entries()) {
        const raw = piece[i] as Uint8Array;
        if (submission.kind === "rejected" && submission.code !== "ALREADY_KNOWN") refused++;
        if (submission.kind === "accepted") {
          if (!seen.has(submission.hash)) fresh.push(raw);
          seen.set(submission.hash, true);
        } else if (PROOF.has(submission.code) && raw[0] !== BLOB_TRANSACTION_TYPE) {
          const wrong = submission.code === "MALFORMED" ? "malformed" : "badSignature";
          return { fresh, wrong, rest: 0 };
        } else if (DOUBT.has(submission.code)) {
          offended(from, "uselessTransaction");
        }
      }
    }
    const times = committee.indexOf(from) === undefined ? STRANGER_REST : MEMBER_REST;
    const rest = refused === 0 ? 0 : restAfter((spent * refused) / raws.length, times);
    return { fresh, wrong: undefined, rest };
  };
}

/** Starts relaying over `transport`, which must not have started; disposing stops it. */
export function startRelay(options: RelayOptions): Disposable {
  const { transport, committee, spec, topic: topicSpec, service, pending, waiting } = options;
  const member = committee.me !== undefined;
  const judge = createBatchJudge(service, committee, (from, offence) => transport.report(from, offence));

  /** Judges a batch and blames its sender; undefined for one that should not have been sent. */
  async function take(from: IdentityKey, frame: Uint8Array): Promise<Judged | undefined> {
    try {
      const judged = await judge(from, frame);
      if (judged.wrong === undefined) return judged;
      transport.report(from, judged.wrong);
    } catch (error) {
      if (!(error instanceof KoraError && error.code === "BAD_ENCODING")) throw error;
      transport.report(from, "malformed");
    }
    return undefined;
  }
  const gossiped: MessageJudge = async (from, frame) => {
    const judged = await take(from, frame);
    if (judged === undefined) return "reject";
    if (member) for (const raw of judged.fresh) toMembers.add(raw);
    // Only a batch without fault goes on as it is: whoever passed on the rest would be blamed for it.
    if (judged.rest === 0) return judged.fresh.length > 0 ? "accept" : "ignore";
    for (const raw of judged.fresh) toListeners.add(raw);
    await Bun.sleep(judged.rest);
    return "ignore";
  };
  const channel = transport.open(spec, async (from, frame) => {
    const fromMember = committee.indexOf(from) !== undefined;
    const judged = await take(from, frame);
    for (const raw of judged?.fresh ?? []) {
      toListeners.add(raw);
      if (member && !fromMember) toMembers.add(raw);
    }
    if (judged !== undefined && judged.rest > 0) await Bun.sleep(judged.rest);
  });
  const topic = transport.join(topicSpec, gossiped);
  const toMembers = createOutbox(BEAT_MS, (batch) => {
    const frame = encodeTransactions(batch);
    for (const key of committee.participants) if (key !== transport.self) channel.send(key, frame);
  });
  const toListeners = createOutbox(member ? GOSSIP_BEAT_MS : BEAT_MS, async (batch) => {
    const audience = transport.peers().filter(({ listed }) => !(member && listed));
    if (audience.length === 0) return;
    const frame = encodeTransactions(batch);
    // Before a mesh has formed nobody hears of it.
    if ((await topic.publish(frame)) > 0) return;
    for (const { peer } of audience) channel.send(peer, frame);
  });
  const tell = (raw: Uint8Array): void => {
    if (member) toMembers.add(raw);
    toListeners.add(raw);
  };
  const reminder = createReminder({ waiting, relay: tell, now: () => performance.now() });
  const reminding = setInterval(() => reminder.tick(), REMINDER_TICK_MS);
  const stopEvents = service.events.transactionSubmitted.add(({ transaction, origin }) => {
    if (origin !== "client") return;
    tell(transaction.raw);
    reminder.watch(transaction.hash);
  });
  const catchUp = (peer: IdentityKey): void => {
    const offered = pending();
    for (let at = 0; at < offered.length; ) {
      let bytes = 0;
      const first = at;
      while (at < offered.length && bytes < BATCH_BYTES && at - first < MAX_BATCH_TRANSACTIONS) {
        bytes += (offered[at] as Uint8Array).length;
        at++;
      }
      if (channel.send(peer, encodeTransactions(offered.slice(first, at))) !== "queued") return;
    }
  };
  const stopPeers = transport.onPeer(({ kind, peer }) => {
    if (kind === "connected") catchUp(peer);
  });
  return {
    [Symbol.dispose]() {
      clearInterval(reminding);
      stopEvents();
      stopPeers();
      toMembers.close();
      toListeners.close();
    },
  };
}
