// Two signed votes of one validator that exclude each other: journalled, counted, told once, and served as evidence, by
// this run and by the next. Chain, journal, signatures and RPC are real; the network is a test's.
import { afterEach, expect, test } from "bun:test";
import { toHex } from "#lib/bytes.ts";
import { hash } from "#types/ids.ts";
import { encodeVote, type Subject } from "#types/vote.ts";
import { fakeNode } from "../../rpc/fake-node.ts";
import { harness } from "../../rpc/harness.ts";
import { temporaryFolder, until } from "../../support/kora.ts";
import {
  openStage,
  type Puppet,
  startValidator,
  subjectOf,
  type TestValidator,
} from "../../support/validator.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const KINDS = ["conflictingNotarize", "conflictingFinalize", "nullifyAndFinalize"] as const;
const on = (kind: "notarize" | "finalize", fill: string): Subject => ({
  ...subjectOf(kind, 1),
  payload: hash(`0x${fill.repeat(32)}`),
});
/** What each of the others signs in view 1, by kind. */
const SIGNED: readonly (readonly [Subject, Subject])[] = [
  [on("notarize", "aa"), on("notarize", "bb")],
  [on("finalize", "aa"), on("finalize", "bb")],
  [subjectOf("nullify", 1), on("finalize", "cc")],
];

/** The answer of kora_getEvidence. */
function evidenceOf({ engine }: TestValidator): Promise<unknown> {
  const node = fakeNode();
  const ports = { ...node.ports, status: engine.status };
  return harness({}, { ...node, ports }).result("kora_getEvidence", "0x0");
}

function countsOf({ metrics }: TestValidator): number[] {
  const text = metrics.text();
  return KINDS.map((kind) =>
    Number(text.split(`kora_consensus_faults_total{kind="${kind}"} `)[1]?.split("\n")[0]),
  );
}

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly kind?: string;
  readonly signer?: number;
  readonly view?: number;
}

test("each kind is counted, told in one line, and served as evidence, after a restart too", async () => {
  const stage = await openStage({ me: 0 });
  closing.push(() => stage.close());
  const folder = temporaryFolder();
  closing.push(async () => folder[Symbol.dispose]());
  const lines: Line[] = [];
  const start = async (): Promise<TestValidator> => {
    const node = await startValidator(stage, {
      folder: folder.path,
      log: (line) => lines.push(JSON.parse(line)),
    });
    closing.push(() => node.stop());
    return node;
  };
  const node = await start();
  expect([countsOf(node), await evidenceOf(node)]).toEqual([[0, 0, 0], []]);
  const expected: object[] = [];
  for (const [at, [first, second]] of SIGNED.entries()) {
    const puppet = stage.puppets[at] as Puppet;
    await puppet.heeded();
    const votes = [puppet.vote(first), puppet.vote(second)].map((vote) => toHex(encodeVote(vote)));
    await until(`the count of ${KINDS[at]}`, () => countsOf(node)[at] === 1);
    expected.push({
      kind: KINDS[at],
      signer: puppet.index,
      participant: stage.committee.members[puppet.index]?.identity.publicKey,
      view: 1,
      first: votes[0],
      second: votes[1],
    });
  }
  expect(countsOf(node)).toEqual([1, 1, 1]);
  expect(lines.map(({ level, msg, kind, signer, view }) => [level, msg, kind, signer, view])).toEqual(
    KINDS.map((kind, at) => ["warn", "a validator signed two things", kind, stage.puppets[at]?.index, 1]),
  );
  expect(await evidenceOf(node)).toEqual(expected);
  expect(node.failures).toEqual([]);
  await node.stop();
  const again = await start();
  expect(await evidenceOf(again)).toEqual(expected);
  // Neither counted nor told anew.
  expect([countsOf(again), lines.length]).toEqual([[0, 0, 0], KINDS.length]);
});
