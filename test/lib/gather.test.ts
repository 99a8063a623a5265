// Calls that come together are answered together, in their order, and a batch's failure is that of all its callers.
import { expect, test } from "bun:test";
import { createGathering } from "#lib/gather.ts";

test("what comes in one turn, and while a batch is under way, goes together and in order", async () => {
  const batches: (readonly number[])[] = [];
  const { promise: first, resolve: release } = Promise.withResolvers<void>();
  const square = createGathering<number, number>(async (items) => {
    batches.push(items);
    if (batches.length === 1) await first;
    return items.map((item) => item * item);
  });
  const together = [1, 2, 3].map((item) => square(item));
  while (batches.length === 0) await Bun.sleep(0);
  const meanwhile = [4, 5].map((item) => square(item));
  release();
  expect(await Promise.all([...together, ...meanwhile])).toEqual([1, 4, 9, 16, 25]);
  expect(batches).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  expect(await square(6)).toBe(36);
});

test("a failure reaches every caller of its batch and none of the next", async () => {
  let failing = true;
  const work = createGathering<number, number>(async (items) => {
    if (failing) throw new RangeError("no");
    return items;
  });
  const settled = await Promise.allSettled([work(1), work(2)]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  failing = false;
  expect(await work(3)).toBe(3);
});
