// eth_: what the node says about itself. It neither mines nor holds keys; the local chain's table adds accounts.
import { type JsonObject, toQuantity } from "./encode.ts";
import { type Methods, method } from "./method.ts";
import type { ChainPort, RpcPorts, SyncProgress } from "./ports.ts";

/** Version of the Ethereum wire protocol that answers of this shape come with (eth/68). */
const PROTOCOL_VERSION = 68;

function syncJson(progress: SyncProgress): JsonObject {
  return {
    startingBlock: toQuantity(progress.startingBlock),
    currentBlock: toQuantity(progress.currentBlock),
    highestBlock: toQuantity(progress.highestBlock),
  };
}

/** What can be queried how far back: blocks are all kept, state from `oldestState` on. */
function capabilities(chain: ChainPort): JsonObject {
  const head = chain.head();
  const all = { disabled: false, oldestBlock: "0x0" };
  const state = { disabled: false, oldestBlock: toQuantity(chain.oldestState()) };
  return {
    head: { number: toQuantity(head.header.number), hash: head.hash },
    blocks: all,
    tx: all,
    logs: all,
    receipts: all,
    state,
    stateproofs: { disabled: true },
  };
}

export function ethNodeMethods({ chain, identity, status }: RpcPorts): Methods {
  return {
    eth_chainId: method(0, () => toQuantity(identity.chainId)),
    eth_protocolVersion: method(0, () => toQuantity(PROTOCOL_VERSION)),
    eth_syncing: method(0, () => {
      const progress = status.syncing();
      return progress === undefined ? false : syncJson(progress);
    }),
    eth_accounts: method(0, () => []),
    eth_requestAccounts: method(0, () => []),
    eth_coinbase: method(0, () => chain.nextHeader().coinbase),
    eth_mining: method(0, () => false),
    eth_hashrate: method(0, () => "0x0"),
    eth_capabilities: method(0, () => capabilities(chain)),
  };
}
