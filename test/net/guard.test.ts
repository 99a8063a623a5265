// What a connection may bring before it has a channel, on the library's own muxer: every kind of frame that costs its
// sender nothing is read at a rate, a frame of any announced length is not kept, and a paused stream stays paused.
import { describe, expect, test } from "bun:test";
import type { MessageStream, Stream } from "@libp2p/interface";
import { concatBytes } from "#lib/bytes.ts";
import { GUARD_UNITS_PER_SECOND, MAX_MUXER_FRAME_BYTES } from "#net/guard.ts";
import { connectionMuxer } from "#net/muxer.ts";
import { createValve } from "#net/valve.ts";
import { ManualClock } from "./fake-wire.ts";

const DATA = 0;
const WINDOW = 1;
const PING = 2;
const [SYN, ACK] = [1, 2];
const HEADER_BYTES = 12;
const WINDOW_BYTES = 256 * 1024;

/** A frame of the muxer (yamux): version, kind, flags, stream, length. */
function frame(type: number, flag: number, stream: number, length: number, data?: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flag);
  view.setUint32(4, stream);
  view.setUint32(8, length);
  return data === undefined ? header : concatBytes(header, data);
}

/** The library's muxer on a connection in the test's hands. */
class Line extends EventTarget {
  readonly direction = "inbound";
  readStatus: "readable" | "paused" = "readable";
  readonly sent: Uint8Array[] = [];
  readonly aborts: string[] = [];
  readonly log: unknown;
  constructor() {
    super();
    const log = { trace: () => {}, error: () => {}, newScope: (): unknown => Object.assign(() => {}, log) };
    this.log = log.newScope();
  }
  send(bytes: { subarray(): Uint8Array }): boolean {
    this.sent.push(bytes.subarray().slice());
    return true;
  }
  abort(error: Error): void {
    this.aborts.push(error.message);
  }
  pause(): void {
    this.readStatus = "paused";
  }
  resume(): void {
    this.readStatus = "readable";
  }
  receive(data: Uint8Array): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
  sentOf(type: number): Uint8Array[] {
    return this.sent.filter((bytes) => bytes[1] === type);
  }
}

function rig() {
  const line = new Line();
  const clock = new ManualClock();
  const muxer = connectionMuxer(clock)().createStreamMuxer(line as unknown as MessageStream);
  const streams: Stream[] = [];
  muxer.addEventListener("stream", ({ detail }) => streams.push(detail));
  return { line, clock, muxer, streams };
}

/** Sends `packets` one after the other while the line is read, for so many seconds; how many were. */
async function readIn(seconds: number, packets: (i: number) => Uint8Array): Promise<number> {
  const { line, clock } = rig();
  let read = 0;
  for (let ms = 0; ms < seconds * 1_000; ms += 10) {
    // A bound of the test itself, for a line that nobody ever pauses.
    while (line.readStatus === "readable" && read < 100 * GUARD_UNITS_PER_SECOND)
      line.receive(packets(read++));
    await clock.advance(10);
  }
  expect(line.aborts).toEqual([]);
  return read;
}

describe("what costs its sender nothing is read at a rate", () => {
  const SECONDS = 5;
  /** One second's credit at the start. */
  const most = (each: number): number => ((SECONDS + 1) * GUARD_UNITS_PER_SECOND) / each + 2;
  const kinds: readonly (readonly [string, number, (i: number) => Uint8Array])[] = [
    ["pings", 51, (i) => frame(PING, SYN, 0, i)],
    ["window updates for no stream", 2, () => frame(WINDOW, 0, 9, 0)],
    ["empty data", 2, () => frame(DATA, 0, 9, 0)],
    ["single bytes of a frame", 1, (i) => frame(PING, SYN, 0, 1).subarray(i % 12, (i % 12) + 1)],
    [
      "new streams",
      100,
      (i) => concatBytes(frame(WINDOW, SYN, 2 * i + 1, 0), frame(WINDOW, 8, 2 * i + 1, 0)),
    ],
    ["data for no stream", 64, () => frame(DATA, 0, 9, 16_384, new Uint8Array(16_384))],
  ];
  for (const [name, each, make] of kinds) {
    test(name, async () => {
      const read = await readIn(SECONDS, make);
      expect(read).toBeLessThan(most(each));
      // Read on after each pause, too.
      expect(read).toBeGreaterThan((2 * GUARD_UNITS_PER_SECOND) / (each + 2));
    });
  }

  test("many in one packet count as many", async () => {
    const empty = concatBytes(...Array.from({ length: 1_000 }, () => frame(DATA, 0, 9, 0)));
    expect(await readIn(SECONDS, () => empty)).toBeLessThan(most(1_000));
  });

  test("and more than a second's worth in one packet is handled no further: the connection ends", () => {
    const heavy: readonly (readonly [number, Uint8Array])[] = [
      [GUARD_UNITS_PER_SECOND, frame(DATA, 0, 9, 0)],
      [GUARD_UNITS_PER_SECOND / 50, frame(PING, SYN, 0, 1)],
    ];
    for (const [most, each] of heavy) {
      const { line } = rig();
      line.receive(concatBytes(...Array.from({ length: 5_000 }, () => each)));
      expect(line.aborts[0]).toContain("above the muxer's bound");
      expect(line.sentOf(PING).length).toBeLessThanOrEqual(most);
    }
  });
});

