// A steady stream of transfers against a network whose nodes come and go. A transaction counts as acknowledged when some
// node has answered its receipt; from then on it must never be missing.

import { keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Rng } from "#lib/rng.ts";
import { ask, type TestNode } from "./network.ts";

export interface Acknowledged {
  readonly hash: string;
  readonly blockHash: string;
}

export interface Transfers {
  readonly acknowledged: readonly Acknowledged[];
  stop(): Promise<void>;
}

const CHAIN_ID = 1337;
const RESEND_MS = 2_000;
const POLL_MS = 40;
const GWEI = 10n ** 9n;
/** Keys of the public test mnemonic's accounts. */
const KEYS = [
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
  "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
  "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
] as const;

async function trying<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}

/** Starts sending from four accounts, one transaction of each at a time. */
export function startTransfers(running: () => TestNode[], rng: Rng): Transfers {
  const acknowledged: Acknowledged[] = [];
  let stopped = false;
  const some = (): TestNode | undefined => {
    const nodes = running();
    return nodes.length === 0 ? undefined : rng.pick(nodes);
  };
  const call = async <T>(method: string, ...params: unknown[]): Promise<T | undefined> => {
    const process = some()?.process;
    return process && (await trying(() => ask<T>(process, method, ...params)));
  };
  async function send(key: (typeof KEYS)[number]): Promise<void> {
    const account = privateKeyToAccount(key);
    let nonce: number | undefined;
    while (nonce === undefined && !stopped) {
      const count = await call<string>("eth_getTransactionCount", account.address, "latest");
      if (count === undefined) await Bun.sleep(POLL_MS);
      else nonce = Number(count);
    }
    for (; !stopped; nonce = (nonce as number) + 1) {
      const to = `0x${keccak256(toHex(rng.u32())).slice(26)}` as const;
      const fees = { maxFeePerGas: 100n * GWEI, maxPriorityFeePerGas: GWEI };
      const raw = await account.signTransaction({
        ...{ type: "eip1559", chainId: CHAIN_ID, nonce: nonce as number, to, value: 1n, gas: 21_000n },
        ...fees,
      });
      const hash = keccak256(raw);
      let sentAt = Number.NEGATIVE_INFINITY;
      for (;;) {
        if (stopped) return;
        if (performance.now() - sentAt > RESEND_MS) {
          sentAt = performance.now();
          await call("eth_sendRawTransaction", raw);
        }
        const receipt = await call<{ blockHash: string } | null>("eth_getTransactionReceipt", hash);
        if (receipt != null) {
          acknowledged.push({ hash, blockHash: receipt.blockHash });
          break;
        }
        await Bun.sleep(POLL_MS);
      }
    }
  }
  const sending = Promise.all(KEYS.map(send));
  return {
    acknowledged,
    async stop() {
      stopped = true;
      await sending;
    },
  };
}
