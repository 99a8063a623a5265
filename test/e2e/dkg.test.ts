// kora dkg between processes of the compiled binary over loopback: one killed and started again, one absent, wrong
// inputs of every kind.
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeShareFile } from "#crypto/keyfiles.ts";
import { decryptText, encryptText } from "#crypto/passphrase.ts";
import { toHex } from "#lib/bytes.ts";
import { type RunningKora, runKora, temporaryFolder, until } from "../support/kora.ts";
import { makeParticipants, type Participant, readOutput, signTogether, startDkg } from "./dkg-network.ts";

const FLAGS = ["--linger", "20", "--timeout", "60"] as const;
const PATIENCE_MS = 120_000;

const keyOf = (participant: Participant): string => toHex(readOutput(participant).key.groupPublicKey);

/** Everything a file of this participant holds, to see that nothing was changed. */
function contents({ folder }: Participant): string {
  const names = ["validator.key", "share.key", "output.json", "ceremony.db", "ceremony.guard"];
  return names
    .map((name) => join(folder, name))
    .map((path) => (existsSync(path) ? readFileSync(path).toHex() : "absent"))
    .join("\n");
}

/** A refusal: three lines, this exit code, no stack. */
function expectRefusal(run: { code: number; err: string }, code: number, words: string): void {
  const lines = run.err.trim().split("\n").slice(-3);
  expect(lines.map((line) => line.trimStart().split(":")[0])).toEqual(["error", "why", "try"]);
  expect(run.err).toContain(words);
  expect(run.err).not.toContain("    at ");
  expect(run.code).toBe(code);
}

/** Hex of a participant's identity seed and share. */
function secretsOf({ folder, share }: Participant): string[] {
  const { secret } = decodeShareFile(share, readFileSync(share, "utf8")).share;
  return [readFileSync(join(folder, "validator.key"), "utf8").trim(), secret.toHex()];
}

describe("kora dkg", () => {
  test(
    "four processes, one killed half-way and started again, end with one key",
    async () => {
      using root = temporaryFolder();
      const all = makeParticipants(root.path, 4);
      const [victim, ...others] = all as [Participant, ...Participant[]];
      const first = await startDkg(victim, ...FLAGS);
      const running: RunningKora[] = await Promise.all(others.map((one) => startDkg(one, ...FLAGS)));
      await until("an evaluation of another", () => /evaluations [2-4]\/4/.test(first.err()));
      await first.stop("SIGKILL");
      running.push(await startDkg(victim, ...FLAGS));
      const codes = await Promise.all(running.map((one) => one.exited));
      expect({
        codes,
        err: codes.every((code) => code === 0) ? "" : running.map((one) => one.err()),
      }).toEqual({
        codes: [0, 0, 0, 0],
        err: "",
      });
      expect(new Set(all.map(keyOf)).size).toBe(1);
      expect(readOutput(victim)).toMatchObject({ origin: "ceremony", round: 1, exposed: [] });
      expect(await signTogether(all.slice(0, 3))).toBe(true);
      expect(await signTogether(all.slice(1))).toBe(true);
      expect(statSync(victim.share).mode & 0o777).toBe(0o600);
      const printed = [first, ...running].map((one) => `${one.out()}${one.err()}`).join("");
      for (const secret of all.flatMap(secretsOf)) expect(printed).not.toContain(secret);

      // Run again it serves, changes nothing, and ends well.
      const before = contents(victim);
      const again = runKora(["dkg", "--config", victim.config, "--linger", "0"]);
      expect(again.code).toBe(0);
      expect(contents(victim)).toBe(before);
      for (const one of running) await one[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
    },
    PATIENCE_MS,
  );

  test(
    "one absent is named and exposed; the key is taken only with the operator's word; the late one gets it",
    async () => {
      using root = temporaryFolder();
      const all = makeParticipants(root.path, 4);
      const [absent, ...present] = all as [Participant, ...Participant[]];
      const flags = ["--timeout", "60", "--deadline", "1"];
      const refused = await Promise.all(present.map((one) => startDkg(one, ...flags, "--linger", "2")));
      for (const one of refused) {
        const code = await one.exited;
        expectRefusal({ code, err: one.err() }, 3, absent.key.slice(2));
        expect(one.err()).toContain("--accept-exposed");
      }
      for (const one of present) expect(existsSync(one.share)).toBe(false);
      const accepted = await Promise.all(
        present.map((one) => startDkg(one, ...flags, "--linger", "30", "--accept-exposed")),
      );
      const late = await startDkg(absent, ...flags, "--linger", "30", "--accept-exposed");
      expect(await Promise.all([...accepted, late].map((one) => one.exited))).toEqual([0, 0, 0, 0]);
      expect(new Set(all.map(keyOf)).size).toBe(1);
      expect(readOutput(absent).exposed).toEqual([0]);
      expect(await signTogether(all.slice(0, 3))).toBe(true);
      for (const one of [...refused, ...accepted, late]) await one[Symbol.asyncDispose]();
    },
    PATIENCE_MS,
  );

  test(
    "one participant alone makes a key; a second ceremony needs --force-restart and then replaces it",
    () => {
      using root = temporaryFolder();
      const [one] = makeParticipants(root.path, 1) as [Participant];
      const command = ["dkg", "--config", one.config];
      const json = runKora([...command, "--json"]);
      expect(json.code).toBe(0);
      const events = json.out
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line));
      expect(events.at(-1)).toMatchObject({ event: "finished", round: 1, threshold: 1, faults: [] });
      const before = keyOf(one);
      expect(runKora(command).code).toBe(0);
      expect(keyOf(one)).toBe(before);
      expect(runKora([...command, "--force-restart"]).code).toBe(0);
      expect(keyOf(one)).not.toBe(before);
      expect(readOutput(one).round).toBe(2);
      expectRefusal(runKora([...command, "--force-restart", "--round", "1"]), 2, "ever used twice");
    },
    PATIENCE_MS,
  );
});

