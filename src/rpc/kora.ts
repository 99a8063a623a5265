// kora_: consensus, finality and proofs of the state. `kora_getProof` is with the state methods.
import { toHex } from "#lib/bytes.ts";
import { encodeHeader } from "#types/header.ts";
import { heightOf } from "./blocks.ts";
import { toQuantity } from "./encode.ts";
import { type Methods, method } from "./method.ts";
import { blockRef } from "./params.ts";
import type { RpcPorts } from "./ports.ts";

export function koraMethods({ chain, status }: RpcPorts): Methods {
  return {
    kora_nodeStatus: method(0, () => {
      const { leader, ...rest } = status.nodeStatus();
      return { ...rest, leader: leader ?? null };
    }),
    kora_getFinalization: method(1, (args) => {
      const at = heightOf(chain, args.required(0, blockRef));
      const block = at === undefined ? undefined : chain.block(at);
      if (at === undefined || block === undefined) return null;
      const certificate = chain.certificate(at);
      return {
        number: toQuantity(at),
        hash: block.hash,
        header: toHex(encodeHeader(block.header)),
        certificate: certificate === undefined ? null : toHex(certificate),
      };
    }),
  };
}
