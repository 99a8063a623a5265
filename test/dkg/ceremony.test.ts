// The ceremony told in small stories, with stand-in arithmetic: what a node does, in which order, and what it refuses.
import { describe, expect, test } from "bun:test";
import { type Ceremony, createCeremony } from "#crypto/dkg/ceremony.ts";
import type { CeremonyEffect, CeremonyResult } from "#crypto/dkg/events.ts";
import { provesLie } from "#crypto/dkg/logs.ts";
import { withoutSecrets } from "#node/ceremony/store.ts";
import {
  type CeremonyBody,
  type CeremonyInfo,
  decodeCeremonyMessage,
  decodeLogSet,
  encodeCeremonyMessage,
} from "#types/ceremony.ts";
import type { CeremonyRecord, DealerStatement } from "#types/ceremony-record.ts";
import { type Hash, hash } from "#types/ids.ts";
import { createRng } from "../support/rng.ts";
import { standinCeremonies, standinIdentity, standinKeys, standinScheme } from "./standin.ts";

const rng = createRng(4);
const CHAIN = hash(rng.bytes(32));

interface Table {
  readonly info: CeremonyInfo;
  readonly nodes: readonly Ceremony[];
  readonly records: readonly CeremonyRecord[][];
  readonly results: (CeremonyResult | undefined)[];
  readonly faults: string[];
  /** Performs effects of a node; messages go through `post`. */
  perform(from: number, effects: readonly CeremonyEffect[]): void;
  /** Delivers until nothing is under way. `change` bends or drops (undefined) what `from` says to `to`. */
  deliver(change?: (from: number, to: number, body: CeremonyBody) => CeremonyBody | undefined): void;
}

/** `count` participants around one table; nothing is said before `deliver`. */
function table(count: number, keys = standinKeys(count, rng.bytes), chain = CHAIN): Table {
  const info: CeremonyInfo = { chain, round: 1, dealers: keys, players: keys, previous: undefined };
  const nodes = standinCeremonies(info, rng.bytes);
  const records: CeremonyRecord[][] = nodes.map(() => []);
  const results: (CeremonyResult | undefined)[] = nodes.map(() => undefined);
  const faults: string[] = [];
  const queue: { from: number; to: number; bytes: Uint8Array }[] = [];
  const perform: Table["perform"] = (from, effects) => {
    for (const effect of effects) {
      if (effect.kind === "persist") records[from]?.push(effect.record);
      else if (effect.kind === "send") queue.push({ from, to: effect.to, bytes: effect.bytes });
      else if (effect.kind === "fault") faults.push(`${from} catches ${effect.member}: ${effect.fault}`);
      else if (effect.kind === "final") results[from] = effect.result;
    }
  };
  const deliver: Table["deliver"] = (change = (_from, _to, body) => body) => {
    for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
      const { from, to, bytes } = frame;
      const message = decodeCeremonyMessage(bytes);
      const body = change(from, to, message.body);
      if (body === undefined) continue;
      const changed = encodeCeremonyMessage({ ...message, body });
      perform(to, (nodes[to] as Ceremony).step({ kind: "message", from, bytes: changed }));
    }
  };
  return { info, nodes, records, results, faults, perform, deliver };
}

const begin = (at: Table, who: readonly number[]): void => {
  for (const i of who) at.perform(i, (at.nodes[i] as Ceremony).step({ kind: "start" }));
};
const all = (at: Table, event: "tick" | "deadline", who = [...at.nodes.keys()]): void => {
  for (const i of who) at.perform(i, (at.nodes[i] as Ceremony).step({ kind: event }));
};
const agree = (at: Table, set: Uint8Array, who = [...at.nodes.keys()]): void => {
  for (const i of who) at.perform(i, (at.nodes[i] as Ceremony).step({ kind: "agreed", set }));
};
const candidateOf = (at: Table, i = 0): Uint8Array => at.nodes[i]?.candidate() as Uint8Array;

