// Runs a file with the Bun that package-lock.json pins, on a machine that has only Node or only Bun: installs what
// is missing first, never running install scripts of packages. Plain JavaScript, because nothing is installed yet.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** Ends with three lines: what, why, what to do. */
function fail(what, why, hint) {
  process.stderr.write(`error: ${what}\n  why: ${why}\n  try: ${hint}\n`);
  process.exit(1);
}

function readLock(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages ?? {};
  } catch {
    return undefined;
  }
}

/** Whether node_modules holds the versions that package-lock.json names (packages of other platforms aside). */
function installed() {
  const wanted = readLock(join(ROOT, "package-lock.json"));
  const present = readLock(join(ROOT, "node_modules/.package-lock.json"));
  if (wanted === undefined || present === undefined) return existsSync(join(ROOT, "node_modules/bun"));
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = present[path];
    return found === undefined
      ? entry.optional === true || entry.peer === true
      : found.version === entry.version;
  });
}

/** Runs `command` to its end, its output on stderr so that stdout stays the caller's. */
function run(command, args) {
  return spawnSync(command, args, {
    cwd: ROOT,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
}

function install() {
  process.stderr.write("installing the packages of package-lock.json\n");
  const npm = run("npm", [
    "install",
    "--no-save",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]);
  const result = npm.error === undefined ? npm : run("bun", ["install", "--ignore-scripts", "--no-save"]);
  if (result.error !== undefined) {
    fail(
      "the packages could not be installed",
      "neither npm nor bun was found",
      "install Node 20 or later with npm",
    );
  }
  if (result.status !== 0) {
    fail(
      "the packages could not be installed",
      `the installer ended with code ${result.status}`,
      "check the network and the registry settings, then run the same command again",
    );
  }
}

function works(bun) {
  return existsSync(bun) && spawnSync(bun, ["--version"], { stdio: "ignore" }).status === 0;
}

/** Puts Bun where its own install script would have, so that `npx bun` works too. */
function placeBun() {
  const script = join(ROOT, "node_modules/bun/install.js");
  if (existsSync(script)) run(process.execPath, [script]);
}

/** The pinned Bun: where its install script puts it, or inside the package of this platform. */
function findBun() {
  const placed = join(ROOT, "node_modules/bun/bin/bun.exe");
  if (!works(placed)) placeBun();
  if (works(placed)) return placed;
  const home = join(ROOT, "node_modules/@oven");
  const packages = existsSync(home) ? readdirSync(home).sort() : [];
  for (const name of packages) {
    for (const file of ["bun", "bun.exe"]) {
      const candidate = join(home, name, "bin", file);
      if (works(candidate)) return candidate;
    }
  }
  return undefined;
}

if (!installed()) install();
const bun = findBun();
if (bun === undefined) {
  fail(
    "no Bun runs on this machine",
    `the packages hold no Bun for ${process.platform}-${process.arch}`,
    "use Linux or macOS on x64 or arm64",
  );
}
const child = spawn(bun, process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
