// A validator of the compiled binary whose key files or committee are wrong: three lines that say what to do, exit code
// 2 or 3, and every file as it was.
import { afterAll, expect, test } from "bun:test";
import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encryptText } from "#crypto/passphrase.ts";
import { runKora, temporaryFolder } from "../support/kora.ts";

const PASSPHRASE = "correct horse battery staple";
const TIMEOUT = 60_000;
/** Ports of the system's choice, and a free choice of data directory: nothing but what is under test is in the way. */
const FREE = [
  ["--network-listen-addr", "127.0.0.1:0"],
  ["--rpc-http-addr", "127.0.0.1:0"],
  ["--metrics-addr", "127.0.0.1:0"],
].flat();

const root = temporaryFolder();
afterAll(() => root[Symbol.dispose]());

function dealt(name: string): string {
  const out = join(root.path, name);
  const made = runKora(["testnet", "--out", out, "--validators", "4", "--trusted-dealer"]);
  expect({ code: made.code, err: made.err.includes("error") }).toEqual({ code: 0, err: false });
  return out;
}

const network = dealt("net");
const foreign = dealt("foreign");

/** The files that belong to the operator; a data directory is the node's own. */
function contents(folder: string): string {
  const names = readdirSync(folder).filter((name) => name !== "data");
  return names
    .sort()
    .map((name) => `${name} ${readFileSync(join(folder, name)).toHex()}`)
    .join("\n");
}

let copies = 0;
/** Spoils a copy of one validator's folder and expects a refusal that changes nothing. */
async function refused(
  code: 2 | 3,
  words: string,
  spoil: (at: (name: string) => string) => void | Promise<void>,
  ...flags: readonly string[]
): Promise<void> {
  const folder = join(root.path, `copy${copies++}`);
  cpSync(join(network, "node0"), folder, { recursive: true });
  await spoil((name) => join(folder, name));
  const before = contents(folder);
  const run = runKora(["--config", join(folder, "node.toml"), ...FREE, ...flags]);
  const said = run.err.split("\n").filter((line) => /^ *(error|why|try):/.test(line));
  expect({ code: run.code, lines: said.length, err: run.err }).toEqual({
    code,
    lines: 3,
    err: expect.stringContaining(words),
  });
  expect(run.err).not.toContain("    at ");
  const secret = /[0-9a-f]{64}/.exec(readFileSync(join(network, "node0", "share.key"), "utf8"))?.[0];
  expect(run.err).not.toContain(secret as string);
  expect(contents(folder)).toBe(before);
}

const edit = (path: string, from: string | RegExp, to: string | ((...parts: string[]) => string)): void => {
  const text = readFileSync(path, "utf8");
  const changed = typeof to === "string" ? text.replace(from, to) : text.replace(from, to);
  expect(changed).not.toBe(text);
  writeFileSync(path, changed);
};
const flip = (digit: string | undefined): string => (digit === "0" ? "1" : "0");

test(
  "a committee of another size, with a member twice, or with a threshold that is not the quorum",
  async () => {
    const third = /^ {2}"[0-9a-f]{64}",\n/m;
    await refused(2, "not those of the group's key", (at) => edit(at("node.toml"), third, ""));
    await refused(2, "twice", (at) => {
      const [line] = third.exec(readFileSync(at("node.toml"), "utf8")) as unknown as [string];
      edit(at("node.toml"), line, `${line}${line}`);
    });
    for (const threshold of [2, 4]) {
      await refused(2, "threshold", (at) =>
        edit(at("node.toml"), "[consensus]", `[consensus]\nthreshold = ${threshold}`),
      );
    }
  },
  TIMEOUT,
);

test(
  "a share, or the public half, of another ceremony",
  async () => {
    const other = (name: string): Buffer => readFileSync(join(foreign, "node0", name));
    await refused(3, "share", (at) => writeFileSync(at("share.key"), other("share.key"), { mode: 0o600 }));
    await refused(2, "participants", (at) => {
      writeFileSync(at("output.json"), other("output.json"));
      writeFileSync(at("share.key"), other("share.key"), { mode: 0o600 });
    });
    await refused(3, "share", (at) => {
      const mine = JSON.parse(readFileSync(at("output.json"), "utf8"));
      const theirs = JSON.parse(other("output.json").toString());
      writeFileSync(at("output.json"), JSON.stringify({ ...theirs, participants: mine.participants }));
    });
    await refused(3, "another participant's", (at) =>
      writeFileSync(at("share.key"), readFileSync(join(network, "node1", "share.key"))),
    );
  },
  TIMEOUT,
);

test(
  "a file that was truncated or edited",
  async () => {
    for (const name of ["share.key", "output.json", "validator.key"]) {
      await refused(3, `${name} cannot be used`, (at) =>
        writeFileSync(at(name), readFileSync(at(name)).subarray(0, 40)),
      );
      await refused(3, `${name} cannot be used`, (at) => writeFileSync(at(name), ""));
    }
    await refused(3, "share", (at) =>
      edit(
        at("share.key"),
        /("secret": "[0-9a-f]{63})([0-9a-f])/,
        (...[, head, last]) => `${head}${flip(last)}`,
      ),
    );
    await refused(3, "group", (at) =>
      edit(
        at("share.key"),
        /("group_public_key": ".{10})(.)/,
        (...[, head, digit]) => `${head}${flip(digit)}`,
      ),
    );
    for (const member of ["group_public_key", "public_polynomial"]) {
      const digit = new RegExp(`("${member}": [^0-9a-f]*[0-9a-f]{20})([0-9a-f])`);
      await refused(3, "output.json", (at) =>
        edit(at("output.json"), digit, (...[, head, old]) => `${head}${flip(old)}`),
      );
    }
    await refused(3, "threshold", (at) => edit(at("output.json"), '"threshold": 3', '"threshold": 2'));
  },
  TIMEOUT,
);

test(
  "a secret that others can read, and one under another passphrase",
  async () => {
    for (const name of ["share.key", "validator.key"]) {
      await refused(3, "chmod 600", (at) => chmodSync(at(name), 0o640));
    }
    const word = join(root.path, "word");
    writeFileSync(word, "battery staple\n");
    const locked = await encryptText(
      readFileSync(join(network, "node0", "share.key"), "utf8"),
      PASSPHRASE,
      4,
    );
    const flags = ["--passphrase-file", word];
    await refused(2, "passphrase is wrong", (at) => writeFileSync(at("share.key"), locked), ...flags);
    await refused(2, "no passphrase", (at) => writeFileSync(at("share.key"), locked));
    await refused(
      3,
      "share.key cannot be used",
      (at) => writeFileSync(at("share.key"), locked.subarray(0, locked.length - 80)),
      ...flags,
    );
  },
  TIMEOUT,
);

test("a dealer asked for no, too many or a strange number of shares makes nothing", () => {
  for (const count of ["0", "-1", "257", "4.5", "four", ""]) {
    const out = join(root.path, `deal-${count}`);
    const run = runKora(["dkg", "deal", "--out", out, "--validators", count]);
    expect({ count, code: run.code, lines: run.err.trimEnd().split("\n").length }).toEqual({
      count,
      code: 2,
      lines: 3,
    });
    expect(readdirSync(root.path)).not.toContain(`deal-${count}`);
  }
});
