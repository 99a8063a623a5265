// kora_: consensus, finality and proofs of the state. `kora_getProof` is with the state methods.
import { toHex } from "#lib/bytes.ts";
import { encodeHeader } from "#types/header.ts";
import { type Height, height } from "#types/ids.ts";
import { heightOf } from "./blocks.ts";
import { toQuantity } from "./encode.ts";
import { type Methods, method } from "./method.ts";
import { type Arguments, blockNumber, blockRef } from "./params.ts";
import type { Evidence, RpcPorts } from "./ports.ts";

const evidenceJson = ({ participant, first, second, ...rest }: Evidence) => ({
  ...rest,
  participant: participant ?? null,
  first: toHex(first),
  second: toHex(second),
});

export function koraMethods({ chain, status }: RpcPorts): Methods {
  /** A number may name a block to come; tags other than numbers mean the head. */
  const fromHeight = (args: Arguments): Height => {
    const ref = args.optional(0, blockNumber);
    if (ref === undefined) return height(0);
    return ref.kind === "number" ? ref.height : chain.head().header.number;
  };
  return {
    kora_getEvidence: method(1, (args) => (status.evidence?.(fromHeight(args)) ?? []).map(evidenceJson)),
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
