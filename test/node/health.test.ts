// What makes a node unready beside consensus: a full disk, a clock that is not the committee's.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { MIN_FREE_BYTES, watchDisk } from "#node/disk.ts";
import { createMetrics } from "#node/metrics.ts";
import { watchClock } from "#node/validators/clock-watch.ts";
import { temporaryFolder } from "../support/kora.ts";

test("little room on the disk is a concern, and both room and files are measured", async () => {
  using folder = temporaryFolder();
  await Bun.write(join(folder.path, "chain.db"), new Uint8Array(4_096));
  const metrics = createMetrics();
  let left: number | undefined = MIN_FREE_BYTES;
  const disk = watchDisk(folder.path, metrics, () => left);
  expect(disk.concerns()).toEqual([]);
  left = MIN_FREE_BYTES - 1;
  expect(disk.concerns()).toEqual(["only 511 MiB left on the disk of the data directory"]);
  expect(metrics.text()).toContain(`kora_disk_free_bytes ${MIN_FREE_BYTES - 1}`);
  expect(metrics.text()).toContain('kora_database_bytes{file="chain.db"} 4096');
  expect(metrics.text()).not.toContain("consensus.db");
  left = undefined;
  expect(disk.concerns()).toEqual(["the disk of the data directory cannot be looked at"]);
});

test("the room is that of the disk the directory is on", () => {
  using folder = temporaryFolder();
  const metrics = createMetrics();
  watchDisk(folder.path, metrics);
  expect(Number(/kora_disk_free_bytes (\d+)/.exec(metrics.text())?.[1])).toBeGreaterThan(0);
  const gone = watchDisk(join(folder.path, "gone"), createMetrics());
  expect(gone.concerns()).toEqual(["the disk of the data directory cannot be looked at"]);
});

test.each([
  ["right", 1, []],
  ["a little late", 7, []],
  ["behind", -12, ["this clock is 12 s behind that of the validators"]],
  [
    "ahead",
    40,
    ["blocks become final 40 s after their timestamps: this clock is ahead, or the network is slow"],
  ],
])("a clock that is %s", (_, offset, concerns) => {
  let now = 1_000_000;
  const clock = watchClock(() => now + offset);
  for (let i = 0; i < 3; i++, now++) clock.saw(now);
  expect(clock.concerns()).toEqual([]);
  for (let i = 0; i < 20; i++, now++) clock.saw(now);
  expect(clock.concerns()).toEqual(concerns);
});

test("single blocks with odd timestamps, this node's own among them, say nothing of the clock", () => {
  let now = 1_000_000;
  const clock = watchClock(() => now);
  for (let i = 0; i < 24; i++, now++) clock.saw(i % 3 === 0 ? now + 30 : now);
  expect(clock.concerns()).toEqual([]);
});
