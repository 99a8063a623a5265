// The bounds of choosing a protocol, to the byte and to the message; beyond the choice nothing is bounded here.
import { expect, test } from "bun:test";
import { boundNegotiation, type Negotiated } from "#net/negotiation.ts";

const BOUNDS = { bytes: 10, answers: 3 };

function rig() {
  const log: string[] = [];
  const stream: Negotiated = {
    send: ({ byteLength }) => {
      log.push(`sent ${byteLength}`);
      return true;
    },
    onData: ({ byteLength }) => void log.push(`heard ${byteLength}`),
    abort: () => void log.push("aborted"),
  };
  const state = { choosing: true };
  boundNegotiation(stream, BOUNDS, () => state.choosing);
  return { log, stream, state };
}

test("as many bytes as allowed are heard, and with one more the stream ends", () => {
  const { log, stream } = rig();
  stream.onData(new Uint8Array(4));
  stream.onData(new Uint8Array(6));
  stream.onData(new Uint8Array(1));
  expect(log).toEqual(["heard 4", "heard 6", "aborted"]);
});

test("as many answers as allowed are given, and whoever gives one more is told so", () => {
  const { log, stream } = rig();
  for (let i = 1; i <= 3; i++) expect(stream.send(new Uint8Array(i))).toBeTrue();
  expect(() => stream.send(new Uint8Array(4))).toThrow("before a protocol was chosen");
  expect(log).toEqual(["sent 1", "sent 2", "sent 3", "aborted"]);
});

test("once the choice is made, nothing more is counted", () => {
  const { log, stream, state } = rig();
  stream.onData(new Uint8Array(10));
  for (let i = 1; i <= 3; i++) stream.send(new Uint8Array(1));
  state.choosing = false;
  stream.onData(new Uint8Array(1_000));
  stream.send(new Uint8Array(1_000));
  expect(log.slice(-2)).toEqual(["heard 1000", "sent 1000"]);
});
