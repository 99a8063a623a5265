// What may go unhandled: the end of a connection, and nothing of ours.
import { expect, test } from "bun:test";
import { AbortError, StreamResetError } from "@libp2p/interface";
import { KoraError } from "#lib/error.ts";
import { tellsOfEndedConnection } from "#node/rejections.ts";

test("the network library's errors of ended connections are let go, ours never", () => {
  expect(tellsOfEndedConnection(new AbortError())).toBe(true);
  expect(tellsOfEndedConnection(new StreamResetError())).toBe(true);
  expect(tellsOfEndedConnection(AbortSignal.abort().reason)).toBe(true);
  expect(tellsOfEndedConnection(new KoraError("broken", { code: "INVARIANT" }))).toBe(false);
  expect(tellsOfEndedConnection(new TypeError("undefined is not a function"))).toBe(false);
  expect(tellsOfEndedConnection("AbortError")).toBe(false);
});
