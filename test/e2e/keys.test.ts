// kora keys on the compiled binary: files and modes, passphrases from pipes, refusals that overwrite nothing, and no
// secret in anything that is printed.
import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { Decrypter } from "age-encryption";
import { encryptText } from "#crypto/passphrase.ts";
import { koraBinary, runKora, startKora, temporaryFolder, until } from "../support/kora.ts";

const PASSPHRASE = "correct horse battery staple";
const TIMEOUT = 60_000;
const mode = (path: string): number => statSync(path).mode & 0o777;

/** Three lines on stderr, nothing on stdout, and the exit code. */
function expectRefusal(run: { code: number; out: string; err: string }, code: number, text: string): void {
  expect({ code: run.code, out: run.out }).toEqual({ code, out: "" });
  expect(run.err.trimEnd().split("\n").length).toBe(3);
  expect(run.err).toContain(text);
  expect(run.err).not.toContain("    at ");
}

/** A folder with a plain identity, its seed in hex, and a file with the passphrase. */
function withKey() {
  const folder = temporaryFolder();
  const file = join(folder.path, "validator.key");
  const made = runKora(["keys", "generate", file, "--json"]);
  const word = join(folder.path, "word");
  writeFileSync(word, `${PASSPHRASE}\n`, { mode: 0o600 });
  return { folder, file, word, made, seed: readFileSync(file, "utf8").trim() };
}

test(
  "generate makes a key that nobody else can read, show tells its public half, neither the secret",
  () => {
    const { folder, file, made, seed } = withKey();
    using _ = folder;
    expect(made.code).toBe(0);
    expect(mode(file)).toBe(0o600);
    const publicKey = ed25519.getPublicKey(Uint8Array.fromHex(seed)).toHex();
    expect(JSON.parse(made.out)).toEqual({ file, publicKey, encrypted: false });
    const shown = runKora(["keys", "show", file]);
    expect(shown.code).toBe(0);
    expect(shown.out).toContain(publicKey);
    for (const text of [made.out, made.err, shown.out, shown.err]) expect(text).not.toContain(seed);
    expect(readdirSync(folder.path).sort()).toEqual(["validator.key", "word"]);
  },
  TIMEOUT,
);

test(
  "an existing key is never overwritten",
  () => {
    const { folder, file, seed } = withKey();
    using _ = folder;
    expectRefusal(runKora(["keys", "generate", file]), 3, "is there already");
    expect(readFileSync(file, "utf8").trim()).toBe(seed);
    expect(readdirSync(folder.path).sort()).toEqual(["validator.key", "word"]);
    expectRefusal(
      runKora(["keys", "generate", join(folder.path, "absent/validator.key")]),
      1,
      "cannot be written",
    );
  },
  TIMEOUT,
);

test(
  "a secret that others can read is refused with the command that fixes it",
  () => {
    const { folder, file } = withKey();
    using _ = folder;
    for (const open of [0o640, 0o604, 0o644, 0o660]) {
      chmodSync(file, open);
      expectRefusal(runKora(["keys", "show", file]), 3, `chmod 600 ${file}`);
      expectRefusal(runKora(["keys", "encrypt", file]), 3, `chmod 600 ${file}`);
    }
  },
  TIMEOUT,
);