describe("a ceremony", () => {
  test("of four honest nodes needs no deadline and exposes nobody", () => {
    const at = table(4);
    begin(at, [0, 1, 2, 3]);
    at.deliver();
    expect(decodeLogSet(candidateOf(at)).map((log) => log.dealer)).toEqual([0, 1, 2]);
    agree(at, candidateOf(at));
    at.deliver();
    expect(at.results.map((result) => result?.output.exposed)).toEqual([[], [], [], []]);
    expect(at.results.map((result) => result?.confirms.length)).toEqual([3, 3, 3, 3]);
    expect(at.faults).toEqual([]);
  });

  test("makes everything durable before it is said", () => {
    const at = table(4);
    const [first] = at.nodes as [Ceremony];
    const order = (effects: readonly CeremonyEffect[]): string[] =>
      effects.map((effect) => {
        if (effect.kind === "persist") return `keep ${effect.record.kind}`;
        return effect.kind === "send" ? `say ${decodeCeremonyMessage(effect.bytes).body.kind}` : effect.kind;
      });
    const start = order(first.step({ kind: "start" }));
    expect(start.slice(0, 4)).toEqual(["keep begin", "keep share", "keep ack", "say deal"]);
    begin(at, [1]);
    const deal = first.step({
      kind: "message",
      from: 1,
      bytes: (() => {
        const effect = (at.nodes[1] as Ceremony)
          .step({ kind: "start" })
          .find(
            (item) =>
              item.kind === "send" && item.to === 0 && decodeCeremonyMessage(item.bytes).body.kind === "deal",
          );
        return (effect as Extract<CeremonyEffect, { kind: "send" }>).bytes;
      })(),
    });
    expect(order(deal)).toEqual(["keep share", "say ack"]);
  });

  test("waits for the deadline when one is silent, then reveals that one's shares and exposes it", () => {
    const at = table(4);
    begin(at, [0, 1, 2]);
    at.deliver((_from, to, body) => (to === 3 ? undefined : body));
    expect(at.nodes[0]?.candidate()).toBeUndefined();
    all(at, "deadline", [0, 1, 2]);
    at.deliver((_from, to, body) => (to === 3 ? undefined : body));
    const set = candidateOf(at);
    expect(decodeLogSet(set).map((log) => log.entries[3]?.kind)).toEqual(["reveal", "reveal", "reveal"]);
    agree(at, set, [0, 1, 2]);
    at.deliver((_from, to, body) => (to === 3 ? undefined : body));
    expect(at.results[0]?.output.exposed).toEqual([3]);
    // The silent one comes back: its share is public, so it has it as well.
    begin(at, [3]);
    agree(at, set, [3]);
    for (const _ of [1, 2]) {
      all(at, "tick");
      at.deliver();
    }
    expect(at.results[3]?.share).toBeDefined();
  });

  test("does not close a log with more than f reveals, deadline or not", () => {
    const at = table(4);
    begin(at, [0, 1]);
    all(at, "deadline", [0, 1]);
    at.deliver((_from, to, body) => (to > 1 ? undefined : body));
    expect(at.records[0]?.some((record) => record.kind === "log")).toBe(false);
    begin(at, [2]);
    all(at, "tick", [0, 1]);
    at.deliver((_from, to, body) => (to === 3 ? undefined : body));
    expect(at.records[0]?.some((record) => record.kind === "log")).toBe(true);
  });

  test("leaves a wrong share unacknowledged, so that its dealer has to show the right one", () => {
    const at = table(4);
    begin(at, [0, 1, 2, 3]);
    at.deliver((from, to, body) =>
      from === 3 && to === 0 && body.kind === "deal" ? { ...body, share: Uint8Array.of(0, 0, 0, 1) } : body,
    );
    expect(at.faults).toEqual(["0 catches 3: bad-share"]);
    all(at, "deadline");
    at.deliver();
    const sets = at.nodes.map((_, i) => decodeLogSet(candidateOf(at, i)).map((log) => log.dealer));
    // The candidate prefers logs without reveals; the liar's is as valid as the others.
    expect(sets).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });

  test("names who confirms another output, and who signs the trial wrongly", () => {
    const at = table(4);
    begin(at, [0, 1, 2, 3]);
    at.deliver();
    agree(at, candidateOf(at));
    const wrong = { sign: standinIdentity(at.info.players[1] as Uint8Array).sign };
    at.deliver((from, _to, body) => {
      if (body.kind !== "confirm" || from !== 1 || body.player !== 1) return body;
      const partial = Uint8Array.of(0, 0, 0, 5);
      const { domain } = (at.nodes[1] as Ceremony).rules;
      return { ...body, partial, signature: wrong.sign(domain.confirm(1, body.digest, partial)) };
    });
    expect(new Set(at.faults)).toEqual(
      new Set([
        "0 catches 1: bad-confirmation",
        "2 catches 1: bad-confirmation",
        "3 catches 1: bad-confirmation",
      ]),
    );
    expect(at.results.every((result) => result !== undefined)).toBe(true);
  });

  test("takes no message of another round, and says so once", () => {
    const at = table(4);
    const elsewhere: CeremonyEffect[] = [];
    const body: CeremonyBody = {
      kind: "status",
      shares: [],
      acks: [],
      logs: [],
      confirms: [],
      stage: "dealing",
    };
    const bytes = encodeCeremonyMessage({ round: 9, ceremony: CHAIN, body });
    for (let i = 0; i < 3; i++) {
      elsewhere.push(...(at.nodes[0] as Ceremony).step({ kind: "message", from: 2, bytes }));
    }
    expect(elsewhere).toEqual([{ kind: "elsewhere", member: 2, round: 9 }]);
  });

  test("takes nothing that was said for another chain, though round and members are the same", () => {
    const at = table(4);
    const elsewhere = table(4, [...at.info.dealers], hash(rng.bytes(32)));
    begin(at, [0, 1, 2, 3]);
    begin(elsewhere, [0, 1, 2, 3]);
    const foreign: { readonly from: number; readonly to: number; readonly body: CeremonyBody }[] = [];
    elsewhere.deliver((from, to, body) => {
      foreign.push({ from, to, body });
      return body;
    });
    agree(elsewhere, candidateOf(elsewhere));
    elsewhere.deliver((from, to, body) => {
      foreign.push({ from, to, body });
      return body;
    });
    const id = (on: Table) => (on.nodes[0] as Ceremony).rules.domain.id;
    const say = (ceremony: Hash, { from, to, body }: (typeof foreign)[number]) =>
      (at.nodes[to] as Ceremony).step({
        kind: "message",
        from,
        bytes: encodeCeremonyMessage({ round: 1, ceremony, body }),
      });
    for (const each of foreign) {
      for (const effect of say(id(elsewhere), each)) expect(effect.kind).toBe("elsewhere");
    }
    // Nor under this ceremony's name: every signature binds its chain.
    const signed = foreign.filter(({ body }) => ["deal", "ack", "log"].includes(body.kind));
    expect(new Set(signed.map(({ body }) => body.kind)).size).toBe(3);
    for (const each of signed) {
      for (const effect of say(id(at), each)) {
        const words = effect.kind === "persist" ? effect.record : effect;
        expect(words).toMatchObject({ kind: "fault", member: each.from, fault: "bad-signature" });
      }
    }
    const held = at.nodes.map((node) => node.progress());
    expect(held.map(({ shares, acks, logs }) => [shares, acks, logs])).toEqual(Array(4).fill([1, 1, 0]));
  });

  test("keeps what proves a dealer's lie to others: two commitments, or two logs", () => {
    type Fault = Extract<CeremonyRecord, { kind: "fault" }>;
    const liar = 3;
    const tables = [table(4), table(4), table(4)] as const;
    /** A second ceremony of the liar's, with another polynomial. */
    const other = (at: Table): Table => ({ ...table(4, [...at.info.dealers]), info: at.info });
    const [deals, logs, both] = tables;
    const said = (on: Table): CeremonyBody[] => {
      const bodies: CeremonyBody[] = [];
      begin(on, [0, 1, 2, 3]);
      on.deliver((from, to, body) => {
        if (from === liar && to === 0) bodies.push(body);
        return body;
      });
      return bodies;
    };
    const tell = (on: Table, body: CeremonyBody): void => {
      const ceremony = (on.nodes[0] as Ceremony).rules.domain.id;
      const bytes = encodeCeremonyMessage({ round: 1, ceremony, body });
      on.perform(0, (on.nodes[0] as Ceremony).step({ kind: "message", from: liar, bytes }));
    };
    const bodyOf = (bodies: readonly CeremonyBody[], kind: "deal" | "log"): CeremonyBody =>
      bodies.find((body) => body.kind === kind) as CeremonyBody;
    const second = new Map(tables.map((at) => [at, said(other(at))]));
    // The first word of each story is the liar's second tongue.
    begin(deals, [0, 1, 2, 3]);
    tell(deals, bodyOf(second.get(deals) ?? [], "deal"));
    deals.deliver();
    said(logs);
    tell(logs, bodyOf(second.get(logs) ?? [], "log"));
    begin(both, [0, 1, 2, 3]);
    both.deliver((from, _to, body) => (from === liar && body.kind === "log" ? undefined : body));
    tell(both, bodyOf(second.get(both) ?? [], "log"));
    for (const [at, kind, shape] of [
      [deals, "two-commitments", ["deal", "deal"]],
      [logs, "two-logs", ["log", "log"]],
      [both, "two-commitments", ["deal", "log"]],
    ] as const) {
      expect(at.faults).toContain(`0 catches 3: ${kind}`);
      const kept = withoutSecrets(at.records[0] as CeremonyRecord[]).find(
        (record): record is Fault => record.kind === "fault" && record.fault === kind,
      );
      expect(kept?.evidence.map((each) => each.kind)).toEqual([...shape]);
      // Anybody can check it, against this dealer and nobody else.
      const { rules } = at.nodes[1] as Ceremony;
      const evidence = kept?.evidence ?? [];
      expect([0, 1, 2, 3].map((dealer) => provesLie(rules, dealer, evidence))).toEqual([
        false,
        false,
        false,
        true,
      ]);
      expect(provesLie(rules, liar, [evidence[0] as DealerStatement, evidence[0] as DealerStatement])).toBe(
        false,
      );
    }
  });

  test("goes on from its records with the same polynomial, and says the same again", () => {
    const at = table(4);
    begin(at, [0, 1, 2, 3]);
    at.deliver();
    const kept = at.records[0] as CeremonyRecord[];
    const seed = (kept[0] as Extract<CeremonyRecord, { kind: "begin" }>).seed;
    const identity = standinIdentity(at.info.players[0] as Uint8Array);
    const setup = { info: at.info, scheme: standinScheme, identity, seed, previousShare: undefined };
    for (let length = 1; length <= kept.length; length++) {
      const again = createCeremony(setup, kept.slice(0, length));
      const said = again.step({ kind: "start" });
      for (const effect of said) {
        if (effect.kind === "persist") expect(effect.record.kind).not.toBe("begin");
        if (effect.kind !== "send") continue;
        const { body } = decodeCeremonyMessage(effect.bytes);
        const first = decodeLogSet(candidateOf(at, 1))[0];
        if (body.kind === "deal") expect(body.commitment).toEqual(first?.commitment as Uint8Array);
      }
    }
  });
});

