// Evidence as operators get it: which heights it is about, whose it is, and the votes themselves.
import { expect, test } from "bun:test";
import { encodePosition } from "#chain/header-rules.ts";
import type { Fault } from "#consensus/effects.ts";
import { createEvidence } from "#node/validators/evidence.ts";
import type { Block } from "#types/block.ts";
import { hash, height } from "#types/ids.ts";
import { decodeVote, type Vote } from "#types/vote.ts";

const vote = (view: number, payload: string): Vote => ({
  kind: "notarize",
  epoch: 0,
  view,
  parentView: view - 1,
  payload: hash(`0x${payload.repeat(32)}`),
  signer: 2,
  partial: new Uint8Array(96).fill(1),
  seedPartial: new Uint8Array(96).fill(2),
  envelope: new Uint8Array(64).fill(3),
});
const fault = (view: number): Fault => ({
  kind: "conflictingNotarize",
  signer: 2,
  first: vote(view, "aa"),
  second: vote(view, "bb"),
});

/** Heights 1 to 3 were decided in views 1, 5 (2 to 4 were given up) and 6. */
const VIEWS = [0, 1, 5, 6];
function block(at: number): Block {
  const position = { epoch: 0, view: VIEWS[at]!, parentView: VIEWS[at - 1] ?? 0 };
  return { header: { number: at, extraData: encodePosition(position) } } as unknown as Block;
}
const faults = [fault(1), fault(3), fault(6), fault(7)];
const evidence = createEvidence({
  journal: { faults: (from) => faults.filter(({ first }) => first.view >= from) },
  ledger: { tip: () => block(3) },
  history: { block },
  participants: ["0x00", "0x01", "0x02", "0x03"],
});

test.each([
  [0, [1, 3, 6, 7]],
  [1, [1, 3, 6, 7]],
  [2, [3, 6, 7]],
  [3, [6, 7]],
  [4, [7]],
  [5, []],
])("evidence from height %d on is about views %p", (from, views) => {
  expect(evidence(height(from)).map(({ view }) => view)).toEqual(views);
});

test("it names the signer and holds both votes whole", () => {
  const [first] = evidence(height(0));
  expect(first).toMatchObject({ kind: "conflictingNotarize", signer: 2, participant: "0x02", view: 1 });
  expect(decodeVote(first!.first)).toEqual(vote(1, "aa"));
  expect(decodeVote(first!.second)).toEqual(vote(1, "bb"));
});