test(
  "encrypt replaces the file by what the passphrase opens, for other tools too",
  async () => {
    const { folder, file, word, made, seed } = withKey();
    using _ = folder;
    const encrypted = runKora(["keys", "encrypt", file, "--passphrase-file", word]);
    expect({ code: encrypted.code, err: encrypted.err }).toEqual({ code: 0, err: "" });
    expect(mode(file)).toBe(0o600);
    const content = readFileSync(file, "utf8");
    expect(content).not.toContain(seed);
    const decrypter = new Decrypter();
    decrypter.addPassphrase(PASSPHRASE);
    const body = content
      .split("\n")
      .filter((line) => !line.startsWith("-----"))
      .join("");
    expect((await decrypter.decrypt(Uint8Array.fromBase64(body), "text")).trim()).toBe(seed);
    const shown = runKora(["keys", "show", file, "--json", "--passphrase-file", word]);
    expect(JSON.parse(shown.out)).toEqual({ ...JSON.parse(made.out), encrypted: true });
    expectRefusal(runKora(["keys", "encrypt", file, "--passphrase-file", word]), 2, "encrypted already");
    writeFileSync(word, "another passphrase\n");
    expectRefusal(runKora(["keys", "show", file, "--passphrase-file", word]), 2, "passphrase is wrong");
    expectRefusal(runKora(["keys", "show", file]), 2, "no passphrase could be read");
    expect(readFileSync(file, "utf8")).toBe(content);
  },
  TIMEOUT,
);

test(
  "the passphrase comes through a FIFO or a descriptor",
  async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "validator.key");
    const fifo = join(folder.path, "fifo");
    expect(Bun.spawnSync(["mkfifo", "-m", "600", fifo]).exitCode).toBe(0);
    const run = Bun.spawn([koraBinary(), "keys", "generate", file, "--passphrase-file", fifo], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const writer = Bun.spawn(["sh", "-c", `printf '%s\\n' "$WORD" > "$FIFO"`], {
      env: { WORD: PASSPHRASE, FIFO: fifo, PATH: process.env["PATH"] ?? "" },
    });
    await writer.exited;
    expect(await run.exited).toBe(0);
    expect(readFileSync(file, "utf8")).toStartWith("-----BEGIN AGE ENCRYPTED FILE-----");
    const script = `exec 3<<END\n${PASSPHRASE}\nEND\nexec ${koraBinary()} keys show ${file} --passphrase-file /dev/fd/3`;
    const shown = Bun.spawnSync(["sh", "-c", script]);
    expect({ code: shown.exitCode, err: shown.stderr.toString() }).toEqual({ code: 0, err: "" });
  },
  TIMEOUT,
);

test(
  "a validator opens its encrypted keys, wherever they are, with a passphrase that is given once",
  async () => {
    using folder = temporaryFolder();
    const out = join(folder.path, "net");
    const dealt = runKora(["testnet", "--out", out, "--validators", "4", "--trusted-dealer"]);
    expect(dealt.code).toBe(0);
    const at = (name: string): string => join(out, "node0", name);
    const seed = readFileSync(at("validator.key"), "utf8").trim();
    const { secret } = JSON.parse(readFileSync(at("share.key"), "utf8"));
    for (const name of ["validator.key", "share.key"]) {
      writeFileSync(at(name), await encryptText(readFileSync(at(name), "utf8"), PASSPHRASE, 4));
    }
    renameSync(at("share.key"), join(folder.path, "elsewhere.key"));
    const config = readFileSync(at("node.toml"), "utf8");
    const section = `[consensus]\nshare_key = "${join(folder.path, "elsewhere.key")}"`;
    writeFileSync(at("node.toml"), config.replace("[consensus]", section));
    const free = ["--network-listen-addr", "127.0.0.1:0", "--rpc-http-addr", "127.0.0.1:0"];
    const args = ["--config", at("node.toml"), ...free, "--metrics-addr", "127.0.0.1:0"];
    expectRefusal(runKora(args), 2, "no passphrase could be read");
    const fifo = join(folder.path, "fifo");
    expect(Bun.spawnSync(["mkfifo", "-m", "600", fifo]).exitCode).toBe(0);
    const writer = Bun.spawn(["sh", "-c", `printf '%s\\n' "$WORD" > "$FIFO"`], {
      env: { WORD: PASSPHRASE, FIFO: fifo, PATH: process.env["PATH"] ?? "" },
    });
    await using node = await startKora([...args, "--passphrase-file", fifo]);
    expect(await writer.exited).toBe(0);
    await until("it says that it validates", () => `${node.out()}${node.err()}`.includes('"threshold":3'));
    const metricsAddress = /"address":"([^"]+)"/.exec(node.err())?.[1];
    const metrics = await (await fetch(`http://${metricsAddress}/metrics`)).text();
    expect(metrics).toContain("kora_info");
    expect(await node.stop()).toBe(0);
    const said = `${node.out()}${node.err()}`;
    expect(said).not.toContain("only follows");
    for (const hidden of [seed, secret, PASSPHRASE]) {
      expect(said).not.toContain(hidden);
      expect(metrics).not.toContain(hidden);
    }
  },
  TIMEOUT,
);

