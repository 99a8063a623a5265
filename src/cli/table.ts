// The list of commands: names, flags and where their code is. No command's code is loaded before it runs.
import { allKeys } from "#config/schema.ts";
import type { Command, Flag } from "./command.ts";
import { END_WITH_STDIN } from "./parent.ts";

const CONFIG_FLAG: Flag = {
  name: "config",
  short: "c",
  value: "FILE",
  summary: "configuration file (node.toml)",
};
const JSON_FLAG: Flag = { name: "json", summary: "print JSON" };

/** Flags that override single keys of the configuration; those of `node` and `log` have short forms too. */
const OVERRIDE_FLAGS: readonly Flag[] = [
  { name: "chain-id", value: "ID", summary: "same as --node-chain-id" },
  { name: "data-dir", value: "DIR", summary: "same as --node-data-dir" },
  ...allKeys.map(({ flag, key }) => ({
    name: flag,
    value: key.unit === undefined ? "VALUE" : (key.unit.split(" ")[0]?.toUpperCase() ?? "VALUE"),
    summary: key.summary,
  })),
];

const DEVNET_FLAGS: readonly Flag[] = [
  { name: "validators", value: "N", summary: "how many", default: "4" },
  {
    name: "dir",
    value: "DIR",
    summary: "folder of the network; a second start goes on",
    default: "kora-devnet",
  },
  { name: "fresh", summary: "wipe that folder first" },
  { name: "chain-id", value: "ID", summary: "chain id", default: "1337" },
  { name: "block-time", value: "SECONDS", summary: "pace of leaders", default: "1" },
  {
    name: "rpc-port",
    value: "PORT",
    summary: "RPC port of node 0; node i adds i; 0 takes free ones",
    default: "8545",
  },
  { name: "p2p-port", value: "PORT", summary: "the same for peers", default: "30303" },
  { name: "metrics-port", value: "PORT", summary: "the same for metrics", default: "9000" },
  { name: "trusted-dealer", summary: "deal the key instead of holding the ceremony" },
];

const TESTNET_FLAGS: readonly Flag[] = [
  { name: "validators", value: "N", summary: "how many", default: "4" },
  { name: "out", value: "DIR", summary: "folder to make, with one folder for each node" },
  { name: "chain-id", value: "ID", summary: "chain id", default: "1337" },
  {
    name: "hosts",
    value: "A,B,…",
    summary: "where each node will be, as many as validators; without it all here, on ports of their own",
  },
  { name: "block-time", value: "SECONDS", summary: "pace of leaders" },
  { name: "gas-limit", value: "GAS", summary: "gas limit of blocks", default: "30000000" },
  { name: "rpc-port", value: "PORT", summary: "RPC port of the first node", default: "8545" },
  { name: "p2p-port", value: "PORT", summary: "peer port of the first node", default: "30303" },
  { name: "metrics-port", value: "PORT", summary: "metrics port of the first node", default: "9000" },
  { name: "trusted-dealer", summary: "deal the key here instead of by kora dkg; for local networks" },
  JSON_FLAG,
];

const STATUS_FLAGS: readonly Flag[] = [
  { name: "rpc-url", value: "URL[,URL]", summary: "nodes to ask", default: "http://127.0.0.1:8545" },
  { name: "once", summary: "show it once and exit; the default without a terminal" },
  { name: "interval", value: "SECONDS", summary: "time between two looks", default: "1" },
  JSON_FLAG,
];

const LOAD_FLAGS: readonly Flag[] = [
  { name: "rpc-url", value: "URL[,URL]", summary: "nodes to send to", default: "http://127.0.0.1:8545" },
  { name: "accounts", value: "N", summary: "sending accounts", default: "50" },
  { name: "total-txs", value: "N", summary: "transactions to send", default: "1000" },
  { name: "concurrency", value: "N", summary: "requests under way at once", default: "8" },
  {
    name: "rate",
    value: "TX/S",
    summary: "at most so many a second; without it, as fast as the chain takes them",
  },
  {
    name: "kind",
    value: "KIND",
    summary: "what is sent",
    default: "transfer",
    choices: ["transfer", "erc20", "swap"],
  },
  { name: "funder-key", value: "FILE", summary: "key that pays; default: the public first test account" },
  { name: "dry-run", summary: "say what would be sent, and send nothing" },
  JSON_FLAG,
];

