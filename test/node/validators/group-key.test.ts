// A key that is not the chain's: refused where the chain can tell, reported where only peers could.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { checkOwnFinality, judgedBy } from "#node/validators/group-key.ts";
import type { CertificateVerifier } from "#node/validators/votes.ts";
import type { Height } from "#types/ids.ts";
import { type FinalChain, makeFinalChain, openCommittee } from "../../support/finality.ts";

let source: FinalChain;
let foreign: CertificateVerifier;
beforeAll(async () => {
  source = await makeFinalChain(12, 5);
  foreign = (await openCommittee(source.chain.genesisHash)).verifier;
});
afterAll(() => source.chain.close());

test("a chain that another group made final is refused, its own and an empty one are not", () => {
  const check = (head: number, verifier: CertificateVerifier) =>
    checkOwnFinality(source.archive, head as Height, verifier);
  check(12, source.verifier);
  for (const head of [0, 4]) check(head, foreign);
  expect(() => check(12, foreign)).toThrow(
    expect.objectContaining({ code: "GROUP_KEY_MISMATCH", exitCode: 3 }),
  );
});

test("a key under which nothing ever verified is a concern, said once in the log; liars alone are none", () => {
  const certificate = source.certify(source.blocks[4]!);
  for (const [verifier, concerned] of [
    [foreign, true],
    [source.verifier, false],
  ] as const) {
    const warnings: string[] = [];
    const judged = judgedBy(verifier, { warn: (message) => warnings.push(message) });
    expect(judged.concerns()).toEqual([]);
    for (let i = 0; i < 3; i++) judged.verifier.examine([certificate], [undefined]);
    judged.verifier.examine([{ ...certificate, view: certificate.view + 1 }], [undefined]);
    expect([judged.concerns().length, warnings.length]).toEqual(concerned ? [1, 1] : [0, 0]);
  }
});