describe("kora dkg with an encrypted validator key", () => {
  test(
    "encrypts the share with the same passphrase, and refuses a wrong one",
    async () => {
      using root = temporaryFolder();
      const [one] = makeParticipants(root.path, 1) as [Participant];
      const key = join(one.folder, "validator.key");
      const file = (name: string): string => join(root.path, name);
      const files = { right: file("right"), wrong: file("wrong"), weak: file("weak") };
      const command = ["dkg", "--config", one.config];
      writeFileSync(files.weak, "short\n");
      const plain = contents(one);
      expectRefusal(runKora([...command, "--passphrase-file", files.weak]), 2, "too short");
      expect(contents(one)).toBe(plain);
      writeFileSync(key, await encryptText(readFileSync(key, "utf8"), "correct horse", 4));
      writeFileSync(files.right, "correct horse\n");
      writeFileSync(files.wrong, "battery staple\n");
      const before = contents(one);
      expectRefusal(runKora(command), 2, "no passphrase");
      expectRefusal(runKora([...command, "--passphrase-file", files.wrong]), 2, "passphrase is wrong");
      expect(contents(one)).toBe(before);
      expect(runKora([...command, "--passphrase-file", files.right]).code).toBe(0);
      const share = readFileSync(one.share);
      expect(share.toString()).toContain("AGE ENCRYPTED FILE");
      const text = await decryptText(one.share, share, "correct horse");
      expect(decodeShareFile(one.share, text).share.index).toBe(0);
      expect(runKora([...command, "--passphrase-file", files.right]).code).toBe(0);
      expect(readFileSync(one.share)).toEqual(share);
    },
    PATIENCE_MS,
  );
});

