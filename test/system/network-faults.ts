// Validators on machines of their own, as far as the kernel can pretend: network namespaces behind a bridge, packets
// lost by nftables, small disks that fill up. Where the kernel lends no namespaces, one line says so; where the programs
// are missing, which .ci/run installs, CI fails.
import { expect, test } from "bun:test";
import { runFaults } from "../support/faults.ts";
import { missingPrograms, sandboxObstacle } from "../support/sandbox.ts";

test("the programs are installed", () => {
  if (process.env["CI"] === "true") expect(missingPrograms()).toEqual([]);
});

test("partitions that nobody is told of, random loss, a full disk and kills: one chain, nobody signs twice", () => {
  const kinds = ["longPartition", "oneWay", "loss", "diskFull", "killAll"];
  const obstacle = sandboxObstacle();
  if (obstacle !== undefined) {
    console.log(`network namespaces: ${kinds.length} kinds of faults not run here: ${obstacle}`);
    return;
  }
  const run = runFaults(["--links", "namespaces", "--seed", "6", "--within", "20"], kinds);
  expect(run.out).toContain(`seed 6: 0 violations: ${kinds.length} rounds`);
  expect(run.code).toBe(0);
}, 240_000);
