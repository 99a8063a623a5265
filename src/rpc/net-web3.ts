// net_, web3_ and rpc_: who is there, and what can be asked.

import { keccak256 } from "#crypto/hash.ts";
import { toHex } from "#lib/bytes.ts";
import { toQuantity } from "./encode.ts";
import { type Methods, method } from "./method.ts";
import { data } from "./params.ts";
import type { RpcPorts } from "./ports.ts";

export function netMethods({ identity, peers }: RpcPorts): Methods {
  return {
    net_version: method(0, () => identity.chainId.toString()),
    net_listening: method(0, () => peers.listening()),
    net_peerCount: method(0, () => toQuantity(peers.count())),
  };
}

export function web3Methods({ identity }: RpcPorts): Methods {
  return {
    web3_clientVersion: method(0, () => identity.clientVersion),
    web3_sha3: method(1, (args) => toHex(keccak256(args.required(0, data)))),
  };
}

/** `rpc_modules`: the namespaces of `names`, each at version 1.0 (geth's form). */
export function rpcMethods(names: () => Iterable<string>): Methods {
  const modules = (): Record<string, string> => {
    const found = new Set([...names()].map((name) => name.slice(0, name.indexOf("_"))));
    return Object.fromEntries([...found].sort().map((name) => [name, "1.0"]));
  };
  return { rpc_modules: method(0, modules) };
}
