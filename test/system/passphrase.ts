// Passphrases asked for on a real terminal (tmux): not shown while they are typed, corrected with backspace, taken back
// with Ctrl-C, and the terminal as it was afterwards.
import { afterAll, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decryptText, isEncrypted } from "#crypto/passphrase.ts";
import { koraBinary } from "../support/kora.ts";
import { openTerminal } from "../support/tmux.ts";

const WORD = "grüne Äpfel 🍏 und Birnen";
const terminal = openTerminal();
const { type, write, see, screen } = terminal;
const file = (name: string): string => join(terminal.folder, name);
beforeEach(() => terminal.restart());
afterAll(() => terminal[Symbol.dispose]());

/** Runs a command of the binary; the next prompt of the shell tells its exit code. */
const run = (command: string): void => {
  write(`${koraBinary()} ${command}; echo ended-with-$?`);
  type("Enter");
};

test("a new passphrase is asked for twice, shown never, and opens what it closed", async () => {
  run("keys generate secret.key --encrypt");
  await see(/new passphrase: $/m);
  write(`${WORD}x`);
  type("BSpace", "Enter");
  await see(/once more: $/m);
  write(WORD);
  type("Enter");
  await see(/ended-with-0\s*$/m);
  for (const piece of WORD.split(" ")) expect(screen()).not.toContain(piece);
  const content = readFileSync(file("secret.key"));
  expect(isEncrypted(content)).toBe(true);
  expect(await decryptText("secret.key", content, WORD)).toMatch(/^[0-9a-f]{64}\n$/);

  run("keys show secret.key");
  await see(/^passphrase: $/m);
  write(WORD);
  type("Enter");
  expect(await see(/ended-with-0[\s\S]*ended-with-0\s*$/m)).toMatch(/public key +[0-9a-f]{64}/);
  // The terminal shows again what is typed.
  write("echo it-echoes");
  await see(/echo it-echoes$/m);
}, 120_000);

test("two that differ, none, a wrong one and Ctrl-C are three lines, and nothing is written or changed", async () => {
  run("keys generate other.key --encrypt");
  await see(/new passphrase: $/m);
  write("correct horse");
  type("Enter");
  await see(/once more: $/m);
  write("correct house");
  type("Enter");
  expect(await see(/ended-with-2\s*$/m)).toContain("the two passphrases differ");
  for (const answer of ["Enter", "C-c"]) {
    terminal.restart();
    run("keys generate other.key --encrypt");
    await see(/new passphrase: $/m);
    type(answer);
    expect(await see(/ended-with-2\s*$/m)).toMatch(/error: no passphrase could be read\n +why: .*\n +try: /);
  }
  terminal.restart();
  expect(existsSync(file("other.key"))).toBe(false);
  const before = readFileSync(file("secret.key"));
  run("keys show secret.key");
  await see(/^passphrase: $/m);
  write("battery staple");
  type("Enter");
  expect(await see(/ended-with-2\s*$/m)).toContain("passphrase is wrong");
  expect(readFileSync(file("secret.key"))).toEqual(before);
}, 120_000);
