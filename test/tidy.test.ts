// The house rules that a linter cannot say: who may import whom, one door per library, a header in every file,
// nothing unused, a README that shows the tree as it is. Types and lint are run too, so that one command tells all.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");

function filesOf(...patterns: string[]): string[] {
  const ignored = /(^|\/)(node_modules|build)\//;
  return patterns
    .flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(ROOT)])
    .filter((path) => path.startsWith("src/build/") || !ignored.test(path))
    .sort();
}
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const sources = filesOf("src/**/*.ts", "src/**/*.mjs");
const tests = filesOf("test/**/*.ts");

const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']/g;
const SIDE_EFFECT = /(?:^|\n)import\s+["']([^"']+)["']/g;
const DYNAMIC = /\b(?:import|require|import\.meta\.require)\(\s*["']([^"']+)["']/g;
const WORKER = /new URL\(\s*["']([^"']+\.ts)["']/g;

/** What a file imports, types included; own files as paths from the root, packages by specifier. */
function importsOf(path: string): string[] {
  const text = read(path);
  const found = [IMPORT, SIDE_EFFECT, DYNAMIC, WORKER].flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => match[1] as string),
  );
  return found.map((specifier) => {
    if (specifier.startsWith("#")) return `src/${specifier.slice(1)}`;
    if (specifier.startsWith(".")) return join(dirname(path), specifier);
    return specifier;
  });
}
const imports = new Map([...sources, ...tests].map((path) => [path, importsOf(path)]));

