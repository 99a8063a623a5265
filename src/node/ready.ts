// What a node says once when it is at work: what runs, on which chain, where it can be reached, and how much room it has.
import { readFileSync } from "node:fs";
import { formatSocketAddress } from "#config/kind.ts";
import type { CreatedNode } from "./create.ts";
import { freeBytes } from "./disk.ts";
import type { Logger } from "./log.ts";
import { buildInfo } from "./version.ts";

/** The limits of this process, each on a line with its soft and its hard value. */
const LIMITS = "/proc/self/limits";

/** Files and sockets that this process may have open; undefined where there is no limit, or none is told. */
export function openFileLimit(limits: string = LIMITS): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)\s/m.exec(readFileSync(limits, "utf8"))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    // Only Linux tells.
    return undefined;
  }
}

export type ReadyNode = Pick<CreatedNode, "chain" | "network" | "rpc" | "metricsAddress">;

/** Says that the node is at work; `directory` is its data directory. Free room is in bytes. */
export function announceReady(logger: Logger, node: ReadyNode, directory: string): void {
  const { chain, network, rpc, metricsAddress } = node;
  logger.info("node ready", {
    chainId: Number(chain.rules.chain.chainId),
    genesis: chain.genesisHash,
    height: chain.ledger.tip().header.number,
    version: buildInfo.version,
    commit: buildInfo.commit,
    identity: network?.transport.self,
    p2p: network?.transport.listening().join(" "),
    rpc: rpc?.addresses.map(formatSocketAddress).join(" "),
    dataDir: directory,
    diskFree: freeBytes(directory),
    openFileLimit: openFileLimit(),
    restoredTransactions: chain.restored,
  });
  if (metricsAddress !== undefined)
    logger.info("metrics ready", { address: formatSocketAddress(metricsAddress) });
}
