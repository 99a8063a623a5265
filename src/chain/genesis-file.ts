// Reads a genesis in either form: the Rust Kora's {chain_id, timestamp, allocations} or geth's {config, alloc, …}.
// Total: whatever is wrong is an operator's error that names the key. Hashing the first block is done elsewhere.
import { INITIAL_BASE_FEE } from "#execution/fees.ts";
import { EMPTY_BYTES, fromHex, isHex, trimLeft } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { DEFAULT_FORK, type ForkActivation, type Genesis, type GenesisAccount } from "#types/genesis.ts";
import { type Address, address, type Hash, hash, ZERO_ADDRESS, ZERO_HASH } from "#types/ids.ts";
import { CREATE2_DEPLOYER, SYSTEM_CONTRACTS } from "./system-contracts.ts";

/** Gas limit of a genesis that names none. */
export const DEFAULT_GAS_LIMIT = 30_000_000n;
const MAX_WORD = 2n ** 256n - 1n;
const MAX_U64 = 2n ** 64n - 1n;

const NO_STORAGE: ReadonlyMap<Hash, Uint8Array> = new Map();

type Json = Readonly<Record<string, unknown>>;

function bad(key: string, why: string): KoraError {
  return new KoraError(`the genesis is not valid: ${key}`, {
    code: "BAD_GENESIS",
    kind: "usage",
    why,
    hint: "compare with genesis/devnet.json",
  });
}

function object(value: unknown, key: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(key, "not an object");
  return value as Json;
}

/** A quantity: JSON integer, decimal string or 0x-hex string. */
function quantity(value: unknown, key: string, max: bigint): bigint {
  let result: bigint;
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw bad(key, `${value} is not exact as a JSON number: write a string`);
    result = BigInt(value);
  } else if (typeof value === "string" && /^(0x[0-9a-fA-F]+|[0-9]+)$/.test(value)) {
    result = BigInt(value);
  } else {
    throw bad(key, "not an integer, a decimal string or 0x-hex");
  }
  if (result < 0n || result > max) throw bad(key, `${result} is out of range`);
  return result;
}

function optional<T>(value: unknown, read: (value: unknown) => T, fallback: T): T {
  return value === undefined || value === null ? fallback : read(value);
}

function seconds(value: unknown, key: string): number {
  return Number(quantity(value, key, BigInt(Number.MAX_SAFE_INTEGER)));
}

function bytes(value: unknown, key: string): Uint8Array {
  if (!isHex(value)) throw bad(key, "not 0x-hex of whole bytes");
  return fromHex(value);
}

function addressOf(value: unknown, key: string): Address {
  const text = typeof value === "string" && !value.startsWith("0x") ? `0x${value}` : value;
  if (!isHex(text) || text.length !== 42) throw bad(key, `${String(value)} is not an address`);
  return address(text);
}

function word(value: unknown, key: string): Hash {
  const text = typeof value === "string" && !value.startsWith("0x") ? `0x${value}` : value;
  if (typeof text !== "string" || !/^0x[0-9a-fA-F]{1,64}$/.test(text)) {
    throw bad(key, `${String(value)} is not a 32-byte word`);
  }
  return hash(`0x${text.slice(2).padStart(64, "0")}`);
}

function storageOf(value: unknown, key: string): ReadonlyMap<Hash, Uint8Array> {
  const slots = new Map<Hash, Uint8Array>();
  for (const [slot, content] of Object.entries(object(value, key))) {
    const trimmed = trimLeft(fromHex(word(content, `${key}.${slot}`)));
    if (trimmed.length > 0) slots.set(word(slot, `${key}.${slot}`), trimmed);
  }
  return slots;
}

function accountOf(value: unknown, key: string): GenesisAccount {
  const fields = object(value, key);
  return {
    balance: optional(fields["balance"], (v) => quantity(v, `${key}.balance`, MAX_WORD), 0n),
    nonce: optional(fields["nonce"], (v) => quantity(v, `${key}.nonce`, MAX_U64 - 1n), 0n),
    code: optional(fields["code"], (v) => bytes(v, `${key}.code`), EMPTY_BYTES),
    storage: optional(fields["storage"], (v) => storageOf(v, `${key}.storage`), NO_STORAGE),
  };
}

/** An empty account is no account (EIP-161). */
function isEmpty(account: GenesisAccount): boolean {
  const { balance, nonce, code, storage } = account;
  return balance === 0n && nonce === 0n && code.length === 0 && storage.size === 0;
}

function addAccount(accounts: Map<Address, GenesisAccount>, at: Address, account: GenesisAccount): void {
  if (accounts.has(at)) throw bad(at, "the address occurs twice");
  if (!isEmpty(account)) accounts.set(at, account);
}

const BLOCK_KEYS: readonly (readonly [string, string])[] = [
  ["homesteadBlock", "homestead"],
  ["eip150Block", "tangerinewhistle"],
  ["eip158Block", "spuriousdragon"],
  ["byzantiumBlock", "byzantium"],
  ["constantinopleBlock", "constantinople"],
  ["petersburgBlock", "petersburg"],
  ["istanbulBlock", "istanbul"],
  ["berlinBlock", "berlin"],
  ["londonBlock", "london"],
];
const TIME_KEYS: readonly (readonly [string, string])[] = [
  ["shanghaiTime", "shanghai"],
  ["cancunTime", "cancun"],
  ["pragueTime", "prague"],
  ["osakaTime", "osaka"],
];

