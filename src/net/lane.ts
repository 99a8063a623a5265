// The way out to one peer on one channel: a bounded queue, a rate, and one stream that is opened when needed and kept.
// A frame is either sent whole or, when its stream breaks in the middle, lost: senders repeat what matters.
import { concatBytes } from "#lib/bytes.ts";
import type { Clock } from "./clock.ts";
import { createFrameQueue, type FrameQueue } from "./frame-queue.ts";
import { FRAME_HEADER_BYTES, frameHeader } from "./frames.ts";
import { createRate, type Rate } from "./rate.ts";
import type { ChannelSpec, SendResult } from "./types.ts";
import type { WireStream } from "./wire.ts";

/** Bytes handed to the stream at once; between pieces the stream may ask to wait. */
const PIECE_BYTES = 64 * 1024;
/** First and longest pause before a stream that could not be opened, or broke, is opened again. */
const REOPEN_MS = 100;
const MAX_REOPEN_MS = 5_000;

export class Lane {
  readonly #clock: Clock;
  readonly #open: () => Promise<WireStream>;
  readonly #rate: Rate;
  readonly #queue: FrameQueue;
  readonly #waiting = new Set<(drained: boolean) => void>();
  #stream: WireStream | undefined;
  #opening = false;
  /** The stream asked to wait. */
  #full = false;
  #closed = false;
  #failures = 0;
  #cancelTimer: (() => void) | undefined;
  /** What is left of the frame that is being written. */
  #current: Uint8Array | undefined;
  #sentBytes = 0;
  #sentFrames = 0;
  #broken = 0;

  constructor(spec: ChannelSpec, clock: Clock, open: () => Promise<WireStream>) {
    this.#clock = clock;
    this.#open = open;
    this.#rate = createRate(spec.outbound);
    this.#queue = createFrameQueue(spec);
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get sentFrames(): number {
    return this.#sentFrames;
  }

  /** Frames that the queue refused or gave up, or that broke with their stream. */
  get dropped(): number {
    return this.#queue.dropped + this.#broken;
  }

  send(frame: Uint8Array): SendResult {
    if (this.#closed) return "absent";
    if (!this.#queue.push(frame)) return "full";
    this.#pump();
    return "queued";
  }

  /** Resolves with true once nothing waits; with false when the lane closes or `signal` aborts first. */
  drained(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#closed || signal?.aborted === true) return Promise.resolve(false);
    if (this.#queue.length === 0 && this.#current === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (result: boolean): void => {
        this.#waiting.delete(finish);
        signal?.removeEventListener("abort", onAbort);
        resolve(result);
      };
      const onAbort = (): void => finish(false);
      this.#waiting.add(finish);
      signal?.addEventListener("abort", onAbort);
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#stream?.abort("the lane closed");
    this.#stream = undefined;
    this.#settle(false);
  }

  #settle(drained: boolean): void {
    for (const finish of [...this.#waiting]) finish(drained);
  }

  #later(ms: number): void {
    this.#cancelTimer ??= this.#clock.after(ms, () => {
      this.#cancelTimer = undefined;
      this.#pump();
    });
  }

  #reopenLater(): void {
    this.#later(Math.min(MAX_REOPEN_MS, REOPEN_MS * 2 ** Math.min(this.#failures, 16)));
    this.#failures++;
  }

  #lose(lost: WireStream): void {
    if (this.#stream !== lost) return;
    this.#stream = undefined;
    this.#full = false;
    if (this.#current !== undefined) this.#broken++;
    this.#current = undefined;
    if (!this.#closed) this.#reopenLater();
  }

  async #openStream(): Promise<void> {
    this.#opening = true;
    try {
      const stream = await this.#open();
      if (this.#closed) {
        stream.abort("the lane closed");
        return;
      }
      this.#stream = stream;
      stream.onClose(() => this.#lose(stream));
      stream.onDrain(() => {
        this.#full = false;
        this.#pump();
      });
    } catch {
      // Absent for the moment, or it does not serve this channel: what waits is bounded, and tried again.
      if (!this.#closed) this.#reopenLater();
    } finally {
      this.#opening = false;
    }
    this.#pump();
  }

  /** Hands the current frame over, piece by piece; false when the stream has to be waited for. */
  #write(stream: WireStream): boolean {
    while (this.#current !== undefined) {
      if (this.#full) return false;
      const piece = this.#current.subarray(0, PIECE_BYTES);
      try {
        this.#full = !stream.write(piece);
      } catch {
        this.#lose(stream);
        return false;
      }
      this.#sentBytes += piece.length;
      const rest = this.#current?.subarray(piece.length);
      this.#current = rest !== undefined && rest.length > 0 ? rest : undefined;
    }
    this.#failures = 0;
    return true;
  }

  #pump(): void {
    if (this.#closed) return;
    while (this.#current !== undefined || this.#queue.length > 0) {
      if (this.#stream === undefined) {
        if (!this.#opening && this.#cancelTimer === undefined) void this.#openStream();
        return;
      }
      if (this.#current === undefined) {
        const pause = this.#rate.wait(this.#clock.now());
        if (pause > 0) {
          this.#later(pause);
          return;
        }
        const frame = this.#queue.shift() as Uint8Array;
        this.#rate.take(this.#clock.now(), frame.length + FRAME_HEADER_BYTES);
        this.#current = concatBytes(frameHeader(frame.length), frame);
      }
      if (!this.#write(this.#stream)) return;
      this.#sentFrames++;
    }
    this.#settle(true);
  }
}
