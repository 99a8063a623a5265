// Which bodies are opened: those that were asked for and those that a view's leader pushes; others warily or not at all.
import { beforeAll, expect, test } from "bun:test";
import { encodePosition } from "#chain/header-rules.ts";
import { ALL_RULES } from "#consensus/rules.ts";
import type { Core } from "#consensus/state.ts";
import { headerHash } from "#crypto/digest.ts";
import type { BodyState } from "#node/consensus/bodies.ts";
import { type AskedDriver, createAdmission, type Wary } from "#node/validators/admission.ts";
import { type Block, decodeHeaderOfBlock, encodeBlock } from "#types/block.ts";
import { encodeHeader } from "#types/header.ts";
import type { Hash } from "#types/ids.ts";
import { openTestChain, transfer } from "../../support/chain.ts";

const N = 4;
const VIEW = 10;
let block: Block;
beforeAll(async () => {
  using chain = {
    made: openTestChain(),
    [Symbol.dispose]() {
      this.made.close();
    },
  };
  await chain.made.service.submitTx(transfer({ from: 1, nonce: 0 }).raw);
  block = await chain.made.produce();
});

/** A body of `view`; `salt` makes it another one. */
function bodyOf(view: number, salt = 0) {
  const extraData = encodePosition({ epoch: 0, view, parentView: view - 1 });
  const header = { ...block.header, extraData, timestamp: block.header.timestamp + salt };
  const transactions = block.transactions.map(({ raw }) => raw);
  return { bytes: encodeBlock({ header, transactions }), hash: headerHash(header) };
}

interface Given {
  readonly view?: number;
  readonly finalizedView?: number;
  /** Views are led in turn; without this nobody knows by whom. */
  readonly known?: boolean;
  readonly states?: ReadonlyMap<Hash, BodyState>;
}
function driver({
  view = VIEW,
  finalizedView = 5,
  known = true,
  states = new Map(),
}: Given = {}): AskedDriver {
  const scheme = known ? "identity" : "threshold";
  const core = {
    view,
    finalizedView,
    rounds: new Map(),
    rules: ALL_RULES,
    config: { epoch: 0, n: N, scheme },
  };
  return { core: core as unknown as Core, bodyState: (digest) => states.get(digest) ?? "unknown" };
}
const leader = (view: number): number => view % N;

test("a view's leader is heard once for each view, and warily beyond", () => {
  const admit = createAdmission();
  expect(admit(driver(), leader(VIEW), bodyOf(VIEW).bytes)).toBe("open");
  for (const salt of [1, 2]) {
    const again = admit(driver(), leader(VIEW), bodyOf(VIEW, salt).bytes) as Wary;
    expect(again.cleared()).toBeFalse();
  }
  expect(admit(driver(), leader(VIEW + 1), bodyOf(VIEW + 1).bytes)).toBe("open");
});

test("nobody else's push is of use, nor one for a view that is done with, far away or at hand", () => {
  const admit = createAdmission();
  for (let from = 0; from < N; from++) {
    if (from !== leader(VIEW)) expect(admit(driver(), from, bodyOf(VIEW).bytes)).toBe("useless");
  }
  for (const view of [4, 5, VIEW + 9, VIEW + 1_000])
    expect(admit(driver(), leader(view), bodyOf(view).bytes)).toBe("useless");
  const { bytes, hash } = bodyOf(VIEW);
  const held = driver({ states: new Map([[hash, "held"]]) });
  expect(admit(held, leader(VIEW), bytes)).toBe("useless");
});

test("where the leader is not known yet whoever pushes is heard warily, until it shows who leads", () => {
  const admit = createAdmission();
  const asked = driver({ known: false });
  const admissions = Array.from({ length: N }, (_, from) => admit(asked, from, bodyOf(VIEW).bytes) as Wary);
  expect(admissions.map(({ cleared }) => cleared())).toEqual([false, false, false, false]);
  Object.assign(asked.core.config, { scheme: "identity" });
  const leads = admissions.map((_, from) => from === leader(VIEW));
  expect(admissions.map(({ cleared }) => cleared())).toEqual(leads);
});

test("what is waited for is opened, whoever brings it and however late", () => {
  const admit = createAdmission();
  for (const view of [3, VIEW, VIEW + 500]) {
    const { bytes, hash } = bodyOf(view);
    const waiting = driver({ states: new Map([[hash, "awaited"]]) });
    for (let from = 0; from < N; from++) expect(admit(waiting, from, bytes)).toBe("open");
  }
});

test("a header is read off a block, and off nothing else", () => {
  const { bytes } = bodyOf(VIEW);
  expect(encodeHeader(decodeHeaderOfBlock(bytes))).toEqual(
    encodeHeader({
      ...block.header,
      extraData: encodePosition({ epoch: 0, view: VIEW, parentView: VIEW - 1 }),
    }),
  );
  const wrong = [bytes.subarray(0, -1), Uint8Array.of(...bytes, 0), new Uint8Array(0), Uint8Array.of(0xc0)];
  for (const each of [...wrong, Uint8Array.of(0xc1, 1), Uint8Array.of(0xc2, 0xc2, 1), Uint8Array.of(0x80)])
    expect(() => createAdmission()(driver(), 0, each)).toThrow(expect.objectContaining({ code: "BAD_RLP" }));
});