const DEV_FLAGS: readonly Flag[] = [
  {
    name: "port",
    short: "p",
    value: "PORT",
    summary: "port of HTTP and WebSocket; 0 takes a free one",
    default: "8545",
  },
  { name: "host", value: "ADDRESS", summary: "address to listen on", default: "127.0.0.1" },
  { name: "metrics-port", value: "PORT", summary: "port of metrics and health; without it none are served" },
  { name: "accounts", short: "a", value: "N", summary: "funded accounts", default: "10" },
  { name: "balance", value: "ETH", summary: "balance of each", default: "10000" },
  {
    name: "mnemonic",
    short: "m",
    value: "WORDS",
    summary: "words the accounts are derived from",
    default: "test test test test test test test test test test test junk",
  },
  {
    name: "block-time",
    short: "b",
    value: "SECONDS",
    summary: "make a block every so often, not per transaction",
  },
  { name: "no-mining", summary: "make blocks only when asked (evm_mine)" },
  { name: "mixed-mining", summary: "with --block-time: also a block per transaction" },
  { name: "chain-id", value: "ID", summary: "chain id", default: "31337" },
  { name: "gas-limit", value: "GAS", summary: "gas limit of blocks", default: "30000000" },
  { name: "base-fee", value: "WEI", summary: "base fee of the first block", default: "1000000000" },
  { name: "timestamp", value: "SECONDS", summary: "time of genesis, seconds since 1970" },
  { name: "init", value: "FILE", summary: "genesis file to start from" },
  { name: "hardfork", value: "NAME", summary: "newest fork that is active", default: "osaka" },
  { name: "silent", summary: "print nothing but what scripts wait for" },
  {
    name: "datadir",
    value: "DIR",
    summary: "keep the chain in this folder; without it the chain ends with the process",
  },
];

const PASSPHRASE_FLAG: Flag = {
  name: "passphrase-file",
  value: "FILE",
  summary: "passphrase of key files: a pipe or descriptor such as /dev/fd/3, or a file; else it is asked for",
};

const DKG_FLAGS: readonly Flag[] = [
  {
    name: "force-restart",
    summary: "begin a new round, whose share may replace an older one; on every node",
  },
  { name: "round", value: "N", summary: "number of the new round; the same on every node" },
  {
    name: "deadline",
    value: "SECONDS",
    summary: "wait for silent participants before their shares are made public",
    default: "600",
  },
  {
    name: "linger",
    value: "SECONDS",
    summary: "stay for participants that are not done when this node is",
    default: "30",
  },
  { name: "timeout", value: "SECONDS", summary: "give up after so long; without it, wait" },
  { name: "accept-exposed", summary: "take the key although everybody can read a member's share" },
  PASSPHRASE_FLAG,
  JSON_FLAG,
];

const KEY_FILE_DETAILS = "Without FILE it is consensus.validator_key of --config, else validator.key.";

