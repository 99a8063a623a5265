// Transfers signed as a wallet signs them, by the accounts that everybody's test words make and test networks fund.
import { type Hex, parseGwei } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { TEST_MNEMONIC } from "#crypto/mnemonic.ts";

export interface WalletTransfer {
  /** Number of the account. */
  readonly account: number;
  readonly nonce: number;
  /** Wei. */
  readonly value: bigint;
}

/** The bytes of a transfer to nobody in particular, on the chain of `kora devnet` and `kora testnet`. */
export function signedTransfer({ account, ...fields }: WalletTransfer): Promise<Hex> {
  return mnemonicToAccount(TEST_MNEMONIC, { addressIndex: account }).signTransaction({
    ...{ type: "eip1559", chainId: 1337, to: `0x${"42".repeat(20)}`, gas: 21_000n, ...fields },
    ...{ maxFeePerGas: parseGwei("10"), maxPriorityFeePerGas: parseGwei("1") },
  });
}
