// Requests on their way in: the bounds on how many are arriving and for how long, and on what all that are arriving or
// being answered weigh. Where room is needed, the unfinished one that began first gives way. Knows no transport.
import { type ByteBudget, createByteBudget } from "./budget.ts";
import type { RpcLimits } from "./limits.ts";

/** A request that is arriving. */
export interface Arrival {
  /** Counts more of it as held; false where nobody who began earlier is left to make room, or it has ended. */
  take(weight: number): boolean;
  /** It has arrived: it gives way no more. What it holds counts until it ends. */
  complete(): void;
  /** Gives back what it holds. */
  end(): void;
}

type InboxLimits = Pick<RpcLimits, "maxRequests" | "maxBytesInFlight" | "arrivalTime">;

export interface Inbox extends Omit<ByteBudget, "add"> {
  /** Notes a request that begins to arrive. `giveWay` is called when it has to end; what it held is free by then. */
  begin(giveWay: () => void): Arrival;
}

interface Arriving {
  /** Milliseconds of the inbox's clock. */
  readonly since: number;
  readonly giveWay: () => void;
  held: number;
}

class LimitedInbox implements Inbox {
  readonly #limits: InboxLimits;
  readonly #now: () => number;
  readonly #budget: ByteBudget;
  /** The one that began first is the first. */
  readonly #arriving = new Set<Arriving>();
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

  begin(giveWay: () => void): Arrival {
    const one: Arriving = { since: this.#now(), giveWay, held: 0 };
    this.#arriving.add(one);
    const [first] = this.#arriving;
    if (this.#arriving.size > this.#limits.maxRequests && first !== undefined) this.#dismiss(first);
    this.#watch();
    return {
      take: (weight) => {
        if (!this.#arriving.has(one) || !this.#take(weight, one)) return false;
        one.held += weight;
        return true;
      },
      complete: () => void this.#arriving.delete(one),
      end: () => this.#end(one),
    };
  }

  #take(weight: number, asking: Arriving | undefined): boolean {
    // Nothing makes room for what would not fit even alone.
    if (weight > this.#limits.maxBytesInFlight) return false;
    while (!this.#budget.take(weight)) {
      const first = this.#firstBefore(asking);
      if (first === undefined) return false;
      this.#dismiss(first);
    }
    return true;
  }

  /** The one that holds something and began before all others, and before `asking`. */
  #firstBefore(asking: Arriving | undefined): Arriving | undefined {
    for (const one of this.#arriving) {
      if (one === asking) return undefined;
      if (one.held > 0) return one;
    }
    return undefined;
  }

  #end(one: Arriving): void {
    this.#arriving.delete(one);
    this.#budget.giveBack(one.held);
    one.held = 0;
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