/** Every command, in the order in which help shows them. */
export const commands: readonly Command[] = [
  {
    name: "",
    summary: "Run a node from its configuration.",
    flags: [CONFIG_FLAG, PASSPHRASE_FLAG, END_WITH_STDIN, ...OVERRIDE_FLAGS],
    details: "Each key can be set by file, by environment (KORA_SECTION_KEY) and by flag; the later wins.",
    load: async () => (await import("./node.ts")).node,
  },
  {
    name: "dev",
    summary: "Run a local chain with funded accounts, for testing dapps.",
    flags: DEV_FLAGS,
    load: async () => (await import("./dev.ts")).dev,
  },
  {
    name: "devnet",
    summary: "Run a network of validators on this machine, each a process of its own.",
    flags: DEVNET_FLAGS,
    load: async () => (await import("./devnet.ts")).devnet,
  },
  {
    name: "testnet",
    summary: "Write the files of a network: keys, peers, genesis, a configuration for each node.",
    flags: TESTNET_FLAGS,
    load: async () => (await import("./testnet.ts")).testnet,
  },
  {
    name: "config check",
    summary: "Validate a configuration.",
    flags: [CONFIG_FLAG, ...OVERRIDE_FLAGS],
    load: async () => (await import("./config.ts")).configCheck,
  },
  {
    name: "config print",
    summary: "Print the effective configuration, with the meaning and origin of each key.",
    flags: [CONFIG_FLAG, ...OVERRIDE_FLAGS],
    load: async () => (await import("./config.ts")).configPrint,
  },
  {
    name: "status",
    summary: "Show the network as one or more of its nodes tell it.",
    flags: STATUS_FLAGS,
    load: async () => (await import("./status.ts")).status,
  },
  {
    name: "load",
    summary: "Send transactions to a chain and measure when it includes them.",
    flags: LOAD_FLAGS,
    load: async () => (await import("./load.ts")).load,
  },
  {
    name: "genesis hash",
    summary: "Print the hash and the state root of the block a genesis file makes.",
    flags: [JSON_FLAG],
    operands: ["FILE"],
    load: async () => (await import("./genesis.ts")).genesisHash,
  },
  {
    name: "proof verify",
    summary: "Check an answer of kora_getProof or kora_getFinalization with nothing but the group's key.",
    flags: [
      { name: "group-public-key", value: "HEX", summary: "of output.json" },
      { name: "genesis-hash", value: "HASH", summary: "as kora genesis hash prints it" },
      JSON_FLAG,
    ],
    operands: ["FILE"],
    load: async () => (await import("./proof.ts")).proofVerify,
  },
  {
    name: "dkg",
    summary: "Take part in the ceremony that makes a network's key; run again, it goes on or serves others.",
    flags: [CONFIG_FLAG, ...DKG_FLAGS, END_WITH_STDIN, ...OVERRIDE_FLAGS],
    details:
      'All of consensus.participants run it at about the same time, with the same genesis; of each two, one has to\nname the other in network.bootstrap_peers. Up to f may be absent: their shares become public, which makes them\n"exposed". Killed at any moment, the same command goes on where it stopped.',
    load: async () => (await import("./dkg.ts")).dkg,
  },
  {
    name: "dkg deal",
    summary: "Deal a key from one process, for local networks.",
    flags: [
      CONFIG_FLAG,
      { name: "out", value: "DIR", summary: "folder to make, with one folder for each participant" },
      { name: "validators", value: "N", summary: "make so many identities too; else --config names them" },
      JSON_FLAG,
    ],
    load: async () => (await import("./dkg-deal.ts")).dkgDeal,
  },
  {
    name: "keys generate",
    summary: "Make a validator's identity key.",
    flags: [
      { name: "encrypt", summary: "put a passphrase over it" },
      CONFIG_FLAG,
      PASSPHRASE_FLAG,
      JSON_FLAG,
    ],
    operands: ["[FILE]"],
    details: KEY_FILE_DETAILS,
    load: async () => (await import("./keys.ts")).keysGenerate,
  },
  {
    name: "keys show",
    summary: "Show what is public of a key file: validator.key, share.key or output.json.",
    flags: [CONFIG_FLAG, PASSPHRASE_FLAG, JSON_FLAG],
    operands: ["[FILE]"],
    details: KEY_FILE_DETAILS,
    load: async () => (await import("./keys.ts")).keysShow,
  },
  {
    name: "keys encrypt",
    summary: "Put a passphrase over a validator.key or share.key, in its place (age format).",
    flags: [CONFIG_FLAG, PASSPHRASE_FLAG, JSON_FLAG],
    operands: ["[FILE]"],
    details: KEY_FILE_DETAILS,
    load: async () => (await import("./keys.ts")).keysEncrypt,
  },
  {
    name: "completions",
    summary: "Print a completion script for a shell.",
    flags: [],
    operands: ["bash|zsh|fish"],
    load: async () => (await import("./completions.ts")).completions(commands),
  },
  {
    name: "version",
    summary: "Print the version.",
    flags: [JSON_FLAG],
    load: async () => (await import("./version.ts")).version,
  },
  {
    name: "help",
    summary: "List the commands, or tell more of one.",
    flags: [],
    operands: ["[COMMAND]", "[SUBCOMMAND]"],
    load: async () => (await import("./help-command.ts")).help(commands),
  },
];
