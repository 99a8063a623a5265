// The genesis of a local chain, made from what `kora dev` was told. With nothing told it is genesis/dev.json.
import { DEFAULT_GAS_LIMIT, predeployedAccounts } from "#chain/genesis-file.ts";
import { INITIAL_BASE_FEE } from "#execution/fees.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { DEFAULT_FORK, type Genesis, type GenesisAccount } from "#types/genesis.ts";
import { type Address, ZERO_ADDRESS, ZERO_HASH } from "#types/ids.ts";

export const DEV_CHAIN_ID = 31337n;
export const DEV_ACCOUNTS = 10;
/** Wei that each account begins with: 10,000 ether. */
export const DEV_BALANCE: bigint = 10_000n * 10n ** 18n;
/** 2025-01-01T00:00:00Z: fixed, so that the same flags give the same genesis hash on every day. */
export const DEV_TIMESTAMP = 1_735_689_600;

export interface DevGenesisOptions {
  readonly chainId?: bigint;
  /** Who holds what at the start; DEV_BALANCE each unless `balance` says otherwise. */
  readonly addresses: readonly Address[];
  /** Wei. */
  readonly balance?: bigint;
  readonly gasLimit?: bigint;
  /** Wei per gas. */
  readonly baseFeePerGas?: bigint;
  /** Seconds. */
  readonly timestamp?: number;
  readonly fork?: string;
}

/** A genesis that says dev: funded accounts, system contracts and the CREATE2 deployer. */
export function devGenesis(options: DevGenesisOptions): Genesis {
  const { balance = DEV_BALANCE, fork = DEFAULT_FORK } = options;
  const accounts = new Map<Address, GenesisAccount>(predeployedAccounts(true));
  for (const at of options.addresses) {
    accounts.set(at, { balance, nonce: 0n, code: EMPTY_BYTES, storage: new Map() });
  }
  return {
    chainId: options.chainId ?? DEV_CHAIN_ID,
    timestamp: options.timestamp ?? DEV_TIMESTAMP,
    gasLimit: options.gasLimit ?? DEFAULT_GAS_LIMIT,
    baseFeePerGas: options.baseFeePerGas ?? INITIAL_BASE_FEE,
    coinbase: ZERO_ADDRESS,
    extraData: EMPTY_BYTES,
    mixHash: ZERO_HASH,
    nonce: new Uint8Array(8),
    difficulty: 0n,
    forks: [{ fork, block: 0 }],
    dev: true,
    accounts,
  };
}

/** `genesis` of a file with the unlocked accounts funded where it leaves them poor, as anvil's --init does. */
export function withFundedAccounts(
  genesis: Genesis,
  addresses: readonly Address[],
  balance: bigint,
): Genesis {
  const accounts = new Map(genesis.accounts);
  for (const at of addresses) {
    const known = accounts.get(at) ?? { nonce: 0n, code: EMPTY_BYTES, storage: new Map() };
    accounts.set(at, {
      ...known,
      balance: accounts.has(at) ? (accounts.get(at)?.balance ?? balance) : balance,
    });
  }
  return { ...genesis, dev: true, accounts };
}
