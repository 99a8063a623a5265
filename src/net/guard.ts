// What one connection may cost before anything it brings has a channel: the library reads pings, window updates, empty
// frames, new streams and data for streams that are none as fast as they come, and keeps a frame of any announced length
// until it is whole. Here all of it is counted, and the socket of a connection beyond its credit is not read for a while.
import { KoraError } from "#lib/error.ts";
import type { Clock } from "./clock.ts";
import { createCredit } from "./rate.ts";
import { createValve, type Pausable } from "./valve.ts";

/**
 * Packets and frames a second: both ends at all the quotas of all their channels, with the window updates that answer,
 * and a few percent of a core.
 */
export const GUARD_UNITS_PER_SECOND = 4_000;
/** Those at the start: whoever connects again and again brings no second's worth each time. */
const FIRST_UNITS: number = GUARD_UNITS_PER_SECOND / 2;
/** What opening a stream counts: the choice of its protocol takes some messages and half a millisecond. */
const STREAM_UNITS = 100;
/** And a ping, which is answered by a packet of its own. Honest ones come a few times a minute. */
const PING_UNITS = 50;
/** Bytes for a stream that is none which count as one unit; those on a stream are bounded by its window. */
const LOST_BYTES_PER_UNIT = 256;
/** Largest frame that the library makes, by far: it cuts what it sends to windows. */
export const MAX_MUXER_FRAME_BYTES: number = 2 * 1024 * 1024;

/** Kinds and flags of the muxer's frames (yamux, "Framing"). */
const DATA_FRAME = 0;
const PING_FRAME = 2;
const SYN_FLAG = 1;

interface FrameHeader {
  readonly type: number;
  readonly flag: number;
  readonly streamID: number;
  readonly length: number;
}

/** The parts of the library's muxer that incoming bytes go through. */
export interface GuardedMuxer {
  onData(data: { readonly byteLength: number }): void;
  handleFrame(frame: { readonly header: FrameHeader }): void;
  readonly decoder: { readonly buffer: { readonly byteLength: number } };
  readonly streams: readonly { readonly streamId: number }[];
}

function unitsOf({ type, flag, streamID, length }: FrameHeader, { streams }: GuardedMuxer): number {
  // Data of a frame that opens a stream is lost where no more streams may be open.
  const lost = type === DATA_FRAME && !streams.some(({ streamId }) => streamId === streamID);
  const opening = (flag & SYN_FLAG) !== 0 && streamID !== 0;
  const taking = type === PING_FRAME ? PING_UNITS : opening ? STREAM_UNITS : 1;
  return taking + (lost ? length / LOST_BYTES_PER_UNIT : 0);
}

function tooMuch(what: string): KoraError {
  return new KoraError(`${what} above the muxer's bound`, { code: "OVERSIZED_FRAME" });
}

/** A connection that can be paused, and says when it has ended. */
export interface GuardedConnection extends Pausable {
  addEventListener(type: "close", heard: () => void): void;
}

/** Makes `muxer` count what it reads from `connection`, and pause it when that is too much. */
export function guardConnection(connection: GuardedConnection, muxer: GuardedMuxer, clock: Clock): void {
  const credit = createCredit(GUARD_UNITS_PER_SECOND);
  credit.take(clock.now(), GUARD_UNITS_PER_SECOND - FIRST_UNITS);
  const valve = createValve(connection);
  const onData = muxer.onData.bind(muxer);
  const handleFrame = muxer.handleFrame.bind(muxer);
  let units = 0;
  let waiting = false;
  let cancel: (() => void) | undefined;
  // A pause can last minutes, and its timer holds all of the connection.
  connection.addEventListener("close", () => cancel?.());

  function rest(): void {
    const pause = credit.wait(clock.now(), 0);
    if (pause === 0 || waiting) return;
    waiting = true;
    valve.pause();
    cancel = clock.after(pause, () => {
      waiting = false;
      valve.resume();
    });
  }
  muxer.handleFrame = (frame) => {
    units += unitsOf(frame.header, muxer);
    // All of a packet is handled at a stretch, whatever waits meanwhile. The muxer aborts the connection for what is
    // thrown here.
    if (units > GUARD_UNITS_PER_SECOND) throw tooMuch("a packet of frames");
    handleFrame(frame);
  };
  muxer.onData = (data) => {
    units = 1;
    onData(data);
    credit.take(clock.now(), units);
    if (muxer.decoder.buffer.byteLength > MAX_MUXER_FRAME_BYTES) throw tooMuch("a frame");
    rest();
  };
}
