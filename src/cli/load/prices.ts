// What a load offers for gas: it follows the base fee, with room for what the fee may rise while a transaction waits,
// and never beyond what the sending accounts were funded for.
import type { RpcClient } from "#cli/rpc-client.ts";
import type { Hex } from "#lib/bytes.ts";
import type { Fees } from "./accounts.ts";

const GWEI = 1_000_000_000n;
/** Times the base fee that is offered: full blocks raise it by an eighth each, so that it stays enough for seventeen. */
const HEADROOM = 8n;
/** Times the first offer that is paid at most: a chain that stays full for longer includes less. */
const RISE = 4n;

export interface Offer {
  /** What a transaction that is signed now offers. */
  readonly fees: Fees;
  /** The highest offer there will be, wei per gas. */
  readonly ceiling: bigint;
}

export interface Prices extends Offer {
  /** Reads the next block's base fee. */
  follow(): Promise<void>;
}

async function nextBaseFee(client: RpcClient): Promise<bigint> {
  const history = (await client.call("eth_feeHistory", "0x1", "latest", [])) as { baseFeePerGas?: Hex[] };
  return BigInt(history.baseFeePerGas?.at(-1) ?? "0x0");
}

const nextOffer = async (client: RpcClient): Promise<bigint> => (await nextBaseFee(client)) * HEADROOM + GWEI;

/** What is offered on the chain of `client` now, and the highest that is worth offering later. */
export async function firstOffer(client: RpcClient): Promise<Offer> {
  const chainId = BigInt((await client.call("eth_chainId")) as Hex);
  const first = await nextOffer(client);
  return { fees: { chainId, maxFeePerGas: first, maxPriorityFeePerGas: GWEI }, ceiling: first * RISE };
}

/** Prices on the chain of `client`, from its first offer on. */
export function openPrices(client: RpcClient, { fees: first, ceiling }: Offer): Prices {
  let fees = first;
  return {
    get fees() {
      return fees;
    },
    ceiling,
    async follow() {
      const maxFeePerGas = await nextOffer(client);
      fees = { ...fees, maxFeePerGas: maxFeePerGas < ceiling ? maxFeePerGas : ceiling };
    },
  };
}
