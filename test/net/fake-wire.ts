// A wire and a clock for the transport's tests: streams are arrays, nothing happens unless the test says so.
import type { Clock } from "#net/clock.ts";
import type { PeerAddress } from "#net/types.ts";
import type { Wire, WireEvents, WireFactory, WireStream } from "#net/wire.ts";
import type { IdentityKey } from "#types/identity.ts";

/** A clock that only moves when told. */
export class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; act: () => void; live: boolean }[] = [];
  now(): number {
    return this.#now;
  }
  after(ms: number, act: () => void): () => void {
    const timer = { at: this.#now + ms, act, live: true };
    this.#timers.push(timer);
    return () => {
      timer.live = false;
    };
  }
  get pending(): number {
    return this.#timers.filter(({ live }) => live).length;
  }
  /** Moves on, running what is due in order, and lets promises settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      this.#timers = this.#timers.filter(({ live }) => live);
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      due.live = false;
      due.act();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets everything that only waits for promises happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** One end of a stream as the code under test sees it, with the test's hands on the other. */
export class FakeStream implements WireStream {
  readonly written: Uint8Array[] = [];
  /** Pieces taken before the stream says it is full. */
  credit: number = Number.POSITIVE_INFINITY;
  paused = false;
  aborted: string | undefined;
  #data: (chunk: Uint8Array) => void = () => {};
  #drain: () => void = () => {};
  #close: (() => void)[] = [];
  write(bytes: Uint8Array): boolean {
    if (this.aborted !== undefined) throw new Error("closed");
    this.written.push(bytes.slice());
    this.credit--;
    return this.credit > 0;
  }
  onDrain(listener: () => void): void {
    this.#drain = listener;
  }
  onData(listener: (chunk: Uint8Array) => void): void {
    this.#data = listener;
  }
  onClose(listener: () => void): void {
    this.#close.push(listener);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  abort(reason: string): void {
    if (this.aborted !== undefined) return;
    this.aborted = reason;
    for (const listener of this.#close) listener();
  }
  receive(chunk: Uint8Array): void {
    this.#data(chunk);
  }
  drain(credit: number): void {
    this.credit = credit;
    this.#drain();
  }
}

export interface FakeWire {
  readonly factory: WireFactory;
  readonly events: () => WireEvents;
  /** Streams that were opened, in order, with the peer and channel. */
  readonly opened: { readonly peer: IdentityKey; readonly channel: string; readonly stream: FakeStream }[];
  readonly dialled: PeerAddress[];
  readonly disconnected: IdentityKey[];
  readonly published: { readonly topic: string; readonly message: Uint8Array }[];
  /** What opening a stream and dialling do; replaceable. */
  openStream: (peer: IdentityKey, channel: string) => Promise<FakeStream>;
  dial: (address: PeerAddress) => Promise<IdentityKey>;
}

export function createFakeWire(): FakeWire {
  let known: WireEvents | undefined;
  const wire: FakeWire = {
    factory: async (_plan, events): Promise<Wire> => {
      known = events;
      return {
        start: async () => {},
        listening: () => ["127.0.0.1:1"],
        dial: (address) => {
          wire.dialled.push(address);
          return wire.dial(address);
        },
        open: async (peer, channel) => {
          const stream = await wire.openStream(peer, channel);
          wire.opened.push({ peer, channel, stream });
          return stream;
        },
        disconnect: (peer) => {
          wire.disconnected.push(peer);
          known?.disconnected(peer);
        },
        publish: (topic, message) => {
          wire.published.push({ topic, message });
          return Promise.resolve(1);
        },
        heard: () => true,
        close: async () => {},
      };
    },
    events: () => known!,
    opened: [],
    dialled: [],
    disconnected: [],
    published: [],
    openStream: async () => new FakeStream(),
    dial: () => Promise.reject(new Error("nobody")),
  };
  return wire;
}
