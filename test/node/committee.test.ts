// What a node refuses before it joins a committee: configuration and key files that contradict each other.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "#config/load.ts";
import { openBls } from "#crypto/bls.ts";
import { dealInto } from "#node/ceremony/deal.ts";
import { committeeEngine } from "#node/committee.ts";
import type { EngineParts } from "#node/engine.ts";
import { createLogger } from "#node/log.ts";

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
  const parts = { logger } as EngineParts;
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
