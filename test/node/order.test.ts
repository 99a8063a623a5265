// The order in which a validator's parts begin and end: closed in exactly the reverse of how they were opened, one at a
// time, and after a start that fails at any of them, exactly those that were open. The parts are the real ones, watched;
// transport and clock are given.
import { afterAll, afterEach, beforeEach, expect, mock, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBls } from "#crypto/bls.ts";
import { NodeBuilder } from "#node/builder.ts";
import { dealInto } from "#node/ceremony/deal.ts";
import type { CreatedNode } from "#node/create.ts";
import { createLogger } from "#node/log.ts";
import { createMemoryNetwork } from "../support/memory-transport.ts";

const folder = mkdtempSync(join(tmpdir(), "kora-order-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { key } = dealInto(join(folder, "keys"), await openBls(), { kind: "made", count: 4 });
writeFileSync(join(folder, "genesis.json"), JSON.stringify({ chain_id: 81, allocations: [] }));
const config = join(folder, "node.toml");
writeFileSync(
  config,
  `[node]\ndata_dir = "data"
[consensus]\nvalidator_key = "keys/node0/validator.key"
participants = [${key.participants.map((participant) => `"${participant.slice(2)}"`).join(", ")}]
[rpc]\nhttp_addr = "127.0.0.1:0"\n[metrics]\naddr = "127.0.0.1:0"\n`,
);

type Functions = Record<string, (...args: unknown[]) => unknown>;

/** The parts in the order of a start, and who makes them; those without a maker are given to the node. */
const MAKERS: readonly (readonly [part: string, module?: object, maker?: string])[] = [
  ["directory", await import("#node/directory.ts"), "openDirectory"],
  ["state", await import("#state/state.ts"), "openStateDb"],
  ["pool's journal", await import("#node/journal-file.ts"), "openJournalFile"],
  ["senders", await import("#crypto/recovery.ts"), "createSenderRecovery"],
  ["upkeep", await import("#node/upkeep.ts"), "startUpkeep"],
  ["indexes", await import("#node/missing-indexes.ts"), "buildMissingIndexes"],
  ["guard", await import("#node/directory.ts"), "lockGuard"],
  ["votes", await import("#node/consensus/journal.ts"), "openJournal"],
  ["transport"],
  ["marshal", await import("#node/validators/marshal.ts"), "createMarshal"],
  ["relay", await import("#node/validators/relay.ts"), "startRelay"],
  ["exchange", await import("#node/validators/exchange.ts"), "startExchange"],
  ["announcing", await import("#node/validators/announce.ts"), "startAnnouncing"],
  ["clock"],
  ["observation", await import("#node/observe.ts"), "observeNode"],
  ["reads", await import("#node/reads/reads.ts"), "createReads"],
  ["RPC", await import("#rpc/server.ts"), "startRpcServer"],
  ["metrics", await import("#node/metrics-server.ts"), "serveMetrics"],
];
const PARTS = MAKERS.map(([part]) => part);
const ENDS = [Symbol.asyncDispose, Symbol.dispose, "close"] as const;

let opened: string[] = [];
let closed: string[] = [];
let closing = 0;
let failing: string | undefined;

/** Notes that `part` is open, and when it closes. */
function watched<T>(part: string, value: T): T {
  opened.push(part);
  const of = value as Record<(typeof ENDS)[number], (() => unknown) | undefined>;
  const end = ENDS.find((name) => of[name] !== undefined) as (typeof ENDS)[number];
  const close = of[end];
  of[end] = () => {
    expect(closing, `${part} waits until the one before it has closed`).toBe(0);
    closed.push(part);
    closing++;
    const done = (): void => void closing--;
    const ending = close?.call(value);
    if (ending instanceof Promise) return ending.finally(done);
    done();
    return ending;
  };
  return value;
}

function opening<T>(part: string, make: () => T): T {
  if (failing === part) throw new Error(`no ${part} today`);
  const made = make();
  return made instanceof Promise ? (made.then((value) => watched(part, value)) as T) : watched(part, made);
}

beforeEach(() => {
  opened = [];
  closed = [];
  closing = 0;
  failing = undefined;
  for (const [part, module, maker] of MAKERS) {
    if (module === undefined || maker === undefined) continue;
    const functions = module as Functions;
    const make = functions[maker] as Functions[string];
    spyOn(functions, maker).mockImplementation((...args) => opening(part, () => make(...args)));
  }
});
afterEach(() => mock.restore());

/** Runs the validator until it is ready, and then to its end; rejects when it could not start. */
async function run(onReady: (node: CreatedNode) => void = () => {}): Promise<void> {
  const node = NodeBuilder.fromToml(config)
    .withTransport(({ identity }) =>
      opening("transport", () => {
        const transport = createMemoryNetwork().join(identity.publicKey);
        const start = async (): Promise<void> => {
          if (failing === "listening") throw new Error("no listening today");
          await transport.start();
        };
        return { ...transport, start };
      }),
    )
    .withClock(() =>
      opening("clock", () => ({
        now: () => performance.now(),
        wall: () => Date.now() / 1000,
        alarm() {},
        [Symbol.dispose]() {},
      })),
    )
    .withHooks({
      logger: createLogger({ level: "silent", format: "json" }),
      onReady(created) {
        onReady(created);
        node.shutdown();
      },
    })
    .build();
  await node.run();
}

test("every part is opened in order, and closed in the reverse of it, one after the other", async () => {
  let atReady: readonly string[] = [];
  await run(() => {
    atReady = [...opened];
    expect(closed).toEqual([]);
  });
  expect(atReady).toEqual(PARTS);
  expect(opened).toEqual(PARTS);
  expect(closed).toEqual(PARTS.toReversed());
});

test.each([...PARTS, "listening"])(
  "a start that fails at %s closes what was open, and nothing else",
  async (part) => {
    failing = part;
    await expect(run()).rejects.toThrow(`no ${part} today`);
    // The transport listens once all that hears of peers is there, and before anybody is answered.
    const before = PARTS.slice(0, PARTS.indexOf(part === "listening" ? "observation" : part));
    expect(opened).toEqual(before);
    expect(closed).toEqual(before.toReversed());
  },
);
