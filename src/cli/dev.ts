// kora dev: a local chain with funded accounts, its banner, and its flags, named as anvil's where anvil has them.
import { formatSocketAddress } from "#config/kind.ts";
import { MAX_CHAIN_ID } from "#config/schema.ts";
import { checksumAddress } from "#crypto/checksum.ts";
import { TEST_MNEMONIC } from "#crypto/mnemonic.ts";
import { createDevAccounts, type DevAccounts } from "#dev/accounts.ts";
import { DEV_ACCOUNTS, DEV_BALANCE, devGenesis, withFundedAccounts } from "#dev/genesis.ts";
import type { MiningMode } from "#dev/miner.ts";
import { toHex } from "#lib/bytes.ts";
import { runToEnd } from "#node/builder.ts";
import { type CreatedNode, createNode } from "#node/create.ts";
import { readGenesis } from "#node/genesis-source.ts";
import { localPlan } from "#node/local.ts";
import { createLogger } from "#node/log.ts";
import type { Genesis } from "#types/genesis.ts";
import type { Address } from "#types/ids.ts";
import { hasFlag, integerFlag, numberFlag, textFlag, usageError } from "./args.ts";
import type { Args, CommandRun } from "./command.ts";

/** Accounts of one chain; each is a line of the banner and a derivation at the start. */
const MAX_ACCOUNTS = 10_000;
const WEI_PER_ETHER = 10n ** 18n;
const DEFAULT_PORT = 8545;

function modeOf(args: Args): MiningMode {
  const seconds = numberFlag(args, "block-time", { min: 0.001, max: 86_400 });
  const interval = seconds === undefined ? undefined : seconds * 1000;
  const manual = hasFlag(args, "no-mining");
  const mixed = hasFlag(args, "mixed-mining");
  if (manual && (mixed || interval !== undefined)) {
    throw usageError(
      "--no-mining cannot stand beside --block-time or --mixed-mining",
      "one says never, the others say when",
      "leave one of them out",
    );
  }
  if (mixed && interval === undefined) {
    throw usageError("--mixed-mining needs --block-time", "it adds to it", "--mixed-mining --block-time 5");
  }
  return { automine: !manual && (interval === undefined || mixed), interval };
}

/** Exactly what was given: a number in between would hide a wrong unit. */
function bigFlag(args: Args, name: string): bigint | undefined {
  const value = integerFlag(args, name, { min: 0, max: Number.MAX_SAFE_INTEGER });
  return value === undefined ? undefined : BigInt(value);
}

const portFlag = (args: Args, name: string): number | undefined =>
  integerFlag(args, name, { min: 0, max: 65_535 });

function genesisOf(args: Args, accounts: DevAccounts): Genesis {
  const ether = bigFlag(args, "balance");
  const balance = ether === undefined ? DEV_BALANCE : ether * WEI_PER_ETHER;
  const chainId = integerFlag(args, "chain-id", { min: 1, max: MAX_CHAIN_ID });
  const gasLimit = bigFlag(args, "gas-limit");
  const baseFeePerGas = bigFlag(args, "base-fee");
  const timestamp = integerFlag(args, "timestamp", { min: 0, max: Number.MAX_SAFE_INTEGER });
  const fork = textFlag(args, "hardfork");
  const chosen = {
    ...(chainId !== undefined && { chainId: BigInt(chainId) }),
    ...(gasLimit !== undefined && { gasLimit }),
    ...(baseFeePerGas !== undefined && { baseFeePerGas }),
    ...(timestamp !== undefined && { timestamp }),
  };
  const file = textFlag(args, "init");
  if (file === undefined) {
    return devGenesis({
      ...chosen,
      addresses: accounts.addresses,
      balance,
      ...(fork !== undefined && { fork }),
    });
  }
  const forks = fork === undefined ? undefined : [{ fork, block: 0 }];
  const genesis = withFundedAccounts(readGenesis(file), accounts.addresses, balance);
  return { ...genesis, ...chosen, ...(forks !== undefined && { forks }) };
}

/** Accounts with their keys. They are in every documentation there is, hence the warning. */
function banner(node: CreatedNode, accounts: DevAccounts, mnemonic: string): string {
  const { addresses } = accounts;
  const list = (title: string, format: (at: Address) => string): string =>
    [title, ...addresses.map((at, index) => `  (${index}) ${format(at)}`)].join("\n");
  const { chain } = node.chain.rules;
  const { header } = node.chain.ledger.tip();
  return [
    list("Accounts", checksumAddress),
    list("Private keys", (at) => toHex(accounts.secret(at))),
    `Mnemonic: ${mnemonic}`,
    "These keys are public: everybody knows them. Never send anything of value to these accounts on another chain.",
    `Chain id ${chain.chainId}, hardfork ${chain.hardforkAt(header.number, header.timestamp)}, block ${header.number}, gas limit ${header.gasLimit}`,
  ].join("\n\n");
}

/** `kora dev`. Prints its accounts and where it listens, and runs until it is told to stop. */
export const dev: CommandRun = async ({ args, signal, out }) => {
  const mnemonic = textFlag(args, "mnemonic") ?? TEST_MNEMONIC;
  const count = integerFlag(args, "accounts", { min: 0, max: MAX_ACCOUNTS }) ?? DEV_ACCOUNTS;
  const accounts = createDevAccounts(mnemonic, count);
  const silent = hasFlag(args, "silent");
  const logger = createLogger({ level: silent ? "error" : "info", format: "human" });
  const plan = localPlan({
    directory: textFlag(args, "datadir"),
    genesis: genesisOf(args, accounts),
    accounts,
    mode: modeOf(args),
    host: textFlag(args, "host") ?? "127.0.0.1",
    port: portFlag(args, "port") ?? DEFAULT_PORT,
    metricsPort: portFlag(args, "metrics-port"),
    logger,
  });
  const node = await createNode(plan);
  const begun = (): void => {
    if (!silent) out(banner(node, accounts, mnemonic));
    if (node.metricsAddress !== undefined) out(`Metrics on ${formatSocketAddress(node.metricsAddress)}`);
    for (const address of node.rpc?.addresses ?? []) out(`Listening on ${formatSocketAddress(address)}`);
  };
  await runToEnd(node, signal, logger, { begun });
  return 0;
};
