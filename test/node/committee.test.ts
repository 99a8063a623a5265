// What a node refuses before it joins a committee: configuration and key files that contradict each other.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "#config/load.ts";
import { openBls } from "#crypto/bls.ts";
import type { KeyOrigin } from "#crypto/keyfiles.ts";
import { dealInto } from "#node/ceremony/deal.ts";
import { committeeEngine } from "#node/committee.ts";
import type { EngineParts } from "#node/engine.ts";
import { announceKey } from "#node/key-announcement.ts";
import { createLogger } from "#node/log.ts";
import { createMetrics } from "#node/metrics.ts";

const folder = mkdtempSync(join(tmpdir(), "kora-committee-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { key } = dealInto(join(folder, "keys"), await openBls(), { kind: "made", count: 4 });

/** Starts the engine of a member whose [consensus] also holds `extra`. */
async function start(extra: string): Promise<unknown> {
  const file = join(folder, "node.toml");
  const participants = key.participants.map((participant) => `"${participant.slice(2)}"`).join(", ");
  const identity = `validator_key = "keys/node0/validator.key"`;
  writeFileSync(file, `[consensus]\n${identity}\nparticipants = [${participants}]\n${extra}\n`);
  const logger = createLogger({ level: "silent", format: "json" });
  const passphrase = { given: false, read: () => Promise.reject(new Error("nothing is encrypted")) };
  // Refusals come before the chain is touched.
  const parts = { logger, metrics: createMetrics() } as EngineParts;
  return await committeeEngine(loadConfig({ file }).settings, passphrase)(parts);
}

test.each([
  ["the key of another group", `group_public_key = "${"ab".repeat(48)}"`, "group_public_key is not the key"],
  ["a share that is named and not there", 'share_key = "other.key"', "is not there"],
  ["another's share", 'share_key = "keys/node1/share.key"', "another participant's"],
  ["an output that is not there", 'dkg_output = "other.json"', "the group's key is not there"],
])("%s is refused", async (_, extra, message) => {
  await expect(start(extra)).rejects.toThrow(message);
});

/** What is warned of, and counted, when a node starts with such a key. */
function announced(origin: KeyOrigin, exposed: readonly number[], index: number) {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line));
  const metrics = createMetrics();
  const logger = createLogger({ level: "warn", format: "json", write });
  announceKey({ key, origin, round: 1, exposed }, index, logger, metrics);
  const figure = (name: string) => new RegExp(`^${name} (\\d+)$`, "m").exec(metrics.text())?.[1];
  return {
    lines,
    exposed: figure("kora_key_exposed_members"),
    dealt: figure("kora_key_trusted_dealer"),
  };
}

test("a key of a ceremony without exposure is nothing to warn of", () => {
  expect(announced("ceremony", [], 0)).toEqual({ lines: [], exposed: "0", dealt: "0" });
});

test("a dealt key is warned of at every start", () => {
  const { lines, dealt } = announced("trusted-dealer", [], 0);
  expect(dealt).toBe("1");
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringContaining("for local networks only")]);
});

test("exposed members are named, with how many others may still fail", () => {
  const { lines, exposed } = announced("ceremony", [2], 2);
  expect(exposed).toBe("1");
  expect(lines).toEqual([
    expect.objectContaining({ exposed: key.participants[2], mayFailBesides: 0, own: true }),
  ]);
  expect(announced("ceremony", [2], 1).lines).toEqual([expect.objectContaining({ own: false })]);
});
