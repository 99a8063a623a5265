// The ways in which a validator misbehaves, each by itself: small, seeded, and with no key but its own.
import { utf8 } from "#lib/bytes.ts";
import { hash, ZERO_HASH } from "#types/ids.ts";
import { encodeMessage, type Message } from "#types/message.ts";
import type { Subject } from "#types/vote.ts";
import type { Conduct, Rogue, RogueBody } from "./rogue.ts";

type VoteMessage = Extract<Message, { type: "vote" }>;

/** Own proposals and what is shown in their place, by digest. */
type Twins = Map<string, RogueBody>;

/** What is shown in the place of a proposal: the same each time. */
function twinOf(
  twins: Twins,
  rogue: Rogue,
  body: RogueBody,
  change: Parameters<Rogue["variant"]>[1],
): RogueBody {
  const twin = twins.get(body.digest) ?? rogue.variant(body, change);
  twins.set(body.digest, twin);
  return twin;
}

const voteOn = (rogue: Rogue, subject: Subject, { digest: payload }: RogueBody): VoteMessage => ({
  type: "vote",
  vote: rogue.vote({ ...subject, payload }),
});

/** Two good blocks in one view, each for a part of the others, and now and then a vote that excludes an earlier one. */
function equivocating(): Conduct {
  const twins: Twins = new Map();
  return {
    onSend(rogue, to, message) {
      if (message.type === "body") {
        const body = rogue.bodyOf(message.body);
        if (!rogue.isOwn(body.digest)) return [message];
        // One unit of gas less is as valid a block as the first.
        const twin = twinOf(twins, rogue, body, (old) => ({ ...old, gasLimit: old.gasLimit - 1n }));
        return [message, { type: "body", body: twin.bytes }];
      }
      if (message.type !== "vote") return [message];
      const { vote } = message;
      const twin = twins.get(vote.payload);
      if (twin !== undefined && vote.kind === "notarize") {
        const other = voteOn(rogue, vote, twin);
        rogue.did(to, `notarize ${vote.view} of a twin`);
        if (rogue.rng.chance(0.25)) return [message, other];
        return to % 2 === 0 ? [message] : [other];
      }
      if (vote.kind !== "finalize" || !rogue.rng.chance(0.1)) return [message];
      const { epoch, view } = vote;
      const given: Subject = { kind: "nullify", epoch, view, parentView: 0, payload: ZERO_HASH };
      rogue.did(to, `finalize and nullify ${view}`);
      return [message, { type: "vote", vote: rogue.vote(given) }];
    },
  };
}

/** Votes for its blocks and shows them to one or to nobody; answers nobody who asks for bodies or old blocks. */
function withholding(): Conduct {
  return {
    onSend(rogue, to, message) {
      if (message.type !== "body") return [message];
      const { digest, header } = rogue.bodyOf(message.body);
      if (!rogue.isOwn(digest)) return [];
      if (to === header.number % rogue.n) return [message];
      rogue.did(to, `withheld ${digest}`);
      return [];
    },
    onSendRaw: (_rogue, _to, channel) => channel !== "backfill",
  };
}

/** Repeats what was said long ago, by itself and by others. */
function stale(): Conduct {
  const old: Message[] = [];
  const remember = (rogue: Rogue, message: Message): void => {
    if (old.length < 512) old.push(message);
    else old[rogue.rng.below(old.length)] = message;
  };
  return {
    onSend(rogue, to, message) {
      remember(rogue, message);
      const again = Array.from({ length: rogue.rng.below(4) }, () => rogue.rng.pick(old));
      for (const { type } of again) rogue.did(to, `${type} again`);
      return [message, ...again];
    },
    onReceive(rogue, _from, message) {
      if (message.type === "certificates" || message.type === "body") remember(rogue, message);
    },
  };
}

/** Bytes that are nothing, messages that were cut or bent, on every channel. */
function garbage(): Conduct {
  let last = utf8("nothing yet");
  return {
    onSend(_rogue, _to, message) {
      last = encodeMessage(message);
      return [message];
    },
    onIdle(rogue) {
      if (!rogue.rng.chance(0.2)) return;
      const { rng } = rogue;
      const bent = last.slice(0, rng.chance(0.5) ? rng.below(last.length) : last.length);
      for (let i = 0; i < 4 && bent.length > 0; i++) bent[rng.below(bent.length)] = rng.below(256);
      const frame = rng.chance(0.5) ? bent : rng.bytes(rng.below(2_000));
      for (let to = 0; to < rogue.n; to++) {
        if (to === rogue.index) continue;
        rogue.did(to, `${frame.length} bytes of garbage`);
        rogue.sendRaw(to, rng.pick(rogue.channels()), frame);
      }
    },
  };
}

/** Much of everything that is well-formed: votes again and again, greetings, wants, requests for bodies, transactions. */
function flooding(): Conduct {
  let last: Message | undefined;
  let digest = ZERO_HASH;
  let transactions: Uint8Array | undefined;
  return {
    onSend(_rogue, _to, message) {
      if (message.type === "vote") {
        last = message;
        if (message.vote.kind === "notarize") digest = message.vote.payload;
      }
      return [message];
    },
    onSendRaw(_rogue, _to, channel, frame) {
      if (channel === "transactions") transactions = frame;
      return true;
    },
    onIdle(rogue) {
      const view = last?.type === "vote" ? last.vote.view : 1;
      const wants = Array.from({ length: 64 }, (_, back) => {
        return { view: Math.max(1, view - back), kind: "nullify" as const };
      });
      for (let to = 0; to < rogue.n; to++) {
        if (to === rogue.index) continue;
        rogue.did(to, "flooded");
        for (let i = 0; i < 4; i++) {
          if (last !== undefined) rogue.send(to, last);
          rogue.send(to, { type: "hello", view });
          rogue.send(to, { type: "bodyRequest", digest: i % 2 === 0 ? digest : hash(rogue.rng.bytes(32)) });
          rogue.send(to, { type: "request", wants });
          if (transactions !== undefined) rogue.sendRaw(to, "transactions", transactions);
        }
      }
    },
  };
}

/** Proposes blocks whose state root is not what executing them gives. */
function wrongRoot(): Conduct {
  const twins: Twins = new Map();
  return {
    onSend(rogue, to, message) {
      if (message.type === "body") {
        const body = rogue.bodyOf(message.body);
        if (!rogue.isOwn(body.digest)) return [message];
        const twin = twinOf(twins, rogue, body, (old) => ({ ...old, stateRoot: hash(rogue.rng.bytes(32)) }));
        rogue.did(to, twin.digest);
        return [{ type: "body", body: twin.bytes }];
      }
      const twin = message.type === "vote" ? twins.get(message.vote.payload) : undefined;
      if (message.type !== "vote" || twin === undefined) return [message];
      return [voteOn(rogue, message.vote, twin)];
    },
  };
}

export const CONDUCTS: Readonly<Record<string, () => Conduct>> = {
  equivocate: equivocating,
  withhold: withholding,
  stale,
  garbage,
  flood: flooding,
  wrongRoot,
};