test("an acknowledgement that comes after the agreement is nobody's fault, though the polynomial is erased", () => {
  const at = table(4);
  let late: CeremonyBody | undefined;
  begin(at, [0, 1, 2, 3]);
  at.deliver((from, to, body) => {
    if (from === 3 && to === 0 && body.kind === "ack") late = body;
    return body;
  });
  agree(at, candidateOf(at));
  at.deliver();
  const identity = standinIdentity(at.info.players[0] as Uint8Array);
  const seed = new Uint8Array(32);
  const setup = { info: at.info, scheme: standinScheme, identity, seed, previousShare: undefined };
  const again = createCeremony(setup, withoutSecrets(at.records[0] as CeremonyRecord[]));
  again.step({ kind: "start" });
  const bytes = encodeCeremonyMessage({
    round: 1,
    ceremony: again.rules.domain.id,
    body: late as CeremonyBody,
  });
  expect(again.step({ kind: "message", from: 3, bytes })).toEqual([]);
});

describe("a ceremony cannot be held", () => {
  const keys = standinKeys(4, rng.bytes);
  const open = (change: Partial<CeremonyInfo>, key = keys[0] as Uint8Array): Ceremony =>
    createCeremony({
      info: { chain: CHAIN, round: 1, dealers: keys, players: keys, previous: undefined, ...change },
      scheme: standinScheme,
      identity: standinIdentity(key),
      seed: rng.bytes(32),
      previousShare: undefined,
    });
  const [first, second] = keys as [Uint8Array, Uint8Array];

  test("with a key listed twice, nobody, or without this node", () => {
    const twice = [first, first, second];
    expect(() => open({ dealers: twice, players: twice })).toThrow("cannot be held");
    expect(() => open({ dealers: [], players: [] })).toThrow("cannot be held");
    expect(() => open({}, rng.bytes(32))).toThrow("cannot be held");
  });
  test("as a first one by others than those who get the shares", () => {
    expect(() => open({ players: [first, second] })).toThrow("cannot be held");
  });
  test("as a reshare by strangers, by too few, or from a damaged polynomial", () => {
    const polynomial = standinScheme.deal(rng.bytes(32), first, 3).commitment.bytes;
    const previous = { polynomial, participants: keys };
    expect(open({ previous }).rules.requiredLogs).toBe(3);
    expect(() => open({ previous, dealers: [first, second] })).toThrow("cannot be held");
    expect(() => open({ previous: { ...previous, polynomial: polynomial.slice(4) } })).toThrow(
      "cannot be held",
    );
    const strangers = standinKeys(4, rng.bytes);
    expect(() => open({ previous: { ...previous, participants: strangers } })).toThrow("cannot be held");
  });
});
