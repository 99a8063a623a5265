// Streams on a connection that ended under the muxer: nothing it sends from a microtask or a listener may escape.
import { expect, test } from "bun:test";
import type { MessageStream } from "@libp2p/interface";
import { connectionMuxer, endUnsendable } from "#net/muxer.ts";

interface Fake {
  readonly connection: MessageStream;
  readonly aborts: Error[];
  sent: number;
  ended: boolean;
}

/** As much of a connection as a muxer touches; once `ended`, sending throws as the library's does. */
function fakeConnection(): Fake {
  const log = { trace: () => {}, error: () => {}, newScope: (): unknown => Object.assign(() => {}, log) };
  const fake: Fake = {
    connection: new EventTarget() as unknown as MessageStream,
    aborts: [],
    sent: 0,
    ended: false,
  };
  Object.assign(fake.connection, {
    log: log.newScope(),
    direction: "outbound",
    send(): boolean {
      if (fake.ended) throw new Error("Cannot write to a stream that is closed");
      fake.sent++;
      return true;
    },
    abort: (error: Error) => fake.aborts.push(error),
  });
  return fake;
}

test("a stream that opens as its connection ends aborts it and throws nowhere", async () => {
  const fake = fakeConnection();
  const muxer = connectionMuxer()().createStreamMuxer(fake.connection);
  await muxer.createStream();
  await Bun.sleep(0);
  expect(fake.sent).toBeGreaterThan(0);
  const before = fake.sent;
  fake.ended = true;
  await muxer.createStream();
  await Bun.sleep(0);
  muxer.abort(new Error("over"));
  expect(fake.sent).toBe(before);
  expect(fake.aborts.map(({ message }) => message)).toContain("Cannot write to a stream that is closed");
});

test("what a living connection says of being full is passed on", () => {
  const fake = fakeConnection();
  Object.assign(fake.connection, { send: () => false });
  expect(endUnsendable(fake.connection).send(new Uint8Array(1))).toBe(false);
  expect(fake.aborts).toEqual([]);
});
