// The command line as an operator types it, mistakes above all: each has its three lines and exit code 2.
import { describe, expect, test } from "bun:test";
import { findCommand, integerFlag, parseArgs, textFlag } from "#cli/args.ts";
import type { Command } from "#cli/command.ts";
import { runCli } from "#cli/run.ts";
import { commands } from "#cli/table.ts";
import { KoraError } from "#lib/error.ts";

const sample: Command = {
  name: "sample",
  summary: "A command for this test.",
  flags: [
    { name: "port", short: "p", value: "PORT", summary: "a number" },
    { name: "level", value: "LEVEL", summary: "a word", choices: ["low", "high"] },
    { name: "silent", summary: "a switch" },
  ],
  operands: ["FILE", "[SECOND]"],
  load: () => Promise.reject(new KoraError("never loaded", { code: "TEST" })),
};

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(argv, {
    env: {},
    signal: new AbortController().signal,
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    terminal: { interactive: false, columns: 80, write: (text) => err.push(text) },
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

describe("parseArgs", () => {
  test("reads every spelling of a flag", () => {
    for (const words of [["--port", "1"], ["--port=1"], ["-p", "1"]]) {
      expect(textFlag(parseArgs(sample, [...words, "file"]), "port")).toBe("1");
    }
    const args = parseArgs(sample, ["a", "--silent", "--", "--port"]);
    expect(args.operands).toEqual(["a", "--port"]);
    expect(args.flags.get("silent")).toBe(true);
  });

  test.each([
    [["--prot", "1", "f"], "did you mean --port?"],
    [["-x", "f"], "lists its flags"],
    [["f", "--port"], "--port PORT"],
    [["f", "--level", "hihg"], "--level high"],
    [["f", "--silent=yes"], "--silent"],
    [["f", "--port", "1", "--port", "2"], "leave one"],
    [[], "kora sample FILE [SECOND]"],
    [["a", "b", "c"], "kora sample --help"],
  ])("refuses %p", (words, hint) => {
    try {
      parseArgs(sample, words);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(KoraError);
      expect((thrown as KoraError).exitCode).toBe(2);
      expect((thrown as KoraError).hint).toContain(hint);
    }
  });

  test.each(["-1", "1e3", "70000", "0x10", "", "1.5", "1_000"])("a port cannot be %p", (text) => {
    const args = { flags: new Map([["port", text]]), operands: [] };
    expect(() => integerFlag(args, "port", { min: 0, max: 65_535 })).toThrow("--port cannot be");
  });
});

describe("findCommand", () => {
  test("the longest name wins, and mistakes name the nearest", () => {
    expect(findCommand(commands, ["config", "check", "--config", "x"]).command.name).toBe("config check");
    expect(() => findCommand(commands, ["config"])).toThrow('"kora config" is not a command');
    try {
      findCommand(commands, ["verison"]);
      expect.unreachable();
    } catch (thrown) {
      expect((thrown as KoraError).hint).toBe('did you mean "kora version"?');
    }
  });
});

describe("runCli", () => {
  test("version tells what it was built from, as JSON too", async () => {
    const { code, out } = await run("version", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ name: "kora", bun: Bun.version });
    expect((await run("--version")).out).toStartWith("kora ");
  });

  test("no argument is a wrong use, help is not", async () => {
    expect((await run()).code).toBe(2);
    const help = await run("help");
    expect(help.code).toBe(0);
    for (const { name } of commands) expect(help.out).toContain(name);
  });

  test("every command has help that names its flags", async () => {
    for (const command of commands) {
      const words = command.name === "" ? ["--config", "node.toml"] : command.name.split(" ");
      const { code, out } = await run(...words, "--help");
      expect(code).toBe(0);
      for (const flag of command.flags) expect(out).toContain(`--${flag.name}`);
    }
  });

  test("names of commands and of a command's flags are unique", () => {
    expect(new Set(commands.map((command) => command.name)).size).toBe(commands.length);
    for (const command of commands) {
      const names = command.flags.flatMap((flag) => [flag.name, flag.short ?? flag.name]);
      expect(new Set(names).size).toBe(
        new Set(command.flags.map((flag) => flag.name)).size +
          command.flags.filter((flag) => flag.short !== undefined).length,
      );
    }
  });

  test("an error is three lines and a code", async () => {
    const { code, err } = await run("config", "check", "--config", "/nowhere/node.toml");
    expect(code).toBe(2);
    expect(err.split("\n").map((line) => line.slice(0, 7))).toEqual(["error: ", "  why: ", "  try: "]);
  });

  test.each(["bash", "zsh", "fish"])("completions of %s know every command and flag", async (shell) => {
    const { code, out } = await run("completions", shell);
    expect(code).toBe(0);
    for (const command of commands) {
      for (const word of command.name.split(" ")) expect(out).toContain(word);
      for (const flag of command.flags) expect(out).toContain(flag.name);
    }
  });

  test("completions of another shell are refused", async () => {
    expect((await run("completions", "tcsh")).code).toBe(2);
  });
});

test("the bash completions are valid bash and complete a word", async () => {
  const { out } = await run("completions", "bash");
  const script = `${out}\nCOMP_WORDS=(kora ver); COMP_CWORD=1; _kora; echo "\${COMPREPLY[@]}"
COMP_WORDS=(kora config ch); COMP_CWORD=2; _kora; echo "\${COMPREPLY[@]}"
COMP_WORDS=(kora config check --network-l); COMP_CWORD=3; _kora; echo "\${COMPREPLY[@]}"`;
  const shell = Bun.spawnSync(["bash", "-c", script]);
  expect(shell.stderr.toString()).toBe("");
  expect(shell.stdout.toString().trim().split("\n")).toEqual(["version", "check", "--network-listen-addr"]);
});
