// A thread that recovers transaction senders; see recovery.ts.
import { answerRequest } from "./recovery-batch.ts";
import { secp256k1Backend } from "./secp256k1.ts";

declare const self: Worker;

// A fallback is never silent: whoever started this thread decides what it is good for.
const { reason } = secp256k1Backend();
if (reason !== undefined) self.postMessage(reason);

self.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
  const answer = answerRequest(data);
  self.postMessage(answer, [answer.buffer as ArrayBuffer]);
};
