// A thread that recovers transaction senders; see recovery.ts.
import { answerRequest } from "./recovery-batch.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
  const answer = answerRequest(data);
  self.postMessage(answer, [answer.buffer as ArrayBuffer]);
};