test(
  "a weak passphrase leaves the file as it was",
  () => {
    const { folder, file, word, seed } = withKey();
    using _ = folder;
    for (const weak of ["short", ""]) {
      writeFileSync(word, `${weak}\n`);
      expect(runKora(["keys", "encrypt", file, "--passphrase-file", word]).code).toBe(2);
      expect(readFileSync(file, "utf8").trim()).toBe(seed);
    }
  },
  TIMEOUT,
);

describe("files that are no keys", () => {
  test.each(["", "nonsense", "00".repeat(31), "{}", '{"index":0,"secret":"00"}', "\u0000\u0001"])(
    "%j",
    (content) => {
      using folder = temporaryFolder();
      const file = join(folder.path, "validator.key");
      writeFileSync(file, content, { mode: 0o600 });
      expectRefusal(runKora(["keys", "show", file]), 3, "cannot be used");
      expectRefusal(runKora(["keys", "encrypt", file]), 3, "cannot be used");
      expect(readFileSync(file, "utf8")).toBe(content);
    },
    TIMEOUT,
  );
  test("a file that is not there", () => {
    expectRefusal(runKora(["keys", "show", "/nonexistent/validator.key"]), 2, "is not there");
  });
});

test(
  "what a dealer wrote is shown without its secrets",
  () => {
    using folder = temporaryFolder();
    const out = join(folder.path, "net");
    expect(runKora(["dkg", "deal", "--out", out, "--validators", "4"]).code).toBe(0);
    const at = (name: string): string => join(out, "node0", name);
    const share = JSON.parse(readFileSync(at("share.key"), "utf8"));
    const shown = runKora(["keys", "show", at("share.key"), "--json"]);
    const facts = JSON.parse(shown.out);
    expect(facts).toMatchObject({ shareIndex: 0, groupPublicKey: share.group_public_key });
    expect(`${shown.out}${shown.err}`).not.toContain(share.secret);
    const output = runKora(["keys", "show", at("output.json")]);
    expect(output.out).toContain("3 of 4");
    expect(output.out).toContain("local networks only");
    const text = readFileSync(at("share.key"), "utf8").replace('"index": 0', '"index": true');
    writeFileSync(at("share.key"), text);
    const broken = runKora(["keys", "show", at("share.key")]);
    expectRefusal(broken, 3, "index");
    expect(broken.err).not.toContain(share.secret);
  },
  TIMEOUT,
);

test(
  "where no native code can be loaded, the portable one deals the same kind of key",
  () => {
    using folder = temporaryFolder();
    const out = join(folder.path, "net");
    const run = Bun.spawnSync([koraBinary(), "dkg", "deal", "--out", out, "--validators", "4"], {
      // Native parts are unpacked here before they are loaded.
      env: { TMPDIR: "/proc" },
      cwd: folder.path,
    });
    expect({ code: run.exitCode, err: run.stderr.toString().includes("Error") }).toEqual({
      code: 0,
      err: false,
    });
    const shown = runKora(["keys", "show", join(out, "node3", "share.key"), "--json"]);
    expect(JSON.parse(shown.out)).toMatchObject({ shareIndex: 3 });
  },
  TIMEOUT,
);