/** The folder table of README.md: what each folder of src may import beside itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: [],
  types: ["lib"],
  crypto: ["lib", "types"],
  consensus: ["lib", "types"],
  state: ["lib", "types", "crypto/hash.ts", "crypto/sha256.ts"],
  execution: ["lib", "types", "crypto", "state"],
  chain: ["lib", "types", "crypto", "state", "execution"],
  net: ["lib", "types", "crypto/identity.ts"],
  rpc: ["lib", "types", "crypto", "chain", "execution", "state/types.ts"],
  dev: ["lib", "types", "crypto", "chain", "execution", "state"],
  config: ["lib", "types"],
  node: ["lib", "types", "crypto", "consensus", "state", "execution", "chain", "net", "rpc", "dev", "config"],
  cli: ["lib", "types", "config", "node", "dev", "crypto", "state"],
  build: [],
};

/** Which files may import a library: one door each. */
const DOORS: readonly (readonly [library: RegExp, door: RegExp])[] = [
  [/^@noble\//, /^src\/crypto\//],
  [/^(secp256k1|mcl-wasm|hash-wasm|@chainsafe\/blst)/, /^src\/crypto\//],
  [/^@ethereumjs\/rlp$/, /^src\/lib\/rlp\.ts$/],
  [/^@ethereumjs\/(?!rlp$)/, /^src\/execution\//],
  [/^micro-eth-signer/, /^src\/execution\//],
  [/^elysia/, /^src\/rpc\/server\.ts$/],
  [/^bun:sqlite$/, /^src\/(state|node)\//],
  [/^(libp2p|@libp2p\/|@chainsafe\/libp2p|@multiformats)/, /^src\/net\//],
  [/^smol-toml$/, /^src\/config\/load\.ts$/],
  [/^pino$/, /^src\/node\/log\.ts$/],
];

/** Files that are started and not imported. */
const ENTRY_POINT = /^src\/(main\.ts|build\/.*|.*worker\.ts)$/;

describe("imports", () => {
  test("every folder imports only what the table allows", () => {
    const wrong: string[] = [];
    for (const path of sources) {
      const folder = path.split("/")[1] as string;
      if (folder === "main.ts") continue;
      const allowed = MAY_IMPORT[folder];
      if (allowed === undefined) wrong.push(`${path}: src/${folder} is not in the table`);
      for (const target of imports.get(path) ?? []) {
        if (!target.startsWith("src/")) continue;
        const inside = target.startsWith(`src/${folder}/`);
        const listed = allowed?.some(
          (entry) => target === `src/${entry}` || target.startsWith(`src/${entry}/`),
        );
        if (!inside && listed !== true) wrong.push(`${path} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("every import of an own file names one that exists", () => {
    const missing = [...imports].flatMap(([path, targets]) =>
      targets
        .filter((target) => /^(src|test)\//.test(target) && !existsSync(join(ROOT, target)))
        .map((target) => `${path} imports ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test("a library is imported only behind its door", () => {
    const wrong = sources.flatMap((path) =>
      (imports.get(path) ?? []).flatMap((target) =>
        DOORS.filter(([library, door]) => library.test(target) && !door.test(path)).map(
          () => `${path} imports ${target}`,
        ),
      ),
    );
    expect(wrong).toEqual([]);
  });

  test("every source file is imported by someone", () => {
    const imported = new Set([...imports.values()].flat());
    expect(sources.filter((path) => !imported.has(path) && !ENTRY_POINT.test(path))).toEqual([]);
  });
});

/** How many arguments each call of `name` in `text` passes, its own declaration left out. */
function argumentCounts(text: string, name: string): number[] {
  const calls = text.matchAll(new RegExp(`(?<!function )\\b${name}(?:<[\\w<>, ]+>)?\\(`, "g"));
  return [...calls].map((call) => {
    const rest = text.slice(call.index + call[0].length);
    let depth = 0;
    let count = 0;
    let open = false;
    for (const [token] of rest.matchAll(/\/\/.*|\/\*[\s\S]*?\*\/|"[^"]*"|'[^']*'|`[^`]*`|\S/g)) {
      if (token.startsWith("//") || token.startsWith("/*")) continue;
      if (/^[)\]}]$/.test(token) && depth-- === 0) break;
      if (/^[([{]$/.test(token)) depth++;
      const separates = depth === 0 && token === ",";
      if (!separates && !open) count++;
      open = !separates;
    }
    return count;
  });
}

describe("the switches of consensus rules, which the simulator turns off one by one", () => {
  /** Those that act by them, and hand them on. */
  const HOLDERS = /^src\/(consensus\/.*|node\/consensus\/(driver|verifier))\.ts$/;
  const others = sources.filter((path) => !HOLDERS.test(path));
  const switches = [...read("src/consensus/rules.ts").matchAll(/^ {2}(\w+): true,$/gm)].map(
    (match) => match[1] as string,
  );

  test("are known to nothing else that is shipped, by type, by name or through a core", () => {
    const named = switches.filter((name) => /^r\d/.test(name));
    expect(named.length).toBeGreaterThan(30);
    const word = new RegExp(`\\b(${["ALL_RULES", "core\\.rules", ...named].join("|")})\\b`);
    expect(word.test(read("src/node/consensus/verifier.ts"))).toBeTrue();
    expect(others.filter((path) => imports.get(path)?.includes("src/consensus/rules.ts"))).toEqual([]);
    expect(others.filter((path) => word.test(read(path)))).toEqual([]);
  });

  test("are passed by nobody: drivers and cores of the product get all of them by default", () => {
    expect(argumentCounts("createCore(a, { b: [1, 2], c: f(`1, `) })", "createCore")).toEqual([2]);
    expect(
      argumentCounts("x = createCore<A<B>>(\n // a, b\n a,\n (b, c) => 1,\n d,\n)", "createCore"),
    ).toEqual([3]);
    const calls = ["createDriver", "createCore", "newCore"].flatMap((name) =>
      others.flatMap((path) => argumentCounts(read(path), name).map((count) => `${path} ${name} ${count}`)),
    );
    expect(calls).toEqual([
      "src/node/ceremony/agreement.ts createDriver 2",
      "src/node/consensus/solo.ts createDriver 2",
      "src/node/validators/engine.ts createDriver 2",
    ]);
  });

  test("follow from nothing outside the process: who holds them reads no flag, setting or environment", () => {
    const holders = sources.filter((path) => HOLDERS.test(path));
    expect(holders.length).toBeGreaterThan(10);
    const outside = /\b(process|Bun|import\.meta|globalThis)\s*[.[]/;
    expect(holders.filter((path) => outside.test(read(path)))).toEqual([]);
    const settings = (path: string): boolean =>
      imports.get(path)?.some((target) => /^src\/(config|cli|main)|^node:|^bun/.test(target)) === true;
    expect(holders.filter(settings)).toEqual([]);
  });
});

describe("files", () => {
  test("every source file opens with one to six lines that say what it is for", () => {
    const wrong = [...sources, ...tests].filter((path) => {
      const lines = read(path).split("\n");
      const first = lines[0]?.startsWith("#!") ? 1 : 0;
      const length = lines.slice(first).findIndex((line) => !line.startsWith("//"));
      return length < 1 || length > 6;
    });
    expect(wrong).toEqual([]);
  });

  test("nothing is left for later, and nothing names the machine it was written on", () => {
    const leftOver = /\b(TODO|FIXME|XXX|HACK)\b/;
    const foreign = /(^|[^\w.])\/(work|root|home)\/|registry\.(npmjs|yarnpkg)/;
    const texts = [...filesOf("src/**/*", "test/**/*.ts", "genesis/**/*"), "README.md", "package.json"];
    const wrong = texts.filter((path) => {
      if (path === "test/tidy.test.ts" || !existsSync(join(ROOT, path))) return false;
      const text = read(path);
      return leftOver.test(text) || foreign.test(text);
    });
    expect(wrong).toEqual([]);
  });

  test("the lock file holds no registry addresses", () => {
    expect(read("package-lock.json")).not.toContain('"resolved"');
  });

  test("the top level is the fixed one", () => {
    const fixed = [
      "LICENSE",
      "README.md",
      "bunfig.toml",
      "genesis",
      "package-lock.json",
      "package.json",
      "src",
      "test",
    ];
    const tracked = Bun.spawnSync(["git", "ls-files"], { cwd: ROOT }).stdout.toString().split("\n");
    const top = new Set(tracked.map((path) => path.split("/")[0] as string));
    const extra = [...top].filter((name) => name !== "" && !name.startsWith("."));
    expect(extra.sort()).toEqual([...fixed, "tsconfig.json"].sort());
  });
});

describe("packages", () => {
  const shipped = new Set<string>();
  const visit = (path: string): void => {
    if (shipped.has(path)) return;
    shipped.add(path);
    for (const target of imports.get(path) ?? []) visit(target);
  };
  for (const path of sources) if (path === "src/main.ts" || path.endsWith("worker.ts")) visit(path);

  test.each([
    "@noble/curves",
    "@noble/hashes",
    "@ethereumjs/evm",
    "@ethereumjs/rlp",
    "elysia",
    "bun:sqlite",
    "libp2p",
  ])("shipped code uses %s", (name) => {
    expect([...shipped].some((target) => target === name || target.startsWith(`${name}/`))).toBe(true);
  });

  test("the types of bun-types are what the source is checked against", () => {
    expect(JSON.parse(read("tsconfig.json")).compilerOptions.types).toEqual(["bun-types"]);
  });

  test("every dependency is imported, and pinned to one version", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
      string,
      Record<string, string>
    >;
    const used = [...imports.values()].flat();
    const unused = Object.keys(dependencies ?? {}).filter(
      (name) => !used.some((target) => target === name || target.startsWith(`${name}/`)),
    );
    expect(unused).toEqual([]);
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      expect(version).toMatch(/^\d/);
  });
});

describe("README", () => {
  test("its tree is the real one", () => {
    const block = /```text\n(src\/[\s\S]*?)```/.exec(read("README.md"))?.[1] ?? "";
    const shown: string[] = [];
    let top = "";
    for (const line of block.split("\n")) {
      const name = /^( *)([\w.-]+\/?)(?: |$)/.exec(line);
      if (name === null) continue;
      if (name[1] === "") top = name[2] as string;
      else shown.push(`${top}${name[2]}`);
    }
    const real = ["src", "test"].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { withFileTypes: true })
        .filter((entry) => !entry.name.startsWith("."))
        .filter((entry) => !entry.isDirectory() || filesOf(`${folder}/${entry.name}/**/*`).length > 0)
        .map((entry) => `${folder}/${entry.name}${entry.isDirectory() ? "/" : ""}`),
    );
    expect(shown.sort()).toEqual(real.sort());
  });

  test("every file it names exists, and every script it names is one", () => {
    const text = read("README.md");
    const files = [...text.matchAll(/`((?:src|test|genesis)\/[\w./-]+)`/g)].map(
      (match) => match[1] as string,
    );
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/`npm (?:run )?([\w:]+)`/g)].map((match) => match[1] as string);
    expect(named.filter((name) => name !== "pack" && !(name in scripts))).toEqual([]);
  });

  test("its folder table is the one that is enforced", () => {
    const rows = [...read("README.md").matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm)];
    const shown = Object.fromEntries(
      rows.map(([, folder, may]) => [
        folder as string,
        [...(may as string).matchAll(/`([^`]+)`/g)].map((match) => match[1] as string).sort(),
      ]),
    );
    const enforced = Object.fromEntries(
      Object.entries(MAY_IMPORT).map(([folder, may]) => [folder, [...may].sort()]),
    );
    expect(shown).toEqual(enforced);
  });
});

describe("tools", () => {
  const tool = (name: string, ...args: string[]): { code: number | null; output: string } => {
    const run = Bun.spawnSync([join(ROOT, "node_modules/.bin", name), ...args], { cwd: ROOT });
    return { code: run.exitCode, output: `${run.stdout}${run.stderr}`.slice(-8_000) };
  };

  test("the types hold", () => {
    expect(tool("tsc", "--noEmit")).toEqual({ code: 0, output: "" });
  }, 120_000);

  test("the linter and the formatter are content", () => {
    const { code, output } = tool("biome", "check", "--error-on-warnings", ".");
    expect(code === 0 ? "" : output).toBe("");
  }, 120_000);
});