describe("kora dkg refuses", () => {
  /** Runs with one thing wrong and expects a refusal that changes no file. */
  function refuses(
    code: number,
    words: string,
    spoil: (one: Participant, all: readonly Participant[]) => void,
    ...flags: readonly string[]
  ): void {
    using root = temporaryFolder();
    const all = makeParticipants(root.path, 4);
    const [one] = all as [Participant];
    spoil(one, all);
    const before = contents(one);
    expectRefusal(runKora(["dkg", "--config", one.config, "--timeout", "1", ...flags]), code, words);
    expect(contents(one)).toBe(before);
  }
  const edit = (path: string, from: string | RegExp, to: string): void =>
    writeFileSync(path, readFileSync(path, "utf8").replace(from, to));

  test("a participant listed twice, none at all, or one that is no key", () => {
    refuses(2, "twice", (one, all) =>
      edit(one.config, (all[1] as Participant).key.slice(2), one.key.slice(2)),
    );
    refuses(2, "participants is not set", (one) =>
      edit(one.config, /participants = .*/, "participants = []"),
    );
    refuses(2, "no ed25519 public key", (one, all) =>
      edit(one.config, (all[1] as Participant).key.slice(2), "00".repeat(32)),
    );
  });
  test("a list without this node's key", () => {
    refuses(2, "not among", (one) => edit(one.config, `"${one.key.slice(2)}", `, ""));
  });
  test("a threshold that is not the quorum", () => {
    refuses(2, "threshold", (one) => edit(one.config, "[consensus]", "[consensus]\nthreshold = 2"));
  });
  test("a validator key that is missing, readable by others, truncated or of another form", () => {
    const key = (one: Participant): string => join(one.folder, "validator.key");
    refuses(2, "validator_key", (one) => edit(one.config, /validator_key.*/, ""));
    refuses(2, "is not there", (one) => edit(one.config, "validator.key", "other.key"));
    refuses(3, "chmod 600", (one) => chmodSync(key(one), 0o644));
    refuses(3, "cannot be used", (one) => writeFileSync(key(one), "abcd"));
    refuses(3, "cannot be used", (one) => writeFileSync(key(one), ""));
  });
  test("to overwrite a share that it did not make", () => {
    using dealt = temporaryFolder();
    const dealer = runKora(["dkg", "deal", "--out", join(dealt.path, "keys"), "--validators", "4"]);
    expect(dealer.err).toContain("local networks");
    expect(dealer.code).toBe(0);
    refuses(3, "is there already", (one) => {
      writeFileSync(one.share, readFileSync(join(dealt.path, "keys/node0/share.key")), { mode: 0o600 });
    });
    refuses(3, "is there already", (one) => writeFileSync(one.output, "{}"));
    expectRefusal(
      runKora(["dkg", "deal", "--out", join(dealt.path, "keys"), "--validators", "4"]),
      3,
      "is there already",
    );
  });
  test(
    "records that were edited, truncated, or belong to another committee or key",
    () => {
      const stopped = (one: Participant): void => {
        // One second is enough to begin, and not to finish without the others.
        expect(runKora(["dkg", "--config", one.config, "--timeout", "1"]).code).toBe(1);
      };
      const file = (one: Participant): string => join(one.folder, "ceremony.db");
      refuses(3, "cannot be used", (one) => {
        stopped(one);
        const bytes = readFileSync(file(one));
        // Inside the sealed content of the newest record.
        const at = bytes.lastIndexOf("ceremony") + 40;
        bytes[at] = (bytes[at] as number) ^ 1;
        writeFileSync(file(one), bytes);
      });
      refuses(3, "cannot be used", (one) => {
        stopped(one);
        writeFileSync(file(one), readFileSync(file(one)).subarray(0, 5_000));
      });
      refuses(3, "older than what this node has said", (one) => {
        stopped(one);
        const backup = readFileSync(file(one));
        expect(runKora(["dkg", "--config", one.config, "--timeout", "1", "--force-restart"]).code).toBe(1);
        writeFileSync(file(one), backup);
      });
      refuses(3, "participants changed", (one, all) => {
        stopped(one);
        edit(one.config, `, "${(all[3] as Participant).key.slice(2)}"`, "");
      });
    },
    PATIENCE_MS,
  );
  test("a genesis that is not there, and a flag that is not known", () => {
    refuses(2, "genesis", (one) => edit(one.config, "genesis.json", "other.json"));
    refuses(2, "--force-restart", () => {}, "--force-restrat");
  });
});
