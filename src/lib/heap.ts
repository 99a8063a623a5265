// A binary heap over an array: the least element, by a comparison given once, in logarithmic time.

export interface Heap<T> {
  push(item: T): void;
  /** Removes and returns the least element. */
  pop(): T | undefined;
  /** The least element, left in place. */
  peek(): T | undefined;
  readonly size: number;
}

function siftDown<T>(items: T[], from: number, compare: (a: T, b: T) => number): void {
  const item = items[from] as T;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= items.length) break;
    if (child + 1 < items.length && compare(items[child + 1] as T, items[child] as T) < 0) child++;
    if (compare(items[child] as T, item) >= 0) break;
    items[at] = items[child] as T;
    at = child;
  }
  items[at] = item;
}

function siftUp<T>(items: T[], from: number, compare: (a: T, b: T) => number): void {
  const item = items[from] as T;
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (compare(items[parent] as T, item) <= 0) break;
    items[at] = items[parent] as T;
    at = parent;
  }
  items[at] = item;
}

/** A heap of `initial`, built in linear time. For a deterministic order `compare` must be total. */
export function createHeap<T>(compare: (a: T, b: T) => number, initial: Iterable<T> = []): Heap<T> {
  const items = [...initial];
  for (let i = (items.length >> 1) - 1; i >= 0; i--) siftDown(items, i, compare);
  return {
    push(item) {
      items.push(item);
      siftUp(items, items.length - 1, compare);
    },
    pop() {
      const least = items[0];
      const last = items.pop();
      if (items.length > 0) {
        items[0] = last as T;
        siftDown(items, 0, compare);
      }
      return least;
    },
    peek: () => items[0],
    get size() {
      return items.length;
    },
  };
}
