// What a node says at its start, read back from its log: everything an operator has to know to see that it is the right
// node in the right place with enough room.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBls } from "#crypto/bls.ts";
import { NodeBuilder } from "#node/builder.ts";
import { dealInto } from "#node/ceremony/deal.ts";
import { createLogger } from "#node/log.ts";
import { openFileLimit } from "#node/ready.ts";
import { loadThresholdScheme } from "#node/threshold-files.ts";
import { buildInfo } from "#node/version.ts";
import { testFolders } from "../support/lifetimes.ts";

const folder = testFolders();

type Line = Readonly<Record<string, unknown>>;

/** Runs the node of a configuration until it is ready, and answers the lines it wrote. */
async function linesOf(toml: string): Promise<{ path: string; lines: readonly Line[] }> {
  const path = folder();
  const file = join(path, "node.toml");
  writeFileSync(join(path, "genesis.json"), JSON.stringify({ chain_id: 9, allocations: [] }));
  writeFileSync(file, toml);
  const lines: Line[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line));
  const node = NodeBuilder.fromToml(file)
    .withHooks({
      logger: createLogger({ level: "info", format: "json", write }),
      onReady: () => node.shutdown(),
    })
    .build();
  await node.run();
  return { path, lines };
}

const readyIn = (lines: readonly Line[]): Line => {
  const found = lines.filter(({ msg }) => msg === "node ready");
  expect(found).toHaveLength(1);
  return found[0] as Line;
};

test("a node alone tells build, chain, place, addresses and room, in one line", async () => {
  const { path, lines } = await linesOf(
    '[node]\nchain_id = 9\ndata_dir = "data"\ngenesis = "genesis.json"\n' +
      '[rpc]\nhttp_addr = "127.0.0.1:0"\n[metrics]\naddr = "127.0.0.1:0"\n',
  );
  const { version, commit } = buildInfo;
  const ready = readyIn(lines);
  expect(ready).toMatchObject({ version, commit, chainId: 9, height: 0, dataDir: join(path, "data") });
  expect(ready["genesis"]).toMatch(/^0x[0-9a-f]{64}$/);
  expect(ready["rpc"]).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  expect(ready["diskFree"]).toBeGreaterThan(0);
  expect(ready["openFileLimit"]).toBe(openFileLimit());
  // Nobody else is there to be reached or to know it by a key.
  expect([ready["p2p"], ready["identity"]]).toEqual([undefined, undefined]);
  expect(lines.find(({ msg }) => msg === "metrics ready")?.["address"]).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
});

test("a node with others also tells its key and the address that it really listens on", async () => {
  const dealt = join(folder(), "dealt");
  dealInto(dealt, await openBls(), { kind: "made", count: 4 });
  const { groupPublicKey } = await loadThresholdScheme(join(dealt, "node0"));
  const { lines } = await linesOf(
    '[node]\nchain_id = 9\ndata_dir = "data"\ngenesis = "genesis.json"\n' +
      `[consensus]\ngroup_public_key = "${groupPublicKey.toHex()}"\n[network]\nlisten_addr = "127.0.0.1:0"\n`,
  );
  const ready = readyIn(lines);
  expect(ready["p2p"]).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  expect(ready["identity"]).toMatch(/^0x[0-9a-f]{64}$/);
});

test("the limit of open files is the soft one, and nothing where there is none or none is told", () => {
  const file = join(folder(), "limits");
  writeFileSync(
    file,
    "Limit                     Soft Limit           Hard Limit           Units     \n" +
      "Max processes             unlimited            unlimited            processes \n" +
      "Max open files            1024                 524288               files     \n",
  );
  expect(openFileLimit(file)).toBe(1_024);
  writeFileSync(file, "Max open files            unlimited            unlimited            files     \n");
  expect(openFileLimit(file)).toBeUndefined();
  expect(openFileLimit(join(folder(), "none"))).toBeUndefined();
});
