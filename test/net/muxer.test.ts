// Streams on a connection that ended under the muxer: nothing it sends from a microtask or a listener may escape.
import { expect, test } from "bun:test";
import type { MessageStream, Stream } from "@libp2p/interface";
import { concatBytes } from "#lib/bytes.ts";
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

test("a window update is sent when a stream opens, and then for half a window, not for each piece of data", async () => {
  const fake = fakeConnection();
  const muxer = connectionMuxer()().createStreamMuxer(fake.connection);
  const streams: Stream[] = [];
  muxer.addEventListener("stream", ({ detail }) => streams.push(detail));
  const frame = (type: number, flag: number, length: number): Uint8Array =>
    Uint8Array.of(
      0,
      type,
      0,
      flag,
      0,
      0,
      0,
      2,
      ...new Uint8Array(new Uint32Array([length]).buffer).toReversed(),
    );
  const receive = (data: Uint8Array): void =>
    void fake.connection.dispatchEvent(Object.assign(new Event("message"), { data }));
  const [WINDOW, DATA, SYN] = [1, 0, 1];
  await Bun.sleep(0);
  const before = fake.sent;
  receive(frame(WINDOW, SYN, 0));
  let heard = 0;
  (streams[0] as Stream).protocol = "chosen";
  streams[0]?.addEventListener("message", ({ data }) => {
    heard += data.byteLength;
  });
  const PIECE = 1_024;
  const pieces = (count: number): void => {
    for (let i = 0; i < count; i++) receive(concatBytes(frame(DATA, 0, PIECE), new Uint8Array(PIECE)));
  };
  // The first accepts the stream; half of 256 KiB are 128 pieces.
  pieces(1);
  expect(fake.sent - before).toBe(1);
  pieces(126);
  expect(fake.sent - before).toBe(1);
  pieces(4);
  expect(fake.sent - before).toBe(2);
  // Many windows go through: the other end is never left without one.
  pieces(4_000);
  expect(heard).toBe(4_131 * PIECE);
  expect(fake.aborts).toEqual([]);
  expect(fake.sent - before).toBeLessThan(40);
});
