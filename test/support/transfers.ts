// A steady stream of transfers against a network whose nodes come and go. A hash that a node answered must become final
// without being sent again, unless that node lost its disk; a receipt that a node answered must never be missing.

import { keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { ask, type TestNode } from "./network.ts";
import type { Rng } from "./rng.ts";

export interface Acknowledged {
  readonly hash: string;
  readonly blockHash: string;
}

/** A transaction whose hash was answered, and whose receipt was not yet. */
export interface Outstanding {
  readonly hash: string;
  readonly node: TestNode;
}

export interface Transfers {
  readonly acknowledged: readonly Acknowledged[];
  outstanding(): readonly Outstanding[];
  /** A node lost what it had on its disk: hashes that only it has answered may be sent again. */
  forget(node: TestNode): void;
  stop(): Promise<void>;
}

const CHAIN_ID = 1337;
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

/** Starts sending from four accounts to any of `running`, one transaction of each at a time. */
export function startTransfers(running: () => TestNode[], rng: Rng): Transfers {
  const acknowledged: Acknowledged[] = [];
  /** By hash: the node that answered it. */
  const answered = new Map<string, TestNode>();
  let stopped = false;
  const call = async <T>(method: string, ...params: unknown[]): Promise<[T, TestNode] | undefined> => {
    const nodes = running();
    const node = nodes.length === 0 ? undefined : rng.pick(nodes);
    const process = node?.process;
    if (node === undefined || process === undefined) return undefined;
    const answer = await trying(() => ask<T>(process, method, ...params));
    return answer === undefined ? undefined : [answer, node];
  };
  async function finalize(raw: `0x${string}`): Promise<void> {
    const hash = keccak256(raw);
    while (!stopped) {
      if (!answered.has(hash)) {
        const taken = await call<string>("eth_sendRawTransaction", raw);
        if (taken !== undefined) answered.set(hash, taken[1]);
      }
      const [receipt] = (await call<{ blockHash: string } | null>("eth_getTransactionReceipt", hash)) ?? [];
      if (receipt != null) {
        answered.delete(hash);
        acknowledged.push({ hash, blockHash: receipt.blockHash });
        return;
      }
      await Bun.sleep(POLL_MS);
    }
  }
  async function send(key: (typeof KEYS)[number]): Promise<void> {
    const account = privateKeyToAccount(key);
    let nonce: number | undefined;
    while (nonce === undefined && !stopped) {
      const count = await call<string>("eth_getTransactionCount", account.address, "latest");
      if (count === undefined) await Bun.sleep(POLL_MS);
      else nonce = Number(count[0]);
    }
    for (; !stopped; nonce = (nonce as number) + 1) {
      const to = `0x${keccak256(toHex(rng.u32())).slice(26)}` as const;
      const fees = { maxFeePerGas: 100n * GWEI, maxPriorityFeePerGas: GWEI };
      await finalize(
        await account.signTransaction({
          ...{ type: "eip1559", chainId: CHAIN_ID, nonce: nonce as number, to, value: 1n, gas: 21_000n },
          ...fees,
        }),
      );
    }
  }
  const sending = Promise.all(KEYS.map(send));
  return {
    acknowledged,
    outstanding: () => [...answered].map(([hash, node]) => ({ hash, node })),
    forget(node) {
      for (const [hash, from] of answered) if (from === node) answered.delete(hash);
    },
    async stop() {
      stopped = true;
      await sending;
    },
  };
}
