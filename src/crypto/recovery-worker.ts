// A thread that recovers transaction senders; see recovery.ts.
import { answerRequest } from "./recovery-batch.ts";
import { secp256k1Backend } from "./secp256k1.ts";
import { loadFastRecovery } from "./secp256k1-recovery.ts";

declare const self: Worker;

// A fallback is never silent: whoever started this thread decides what it is good for.
const backend = secp256k1Backend();
if (backend.reason !== undefined) self.postMessage(backend.reason);

// Work that comes meanwhile waits, and stays in order.
const loading =
  backend.name === "native"
    ? Promise.resolve(backend.recover)
    : loadFastRecovery().then((fast) => fast ?? backend.recover);

self.onmessage = async ({ data }: MessageEvent<Uint8Array>) => {
  const answer = answerRequest(data, await loading);
  self.postMessage(answer, [answer.buffer as ArrayBuffer]);
};