/** The fork schedule of geth's `config`; DEFAULT_FORK throughout when it names none. */
function forksOf(config: Json): readonly ForkActivation[] {
  const forks: ForkActivation[] = [];
  const present = (key: string): boolean => config[key] !== undefined && config[key] !== null;
  for (const [key, fork] of BLOCK_KEYS) {
    if (present(key)) forks.push({ fork, block: seconds(config[key], `config.${key}`) });
  }
  if (present("terminalTotalDifficulty")) forks.push({ fork: "paris", block: 0 });
  for (const [key, fork] of TIME_KEYS) {
    if (present(key)) forks.push({ fork, timestamp: seconds(config[key], `config.${key}`) });
  }
  if (forks.length === 0) return [{ fork: DEFAULT_FORK, block: 0 }];
  const first = forks[0] as ForkActivation;
  return (first.block ?? first.timestamp) === 0 ? forks : [{ fork: "frontier", block: 0 }, ...forks];
}

function gethForm(file: Json): Genesis {
  const config = object(file["config"] ?? {}, "config");
  const kora = object(config["kora"] ?? {}, "config.kora");
  const accounts = new Map<Address, GenesisAccount>();
  for (const [at, account] of Object.entries(object(file["alloc"] ?? {}, "alloc"))) {
    addAccount(accounts, addressOf(at, `alloc.${at}`), accountOf(account, `alloc.${at}`));
  }
  const nonce = optional(file["nonce"], (v) => quantity(v, "nonce", MAX_U64), 0n);
  return {
    chainId: quantity(config["chainId"], "config.chainId", MAX_U64),
    timestamp: optional(file["timestamp"], (v) => seconds(v, "timestamp"), 0),
    gasLimit: optional(file["gasLimit"], (v) => quantity(v, "gasLimit", MAX_U64), DEFAULT_GAS_LIMIT),
    baseFeePerGas: optional(
      file["baseFeePerGas"],
      (v) => quantity(v, "baseFeePerGas", MAX_WORD),
      INITIAL_BASE_FEE,
    ),
    coinbase: optional(file["coinbase"], (v) => addressOf(v, "coinbase"), ZERO_ADDRESS),
    extraData: optional(file["extraData"], (v) => bytes(v, "extraData"), EMPTY_BYTES),
    mixHash: optional(file["mixHash"], (v) => word(v, "mixHash"), ZERO_HASH),
    nonce: fromHex(`0x${nonce.toString(16).padStart(16, "0")}`),
    difficulty: optional(file["difficulty"], (v) => quantity(v, "difficulty", MAX_WORD), 0n),
    forks: forksOf(config),
    dev: kora["dev"] === true,
    accounts,
  };
}

/** The accounts every chain of ours begins with where the file's form cannot hold code. */
export function predeployedAccounts(dev: boolean): ReadonlyMap<Address, GenesisAccount> {
  const accounts = new Map<Address, GenesisAccount>();
  for (const { address: at, nonce, code } of dev
    ? [...SYSTEM_CONTRACTS, CREATE2_DEPLOYER]
    : SYSTEM_CONTRACTS) {
    accounts.set(at, { balance: 0n, nonce, code, storage: NO_STORAGE });
  }
  return accounts;
}

function koraForm(file: Json): Genesis {
  const list = file["allocations"] ?? [];
  if (!Array.isArray(list)) throw bad("allocations", "not a list");
  const dev = file["dev"] === true;
  const accounts = new Map(predeployedAccounts(dev));
  list.forEach((entry, index) => {
    const key = `allocations[${index}]`;
    const fields = object(entry, key);
    const balance = quantity(fields["balance"], `${key}.balance`, MAX_WORD);
    const account = { balance, nonce: 0n, code: EMPTY_BYTES, storage: NO_STORAGE };
    addAccount(accounts, addressOf(fields["address"], `${key}.address`), account);
  });
  return {
    chainId: quantity(file["chain_id"], "chain_id", MAX_U64),
    timestamp: optional(file["timestamp"], (v) => seconds(v, "timestamp"), 0),
    gasLimit: DEFAULT_GAS_LIMIT,
    baseFeePerGas: INITIAL_BASE_FEE,
    coinbase: ZERO_ADDRESS,
    extraData: EMPTY_BYTES,
    mixHash: ZERO_HASH,
    nonce: new Uint8Array(8),
    difficulty: 0n,
    forks: [{ fork: DEFAULT_FORK, block: 0 }],
    dev,
    accounts,
  };
}

/** The genesis that parsed JSON describes; throws BAD_GENESIS, which names the key and what is wrong with it. */
export function parseGenesis(json: unknown): Genesis {
  const file = object(json, "the file");
  return file["chain_id"] === undefined ? gethForm(file) : koraForm(file);
}
