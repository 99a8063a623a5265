// Genesis: both file forms, the files that ship, and the first block they lead to.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { openGenesis } from "#chain/genesis.ts";
import { parseGenesis } from "#chain/genesis-file.ts";
import { CREATE2_DEPLOYER, SYSTEM_CONTRACTS } from "#chain/system-contracts.ts";
import { keccakHash } from "#crypto/hash.ts";
import { TEST_MNEMONIC } from "#crypto/mnemonic.ts";
import { createDevAccounts } from "#dev/accounts.ts";
import { DEV_BALANCE, devGenesis } from "#dev/genesis.ts";
import { chainRules } from "#execution/rules.ts";
import { KoraError } from "#lib/error.ts";
import { openStateDb } from "#state/state.ts";
import type { Genesis } from "#types/genesis.ts";
import { address, hash } from "#types/ids.ts";

const readFile = (name: string): Promise<unknown> =>
  Bun.file(join(import.meta.dir, "../../genesis", name)).json();

function firstBlockOf(genesis: Genesis): string {
  const state = openStateDb({ directory: undefined });
  try {
    return openGenesis(state, genesis, chainRules(genesis));
  } finally {
    state.close();
  }
}

test("genesis/dev.json is what kora dev makes of no flags", async () => {
  const file = parseGenesis(await readFile("dev.json"));
  const made = devGenesis({ addresses: createDevAccounts(TEST_MNEMONIC, 10).addresses });
  expect(file.chainId).toBe(31337n);
  expect(file.dev).toBe(true);
  expect(new Map(file.accounts)).toEqual(new Map(made.accounts));
  expect(firstBlockOf(file)).toBe(firstBlockOf(made));
});

test("genesis/devnet.json is no dev chain and funds the same accounts", async () => {
  const file = parseGenesis(await readFile("devnet.json"));
  expect(file.chainId).toBe(1337n);
  expect(file.dev).toBe(false);
  expect(file.accounts.get(address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"))?.balance).toBe(DEV_BALANCE);
  for (const { address: at } of SYSTEM_CONTRACTS)
    expect(file.accounts.get(at)?.code.length).toBeGreaterThan(0);
});

test("the hash of the first block is frozen", async () => {
  expect(firstBlockOf(parseGenesis(await readFile("dev.json")))).toMatchInlineSnapshot(
    `"0x3a7cc19b749d51a5c3bf35309b74c0e248b35e88282b9f20e66a51c4ea2ea494"`,
  );
  expect(firstBlockOf(parseGenesis(await readFile("devnet.json")))).toMatchInlineSnapshot(
    `"0x3a7cc19b749d51a5c3bf35309b74c0e248b35e88282b9f20e66a51c4ea2ea494"`,
  );
});

test("predeployed code is what the official fixtures put at these addresses", () => {
  const hashes = [...SYSTEM_CONTRACTS, CREATE2_DEPLOYER].map(({ code }) => keccakHash(code));
  expect(hashes).toEqual(
    [
      "0xf57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c",
      "0x6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d",
      "0x0345a365d2f4c5975b9f1599abe0a2ee76b7a3a731bc68781bd04c84e4858f50",
      "0x78c6cb5202685228bbcbfb992b1c4e116c7ec5ef11e25b8e92716cfc628ddd60",
      "0x2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989",
    ].map(hash),
  );
});

test("the Rust Kora's form funds accounts and brings the system contracts", () => {
  const genesis = parseGenesis({
    chain_id: 1337,
    timestamp: 7,
    allocations: [{ address: `0x${"11".repeat(20)}`, balance: "1000000000000000000" }],
  });
  expect(genesis.accounts.get(address(`0x${"11".repeat(20)}`))?.balance).toBe(10n ** 18n);
  expect(genesis.accounts.size).toBe(1 + SYSTEM_CONTRACTS.length);
  expect(genesis.timestamp).toBe(7);
});

test("geth's form keeps code, storage and nonce, and drops zero slots and empty accounts", () => {
  const at = `${"22".repeat(20)}`;
  const genesis = parseGenesis({
    config: { chainId: 5, pragueTime: 0, osakaTime: 100 },
    alloc: {
      [at]: { balance: "0x5", nonce: "3", code: "0x6000", storage: { "0x1": "0x0002", "0x2": "0x0" } },
      [`0x${"33".repeat(20)}`]: { balance: 0 },
    },
  });
  const account = genesis.accounts.get(address(`0x${at}`));
  expect(account).toMatchObject({ balance: 5n, nonce: 3n });
  expect([...(account?.storage ?? [])]).toEqual([[hash(`0x${"01".padStart(64, "0")}`), Uint8Array.of(2)]]);
  expect(genesis.accounts.size).toBe(1);
  expect(genesis.forks).toEqual([
    { fork: "prague", timestamp: 0 },
    { fork: "osaka", timestamp: 100 },
  ]);
});

test.each([
  ["not an object", 5, "the file"],
  ["no chain id", { config: {} }, "config.chainId"],
  [
    "an inexact number",
    { chain_id: 1, allocations: [{ address: `0x${"11".repeat(20)}`, balance: 1e22 }] },
    "balance",
  ],
  ["a short address", { chain_id: 1, allocations: [{ address: "0x11", balance: 1 }] }, "address"],
  [
    "a negative balance",
    { chain_id: 1, allocations: [{ address: `0x${"11".repeat(20)}`, balance: -1 }] },
    "balance",
  ],
  [
    "an address twice",
    {
      config: { chainId: 1 },
      alloc: { ["aa".repeat(20)]: { balance: 1 }, [`0x${"AA".repeat(20)}`]: { balance: 1 } },
    },
    "0xaaaa",
  ],
  ["odd code", { config: { chainId: 1 }, alloc: { ["aa".repeat(20)]: { code: "0x1" } } }, "code"],
])("a genesis with %s is refused and the key is named", (_, file, key) => {
  try {
    parseGenesis(file);
    throw new Error("accepted");
  } catch (error) {
    expect(error).toBeInstanceOf(KoraError);
    expect(error).toMatchObject({ code: "BAD_GENESIS", exitCode: 2 });
    expect((error as KoraError).message).toContain(key);
  }
});

test("a store made from another genesis is refused", () => {
  const state = openStateDb({ directory: undefined });
  const one = devGenesis({ addresses: [] });
  const rules = chainRules(one);
  const first = openGenesis(state, one, rules);
  expect(openGenesis(state, one, rules)).toBe(first);
  const other = devGenesis({ addresses: [], timestamp: 5 });
  expect(() => openGenesis(state, other, rules)).toThrow("another chain");
  state.close();
});
