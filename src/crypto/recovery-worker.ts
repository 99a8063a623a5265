// A thread that recovers transaction senders; see recovery.ts.
import { answerRequest, type Hello } from "./recovery-batch.ts";
import { secp256k1Backend } from "./secp256k1.ts";
import { loadFastRecovery, type RecoverKey } from "./secp256k1-recovery.ts";

declare const self: Worker;

/** A fallback is never silent: whoever started this thread decides what it is good for. */
async function load(): Promise<RecoverKey> {
  const { name, reason, recover } = secp256k1Backend();
  const found = name === "native" ? recover : await loadFastRecovery();
  const hello: Hello = { reason, slow: found === undefined };
  self.postMessage(hello);
  return found ?? recover;
}

// Work that comes meanwhile waits, and stays in order.
const loading = load();

self.onmessage = async ({ data }: MessageEvent<Uint8Array>) => {
  const answer = answerRequest(data, await loading);
  self.postMessage(answer, [answer.buffer as ArrayBuffer]);
};
