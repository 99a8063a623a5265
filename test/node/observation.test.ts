// Metrics in Prometheus' text, logs for people and for machines, and the directory that one process owns.
import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { KoraError } from "#lib/error.ts";
import { openDirectory } from "#node/directory.ts";
import { openJournalFile } from "#node/journal-file.ts";
import { createLogger } from "#node/log.ts";
import { createMetrics } from "#node/metrics.ts";
import { serveMetrics } from "#node/metrics-server.ts";
import { temporaryFolder } from "../support/kora.ts";

describe("metrics", () => {
  test("are written as Prometheus reads them", () => {
    const metrics = createMetrics();
    const counter = metrics.counter("kora_a_total", "A count.");
    counter.add({ method: 'a"b\\c\nd' });
    counter.add({ method: 'a"b\\c\nd' }, 2);
    metrics.gauge("kora_b", "A level.").set(-1.5);
    const histogram = metrics.histogram("kora_c_seconds", "A time.", [0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 3]) histogram.observe(value);
    expect(metrics.text()).toBe(`# HELP kora_a_total A count.
# TYPE kora_a_total counter
kora_a_total{method="a\\"b\\\\c\\nd"} 3
# HELP kora_b A level.
# TYPE kora_b gauge
kora_b -1.5
# HELP kora_c_seconds A time.
# TYPE kora_c_seconds histogram
kora_c_seconds_bucket{le="0.1"} 2
kora_c_seconds_bucket{le="1"} 3
kora_c_seconds_bucket{le="+Inf"} 4
kora_c_seconds_sum 3.65
kora_c_seconds_count 4
`);
  });

  test("do not grow with what others send", () => {
    const metrics = createMetrics();
    const counter = metrics.counter("kora_a_total", "A count.");
    for (let i = 0; i < 10_000; i++) counter.add({ method: `m${i}` });
    const lines = metrics.text().split("\n");
    expect(lines.length).toBeLessThan(600);
    const sum = lines
      .filter((line) => line.startsWith("kora_a_total{"))
      .map((line) => Number(line.split(" ")[1]));
    expect(sum.reduce((a, b) => a + b)).toBe(10_000);
  });

  test("have a listener that says why the node is not ready", async () => {
    const metrics = createMetrics();
    let reasons: string[] = [];
    const observed = {
      readiness: () => ({ ready: reasons.length === 0, reasons }),
      status: () => ({ currentView: 7 }),
    };
    await using server = serveMetrics({ host: "127.0.0.1", port: 0 }, metrics, observed);
    const url = `http://127.0.0.1:${server.address.port}`;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    reasons = ["syncing"];
    const answer = await fetch(`${url}/readyz`);
    expect([answer.status, await answer.json()]).toEqual([503, { ready: false, reasons: ["syncing"] }]);
    expect((await fetch(`${url}/health`)).status).toBe(503);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    const status = await fetch(`${url}/status`);
    expect([status.status, await status.json()]).toEqual([
      200,
      { currentView: 7, ready: false, reasons: ["syncing"] },
    ]);
    expect(() => serveMetrics(server.address, metrics, observed)).toThrow("cannot listen on");
  });
});

describe("logs", () => {
  const lines = (format: "human" | "json", level: "info" | "debug" = "info") => {
    const written: string[] = [];
    return { written, logger: createLogger({ level, format, write: (line) => written.push(line) }) };
  };

  test("are one JSON object a line for machines", () => {
    const { written, logger } = lines("json");
    logger.module("chain").info("block final", { height: 3, hash: "0xab" });
    logger.debug("not written");
    expect(written).toHaveLength(1);
    expect(written[0]).toEndWith("\n");
    expect(JSON.parse(written[0] as string)).toMatchObject({
      level: "info",
      module: "chain",
      msg: "block final",
      height: 3,
    });
  });

  test("are one line for people, errors with their code", () => {
    const { written, logger } = lines("human", "debug");
    logger.module("chain").info("block final", { height: 3, note: "two words" });
    logger.error("failed", { error: new KoraError("it broke", { code: "BROKE" }) });
    expect(written[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}chain {5}block final height=3 note="two words"\n$/,
    );
    expect(written[1]).toContain('"code":"BROKE"');
    expect(written[1]?.trim().split("\n")).toHaveLength(1);
  });
});

describe("a data directory", () => {
  test("is made, and owned by one at a time", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "a/b");
    {
      using _held = openDirectory(path);
      try {
        openDirectory(path);
        expect.unreachable();
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "DIRECTORY_LOCKED", exitCode: 3 });
      }
    }
    using _again = openDirectory(path);
    expect(readdirSync(path)).toEqual(["LOCK"]);
  });

  test("is free again when its owner was killed", async () => {
    using folder = temporaryFolder();
    const script = `
      const { openDirectory } = await import(${JSON.stringify(join(import.meta.dir, "../../src/node/directory.ts"))});
      // Kept: a lock that nobody refers to is let go with the garbage.
      globalThis.held = openDirectory(${JSON.stringify(folder.path)});
      console.log("held");
      setInterval(() => {}, 1000);`;
    const owner = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    try {
      await owner.stdout.getReader().read();
      expect(() => openDirectory(folder.path)).toThrow("is in use");
    } finally {
      owner.kill("SIGKILL");
      await owner.exited;
    }
    using _held = openDirectory(folder.path);
  });
});

test("the pool's journal file keeps what was appended, and is replaced whole", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "journal");
  {
    using file = openJournalFile(path);
    expect(file.read()).toEqual(new Uint8Array(0));
    await file.append(Uint8Array.of(1, 2));
    await file.append(Uint8Array.of(3));
    expect(file.read()).toEqual(Uint8Array.of(1, 2, 3));
    await file.replace(Uint8Array.of(9));
    await file.append(Uint8Array.of(8));
  }
  {
    using again = openJournalFile(path);
    expect(again.read()).toEqual(Uint8Array.of(9, 8));
  }
  expect(readdirSync(folder.path)).toEqual(["journal"]);
});

test("what comes after a journal was closed goes nowhere, not into a file that was opened since", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "journal");
  const file = openJournalFile(path);
  await file.append(Uint8Array.of(1));
  file[Symbol.dispose]();
  // The system gives the lowest free number: that of the journal.
  const other = join(folder.path, "other");
  const descriptor = openSync(other, "w");
  for (const write of [file.append, file.replace]) {
    await expect(write(Uint8Array.of(2))).rejects.toMatchObject({ code: "JOURNAL_CLOSED" });
  }
  await Bun.sleep(0);
  closeSync(descriptor);
  expect(readFileSync(other).length).toBe(0);
  expect(file.read()).toEqual(Uint8Array.of(1));
});
