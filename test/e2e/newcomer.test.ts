// What somebody types who has never used it, from an empty folder with nothing running: each mistake is told in three
// lines with its exit code, and what was meant is found.
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runKora, startKora, temporaryFolder } from "../support/kora.ts";
import { freePorts } from "../support/network.ts";

const PATIENCE_MS = 30_000;

/** The three lines of an error, without their words before. */
function threeLines(err: string): string[] {
  const lines = err.trim().split("\n");
  expect(lines.map((line) => line.slice(0, 7))).toEqual(["error: ", "  why: ", "  try: "]);
  return lines.map((line) => line.slice(7));
}

describe("a mistake is told in three lines, with its exit code", () => {
  const nobody = `127.0.0.1:${freePorts(1)}`;
  test.each<[args: string[], code: number, what: string, why: string, hint: string]>([
    [["load", "--json", "--rpc-url", nobody], 1, nobody, "nothing listens there", "kora dev"],
    [
      ["load", "--rpc-url", "http://a,,b"],
      2,
      '--rpc-url cannot be "http://a,,b"',
      '""',
      "with commas between",
    ],
    [["status", "--rpc-url", "::::"], 2, '--rpc-url cannot be "::::"', "no address", "--rpc-url http://"],
    [["config", "check"], 2, "no configuration", "needs one", "--config node.toml"],
    [["dkg"], 2, "no configuration", "needs one", "kora testnet"],
    [["keys", "show"], 2, "validator.key is not there", "", "right path"],
    [["proof", "verify", "x"], 2, "--group-public-key is missing", "48 bytes", "output.json"],
    [["proof", "verify", "x", "--group-public-key", "zz"], 2, '--group-public-key cannot be "zz"', "48", ""],
    [["testnet", "--out", "net", "--gas-limit", "3"], 2, "--gas-limit cannot be", "from 5000", ""],
    [["dev", "--gas-limit", "3"], 2, "gas limit 3", "rules of Ethereum", "5000"],
    [["dev", "--port", "0", "--host", "nosuch.invalid"], 1, "nosuch.invalid", "by that name", "127.0.0.1"],
    [["devnet", "--dir", "/proc/self"], 3, "is not the folder of a local network", "devnet.json", "--dir"],
  ])(
    "%p",
    (args, code, what, why, hint) => {
      const run = runKora(args);
      const lines = threeLines(run.err);
      for (const [at, part] of [what, why, hint].entries()) expect(lines[at]).toContain(part);
      expect(run.code).toBe(code);
    },
    PATIENCE_MS,
  );

  test("a folder whose mark was changed is neither used nor wiped", () => {
    using folder = temporaryFolder();
    const dir = join(folder.path, "net");
    mkdirSync(dir);
    writeFileSync(join(dir, "devnet.json"), "{}");
    for (const flags of [[], ["--fresh"]]) {
      const run = runKora(["devnet", "--dir", dir, ...flags]);
      expect(threeLines(run.err)[0]).toContain("devnet.json is not as it was written");
      expect(run.code).toBe(3);
    }
  });
});

describe("a load", () => {
  test("that nobody can pay for is told what it takes", async () => {
    const words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    await using kora = await startKora(["dev", "--port", "0", "--silent", "--mnemonic", words]);
    const run = runKora(["load", "--json", "--rpc-url", kora.url, "--total-txs", "10"]);
    const [what, why, hint] = threeLines(run.err);
    expect(what).toContain("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266 cannot pay for this load");
    expect(why).toMatch(/^it holds 0 ETH on this chain, and the load may cost it [\d.]+ ETH$/);
    expect(hint).toContain("--funder-key FILE");
    expect([run.code, run.out]).toEqual([1, ""]);
  }, 30_000);

  test("can be looked at before, by people and by scripts", () => {
    const shown = runKora(["load", "--dry-run", "--rate", "5"]);
    expect([shown.code, shown.err]).toEqual([0, ""]);
    expect(shown.out).toContain("would send 1000 transactions of kind transfer, 5 a second");
    const told = runKora(["load", "--dry-run", "--json", "--kind", "swap"]);
    expect(JSON.parse(told.out)).toMatchObject({ kind: "swap", total: 1_000, rate: null });
  });
});

test("a status of nobody says why, beside its table or JSON", () => {
  const url = `http://127.0.0.1:${freePorts(1)}`;
  const shown = runKora(["status", "--rpc-url", url]);
  expect([shown.code, shown.out]).toEqual([1, expect.stringContaining("no answer")]);
  expect(shown.err).toContain(`no answer from ${url}: nothing listens there\n`);
  const told = runKora(["status", "--rpc-url", url, "--json"]);
  expect(JSON.parse(told.out)).toMatchObject([{ url, height: null, error: "nothing listens there" }]);
});

test.each([
  [
    ["keys", "--help"],
    ["kora keys generate", "kora keys show", "kora keys encrypt"],
  ],
  [
    ["config", "-h"],
    ["kora config check", "kora config print"],
  ],
  [["dkg", "--help"], ["kora dkg [flags]"]],
])("%p shows the help of what it names", (args, usages) => {
  const { code, out } = runKora(args);
  expect(code).toBe(0);
  expect(out.match(/^usage: /gm)).toHaveLength(usages.length);
  for (const usage of usages) expect(out).toContain(`usage: ${usage}`);
});
