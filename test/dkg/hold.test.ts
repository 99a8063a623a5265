// A ceremony from its plan to its files: what a second start of the command does, and what it writes when the first
// was killed between two files.
import { expect, test } from "bun:test";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBls } from "#crypto/bls.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { encryptText } from "#crypto/passphrase.ts";
import type { KoraError } from "#lib/error.ts";
import { type HeldCeremony, type HoldOptions, holdCeremony } from "#node/ceremony/hold.ts";
import type { CeremonyPlan } from "#node/ceremony/plan.ts";
import { writeResult } from "#node/ceremony/results.ts";
import { openCeremonyStore } from "#node/ceremony/store.ts";
import { hash } from "#types/ids.ts";
import { testFolders } from "../support/lifetimes.ts";
import { createMemoryNetwork } from "../support/memory-transport.ts";
import { createRng } from "../support/rng.ts";

const PASSPHRASE = "correct horse";
const rng = createRng(11);
const folder = testFolders();

/** The plan of the first of `count` participants; nobody else takes part. */
function planFor(count: number): CeremonyPlan {
  const dir = folder();
  const identities = Array.from({ length: count }, () => identityFromSeed(rng.bytes(32)));
  const file = (name: string): string => join(dir, name);
  return {
    identity: identities[0] as CeremonyPlan["identity"],
    passphrase: undefined,
    participants: identities.map(({ publicKey }) => publicKey).sort(),
    chain: hash(rng.bytes(32)),
    chainId: 1n,
    files: { share: file("share.key"), output: file("output.json"), store: file("ceremony.db") },
    listen: "127.0.0.1:0",
    peers: [],
  };
}

async function hold(
  plan: CeremonyPlan,
  options: Partial<HoldOptions>,
): Promise<{ readonly held: HeldCeremony | undefined; readonly begun: string; readonly hint: string }> {
  let begun = "";
  let hint = "";
  const held = await holdCeremony(plan, {
    restart: false,
    round: undefined,
    deadlineMs: 60_000,
    lingerMs: 0,
    timeoutMs: undefined,
    acceptExposed: false,
    bls: await openBls(),
    openTransport: () => createMemoryNetwork().join(plan.identity.publicKey),
    listening: () => {},
    begun: (round, resumed) => {
      begun = `${resumed ? "goes on with" : "begins"} ${round}`;
    },
    news: () => {},
    signal: new AbortController().signal,
    ...options,
  }).catch((error: KoraError) => {
    hint = error.hint ?? "";
    return undefined;
  });
  return { held, begun, hint };
}

test("--force-restart begins one round each time it is given, and the hint how to go on says so", async () => {
  const plan = planFor(2);
  const again = "run the same command again: it goes on";
  const first = await hold(plan, { timeoutMs: 1 });
  expect(first.begun).toBe("begins 1");
  expect(first.hint).toStartWith(again);
  expect((await hold(plan, { timeoutMs: 1 })).begun).toBe("goes on with 1");
  const restarted = await hold(plan, { restart: true, timeoutMs: 1 });
  expect(restarted.begun).toBe("begins 2");
  expect(restarted.hint).toContain("again without --force-restart");
  expect((await hold(plan, { timeoutMs: 1 })).begun).toBe("goes on with 2");
  const numbered = await hold(plan, { restart: true, round: 5, timeoutMs: 1 });
  expect(numbered.begun).toBe("begins 5");
  expect(numbered.hint).toStartWith(again);
  expect((await hold(plan, { restart: true, round: 5, timeoutMs: 1 })).begun).toBe("goes on with 5");
}, 30_000);

test("records restored from a backup, or gone, are not gone on with: a round is only ever spoken in once", async () => {
  const plan = planFor(2);
  const { store } = plan.files;
  const older = planFor(2).files.store;
  await hold(plan, { timeoutMs: 1 });
  copyFileSync(store, older);
  // Its own log, which nobody else acknowledges: with both members the round would say more.
  const opened = openCeremonyStore(store, plan.identity.revealSeed());
  const said = { kind: "log", log: new Uint8Array(3) } as const;
  opened.append(plan.chain, 1, said);
  opened[Symbol.dispose]();
  for (const spoil of [() => copyFileSync(older, store), () => rmSync(store)]) {
    spoil();
    for (const options of [{}, { round: 1 }, { restart: true, round: 1 }]) {
      const refused = await hold(plan, { ...options, timeoutMs: 1 });
      expect(refused).toMatchObject({ held: undefined, begun: "" });
      expect(refused.hint).toContain(options.restart === true ? "--force-restart" : "newest ceremony.db");
    }
  }
  // The operator's word begins another round, and that one goes on.
  expect((await hold(plan, { restart: true, timeoutMs: 1 })).begun).toBe("begins 2");
  expect((await hold(plan, { timeoutMs: 1 })).begun).toBe("goes on with 2");
}, 30_000);

test("a guard that cannot be read is no leave to speak", async () => {
  const plan = planFor(2);
  await hold(plan, { timeoutMs: 1 });
  const guard = plan.files.store.replace("ceremony.db", "ceremony.guard");
  for (const content of ["", "{}", "[]", '{"sequence":-1,"rounds":{}}', '{"sequence":1,"rounds":{"x":1}}']) {
    writeFileSync(guard, content);
    expect(await hold(plan, { timeoutMs: 1 })).toMatchObject({
      begun: "",
      hint: expect.stringContaining("restore it"),
    });
    expect(readFileSync(guard, "utf8")).toBe(content);
  }
}, 30_000);

for (const passphrase of [undefined, PASSPHRASE]) {
  const name = passphrase === undefined ? "plain" : "encrypted";
  test(`a share that was written without its output is completed (${name}), another one is kept`, async () => {
    const plan = { ...planFor(1), passphrase };
    const { held } = await hold(plan, {});
    const { rules, result } = held as HeldCeremony;
    const options = { bls: await openBls(), replace: false, passphrase };
    const output = readFileSync(plan.files.output, "utf8");
    rmSync(plan.files.output);
    await writeResult(plan.files, rules, result, options);
    expect(readFileSync(plan.files.output, "utf8")).toBe(output);
    const other = planFor(1);
    await hold(other, {});
    const text = readFileSync(other.files.share, "utf8");
    const foreign = passphrase === undefined ? text : await encryptText(text, passphrase, 4);
    writeFileSync(plan.files.share, foreign);
    rmSync(plan.files.output);
    await expect(writeResult(plan.files, rules, result, options)).rejects.toThrow("is there already");
    expect(readFileSync(plan.files.share)).toEqual(Buffer.from(foreign));
  }, 30_000);
}
