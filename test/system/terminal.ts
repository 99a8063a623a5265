// `kora dev` and `kora help` on a real terminal (tmux): what a person sees, and Ctrl-C.
import { afterAll, beforeEach, expect, test } from "bun:test";
import { resolve } from "node:path";
import { koraBinary } from "../support/kora.ts";
import { COLUMNS, openTerminal } from "../support/tmux.ts";

const ROOT = resolve(import.meta.dir, "../..");
const terminal = openTerminal();
const { type, see } = terminal;
beforeEach(() => terminal.restart());
afterAll(() => terminal[Symbol.dispose]());

test("kora dev shows its accounts, logs a block for a person, and Ctrl-C ends it cleanly", async () => {
  type(`${koraBinary()} dev --port 0 --accounts 2`, "Enter");
  const shown = await see(/Listening on 127\.0\.0\.1:\d+/);
  expect(shown).toContain("(1) 0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
  expect(shown).toContain("everybody knows them");
  const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(shown)?.[1];
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "evm_mine", params: [] });
  await fetch(`http://127.0.0.1:${port}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const logged = await see(/INFO\s+chain\s+block final height=1/);
  expect(logged).not.toContain('{"level"');
  type("C-c");
  type("echo ended-with-$?", "Enter");
  await see(/ended-with-0\s*$/m);
}, 60_000);

test("npm start -- --port 0 ends cleanly on Ctrl-C too, which npm passes on once more", async () => {
  type(`cd ${ROOT} && npm start -- --port 0 --silent; echo ended-with-$?`, "Enter");
  await see(/Listening on 127\.0\.0\.1:\d+/);
  type("C-c");
  await see(/ended-with-0\s*$/m);
}, 120_000);

test("help fits a terminal and ends with 0", async () => {
  type(`${koraBinary()} help; echo ended-with-$?`, "Enter");
  const shown = await see(/ended-with-0\s*$/m);
  for (const line of shown.split("\n")) expect(line.length).toBeLessThanOrEqual(COLUMNS);
  expect(shown).toContain("kora dev");
}, 60_000);

test("a mistake is three lines", async () => {
  type(`${koraBinary()} dve; echo ended-with-$?`, "Enter");
  const shown = await see(/ended-with-2\s*$/m);
  expect(shown).toContain('try: did you mean "kora dev"?');
}, 60_000);