test("a peer at half the rate is never held, and its pings are answered", async () => {
  const { line, clock } = rig();
  for (let ms = 0; ms < 3_000; ms++) {
    line.receive(frame(WINDOW, 0, 9, 0));
    if (ms % 500 === 0) line.receive(frame(PING, SYN, 0, ms));
    expect(line.readStatus).toBe("readable");
    await clock.advance(1);
  }
  expect(line.sentOf(PING).filter(([, , , flag]) => flag === ACK)).toHaveLength(6);
});

test("a frame of any announced length is not kept until it is whole", () => {
  const { line } = rig();
  line.receive(frame(DATA, 0, 1, 0xffff_ffff));
  const piece = new Uint8Array(64 * 1024);
  let kept = 0;
  while (line.aborts.length === 0 && kept < 4 * MAX_MUXER_FRAME_BYTES) {
    line.receive(piece);
    kept += piece.length;
  }
  expect(line.aborts[0]).toContain("above the muxer's bound");
  expect(kept).toBeLessThanOrEqual(MAX_MUXER_FRAME_BYTES + piece.length);
});

test("streams beyond a bound are refused before anything is read from them", () => {
  const { line, streams } = rig();
  for (let i = 0; i < 200; i++) line.receive(frame(WINDOW, SYN, 2 * i + 1, 0));
  expect(streams.length).toBeLessThanOrEqual(64);
  const RESET = 8;
  expect(line.sentOf(WINDOW).filter(([, , , flag]) => flag === RESET)).toHaveLength(200 - streams.length);
});

test("a stream that is paused while it hands over what was held back stays paused, and asks for nothing more", () => {
  const { line, streams } = rig();
  line.receive(frame(WINDOW, SYN, 1, 0));
  const [stream] = streams as [Stream];
  stream.protocol = "chosen";
  const valve = createValve(stream);
  let heard = 0;
  stream.addEventListener("message", ({ data }) => {
    heard += data.byteLength;
    valve.pause();
  });
  const whole = new Uint8Array(WINDOW_BYTES / 2);
  line.receive(frame(DATA, 0, 1, whole.length, whole));
  expect(heard).toBe(whole.length);
  line.receive(frame(DATA, 0, 1, whole.length, whole));
  valve.resume();
  expect(heard).toBe(2 * whole.length);
  expect(stream.readStatus).toBe("paused");
  // What resuming asked for may come and is held; it is the last that was asked for.
  const before = line.sentOf(WINDOW).length;
  line.receive(frame(DATA, 0, 1, whole.length, whole));
  expect(heard).toBe(2 * whole.length);
  expect(line.sentOf(WINDOW)).toHaveLength(before);
  valve.resume();
  expect(heard).toBe(3 * whole.length);
});

test("a valve of a stream that has ended does nothing", () => {
  const { line, streams } = rig();
  line.receive(frame(WINDOW, SYN, 1, 0));
  const [stream] = streams as [Stream];
  const valve = createValve(stream);
  valve.pause();
  stream.abort(new Error("over"));
  valve.resume();
  valve.pause();
  const broken = {
    readStatus: "paused",
    pause: () => {},
    resume: (): void => {
      throw new Error("ended below");
    },
  };
  expect(() => createValve(broken).resume()).not.toThrow();
});
