// The dispatch table: every method by name. The local chain's own methods stand before those of all nodes.
import { ethBlockMethods } from "./eth-blocks.ts";
import { ethCallMethods } from "./eth-call.ts";
import { createTipOracle, ethFeeMethods } from "./eth-fees.ts";
import { ethFillMethods } from "./eth-fill.ts";
import { ethFilterMethods } from "./eth-filters.ts";
import { ethNodeMethods } from "./eth-node.ts";
import { ethStateMethods } from "./eth-state.ts";
import { ethSubscribeMethods } from "./eth-subscribe.ts";
import { ethTransactionMethods } from "./eth-transactions.ts";
import { koraMethods } from "./kora.ts";
import type { RpcLimits } from "./limits.ts";
import { type Method, type Methods, method } from "./method.ts";
import { netMethods, rpcMethods, web3Methods } from "./net-web3.ts";
import type { DevMethodTable, RpcPorts } from "./ports.ts";
import { txpoolMethods } from "./txpool.ts";

/** Arguments a method of the local chain may get; it checks them itself. */
const DEV_ARITY = 16;

/** The methods of a server, and how to let go of what they listen to. */
export interface MethodTable {
  /** A map, so that no name reaches a prototype. */
  readonly byName: ReadonlyMap<string, Method>;
  close(): void;
}

function devMethods(table: DevMethodTable): Methods {
  const entries = Object.entries(table).map(([name, run]): [string, Method] => [
    name,
    method(DEV_ARITY, (args) => run(args.raw)),
  ]);
  return Object.fromEntries(entries);
}

/** `namespaces` limits what is served; undefined serves all. */
export function createMethodTable(
  ports: RpcPorts,
  limits: RpcLimits,
  namespaces: ReadonlySet<string> | undefined,
): MethodTable {
  const { chain, pool } = ports;
  const suggestTip = createTipOracle(chain);
  const filters = ethFilterMethods(ports, limits);
  const byName = new Map<string, Method>();
  const all: Methods = {
    ...ethBlockMethods(chain, limits),
    ...ethTransactionMethods(chain, pool, limits),
    ...ethStateMethods(chain, pool),
    ...ethCallMethods(ports, limits),
    ...ethFeeMethods(chain, suggestTip),
    ...ethFillMethods(ports, limits, suggestTip),
    ...filters.methods,
    ...ethSubscribeMethods(),
    ...ethNodeMethods(ports),
    ...txpoolMethods(pool, limits),
    ...netMethods(ports),
    ...web3Methods(ports),
    ...koraMethods(ports),
    ...rpcMethods(() => byName.keys()),
    ...(ports.dev && devMethods(ports.dev)),
  };
  for (const [name, entry] of Object.entries(all)) {
    const namespace = name.slice(0, name.indexOf("_"));
    if (namespaces === undefined || namespaces.has(namespace)) byName.set(name, entry);
  }
  return { byName, close: filters.close };
}
