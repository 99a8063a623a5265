// What a validator hears: every vote that reaches this node with a good envelope goes into a file, one line each, so
// that after a run one can see what the others said in public.
import { appendFileSync } from "node:fs";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import type { FrameHandler, Transport } from "#net/types.ts";
import { createThresholdVotes } from "#node/validators/votes.ts";
import type { Hash } from "#types/ids.ts";
import { DEFAULT_MAX_BLOCK_BYTES } from "#types/limits.ts";
import { decodeMessage } from "#types/message.ts";

/** `inner`, with all votes that it brings written to `path`: signer, view, kind, parent view and payload. */
export function tapped(
  inner: Transport,
  path: string,
  { scheme, genesis }: { readonly scheme: ThresholdScheme; readonly genesis: Hash },
): Transport {
  const port = createThresholdVotes(scheme, undefined, genesis);
  function write(frame: Uint8Array): void {
    const message = decodeMessage(frame, DEFAULT_MAX_BLOCK_BYTES);
    const vote = message.type === "vote" || message.type === "echo" ? message.vote : undefined;
    if (vote === undefined || !port.authenticate(vote)) return;
    const { signer, view, kind, parentView, payload } = vote;
    appendFileSync(path, `${signer} ${view} ${kind} ${parentView} ${payload}\n`);
  }
  const open: Transport["open"] = (spec, handler) => {
    const heard: FrameHandler = (from, frame) => {
      if (spec.name === "votes") {
        try {
          write(frame);
        } catch {
          // No vote: the node itself judges it.
        }
      }
      return handler(from, frame);
    };
    return inner.open(spec, heard);
  };
  return new Proxy(inner, {
    get(target, name) {
      if (name === "open") return open;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
