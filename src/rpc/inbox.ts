// Requests on their way in: the bounds on how many are arriving and for how long, and on what all that are arriving or
// being answered weigh. Where room is needed, whichever network takes most of it gives some back. Knows no transport.
import { type ByteBudget, createByteBudget } from "./budget.ts";
import type { RpcLimits } from "./limits.ts";

/** A request that is arriving. */
export interface Arrival {
  /** Counts more of it as held; false where nobody is left to make room for it, or it has ended. */
  take(weight: number): boolean;
  /** It has arrived: it gives way no more. What it holds counts until it ends. */
  complete(): void;
  /** Gives back what it holds beyond that. */
  shrink(weight: number): void;
  /** Gives back what it holds. */
  end(): void;
}

type InboxLimits = Pick<RpcLimits, "maxRequests" | "maxBytesInFlight" | "arrivalTime">;

export interface Inbox extends Omit<ByteBudget, "add"> {
  /**
   * Notes a request that begins to arrive from a network. `giveWay` is called when it has to end; what it held is free
   * by then. Of the network that takes most, the unfinished one that began first gives way; none does for one of its own
   * network that began earlier.
   */
  begin(network: string, giveWay: () => void): Arrival;
}

/** What one network takes of the bounds. */
interface Share {
  readonly network: string;
  /** Of its HTTP requests, those that are being answered among them. */
  held: number;
  arriving: number;
  /** Requests that have not ended. */
  requests: number;
}

interface Arriving {
  readonly share: Share;
  /** Milliseconds of the inbox's clock. */
  readonly since: number;
  readonly giveWay: () => void;
  held: number;
  ended: boolean;
}

class LimitedInbox implements Inbox {
  readonly #limits: InboxLimits;
  readonly #now: () => number;
  readonly #budget: ByteBudget;
  /** The one that began first is the first. */
  readonly #arriving = new Set<Arriving>();
  readonly #shares = new Map<string, Share>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limits: InboxLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#budget = createByteBudget(limits.maxBytesInFlight);
  }

  take(weight: number): boolean {
    return this.#take(weight, undefined);
  }

  giveBack(weight: number): void {
    this.#budget.giveBack(weight);
  }

  begin(network: string, giveWay: () => void): Arrival {
    const share = this.#shares.get(network) ?? { network, held: 0, arriving: 0, requests: 0 };
    this.#shares.set(network, share);
    share.arriving++;
    share.requests++;
    const one: Arriving = { share, since: this.#now(), giveWay, held: 0, ended: false };
    this.#arriving.add(one);
    if (this.#arriving.size > this.#limits.maxRequests) {
      const first = this.#firstOfMost("arriving");
      if (first !== undefined) this.#dismiss(first);
    }
    this.#watch();
    return {
      take: (weight) => {
        if (!this.#arriving.has(one) || !this.#take(weight, one)) return false;
        this.#hold(one, weight);
        return true;
      },
      complete: () => this.#complete(one),
      shrink: (weight) => this.#giveBack(one, Math.max(0, one.held - weight)),
      end: () => this.#end(one),
    };
  }

  #take(weight: number, asking: Arriving | undefined): boolean {
    // Nothing makes room for what would not fit even alone.
    if (weight > this.#limits.maxBytesInFlight) return false;
    while (!this.#budget.take(weight)) {
      const first = this.#firstOfMost("held");
      if (first === undefined || first === asking) return false;
      this.#dismiss(first);
    }
    return true;
  }

  /** Of the network that takes most, the unfinished one that began first and takes some of it. */
  #firstOfMost(of: "held" | "arriving"): Arriving | undefined {
    let most: Arriving | undefined;
    for (const one of this.#arriving) {
      if (of === "held" && one.held === 0) continue;
      if (most === undefined || one.share[of] > most.share[of]) most = one;
    }
    return most;
  }

  #hold(one: Arriving, weight: number): void {
    one.held += weight;
    one.share.held += weight;
  }

  #giveBack(one: Arriving, weight: number): void {
    this.#budget.giveBack(weight);
    this.#hold(one, -weight);
  }

  #complete(one: Arriving): void {
    if (this.#arriving.delete(one)) one.share.arriving--;
  }

  #end(one: Arriving): void {
    if (one.ended) return;
    one.ended = true;
    this.#complete(one);
    this.#giveBack(one, one.held);
    if (--one.share.requests === 0) this.#shares.delete(one.share.network);
  }

  #dismiss(one: Arriving): void {
    this.#end(one);
    one.giveWay();
  }

  /** Dismisses whoever has taken too long: they end in the order in which they began, so one timer is enough. */
  #watch(): void {
    const [first] = this.#arriving;
    if (this.#timer !== undefined || first === undefined) return;
    const { arrivalTime } = this.#limits;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        for (const one of this.#arriving) {
          if (this.#now() - one.since < arrivalTime) break;
          this.#dismiss(one);
        }
        this.#watch();
      },
      Math.max(1, Math.ceil(first.since + arrivalTime - this.#now())),
    );
    this.#timer.unref();
  }
}

/** An inbox in which nothing has arrived yet; `now` is a monotonic clock in milliseconds. */
export function createInbox(limits: InboxLimits, now: () => number): Inbox {
  return new LimitedInbox(limits, now);
}
