// The LRU map against a list, and the seeded generator against its own promises.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createLru } from "#lib/bounded.ts";
import { createRng } from "../support/rng.ts";

test("the LRU map holds the most recently used entries", () => {
  const command = fc.tuple(fc.constantFrom("get", "set", "delete"), fc.nat({ max: 6 }), fc.nat());
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const lru = createLru<number, number>(3);
      let model: [number, number][] = [];
      for (const [name, key, value] of commands) {
        const found = model.find(([k]) => k === key);
        const others = model.filter(([k]) => k !== key);
        if (name === "get") {
          expect(lru.get(key)).toBe(found?.[1]);
          model = found === undefined ? others : [...others, found];
        } else if (name === "set") {
          lru.set(key, value);
          model = [...others, [key, value] as [number, number]].slice(-3);
        } else {
          expect(lru.delete(key)).toBe(found !== undefined);
          model = others;
        }
        expect(lru.size).toBe(model.length);
      }
      for (const [key, value] of model) expect(lru.get(key)).toBe(value);
    }),
  );
});

test("an LRU map with weights drops the oldest until the rest weigh little enough, but for those that are spared", () => {
  const most = 12;
  const spared = 2;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 8 }), fc.nat({ max: 9 })), { maxLength: 60 }), (puts) => {
      const lru = createLru<number, number>(5, { of: (value) => value, most, spared });
      let model: [number, number][] = [];
      for (const put of puts) {
        lru.set(...put);
        model = [...model.filter(([key]) => key !== put[0]), put].slice(-5);
        while (model.length > spared && model.reduce((sum, [, value]) => sum + value, 0) > most)
          model.shift();
        expect(lru.size).toBe(model.length);
      }
      for (const [key, value] of model) expect(lru.get(key)).toBe(value);
    }),
  );
});

test("a seed fixes the whole stream, and forks are independent of later use", () => {
  const stream = (seed: number): number[] => {
    const rng = createRng(seed);
    return Array.from({ length: 32 }, () => rng.u32());
  };
  expect(stream(7)).toEqual(stream(7));
  expect(stream(7)).not.toEqual(stream(8));
  const forked = createRng(1).fork().u32();
  expect(createRng(1).fork().u32()).toBe(forked);
});

test("bounded draws are in range and reach every value", () => {
  const rng = createRng(3);
  const seen = new Set<number>();
  for (let i = 0; i < 2_000; i++) {
    const drawn = rng.below(10);
    expect(drawn).toBeGreaterThanOrEqual(0);
    expect(drawn).toBeLessThan(10);
    seen.add(drawn);
  }
  expect(seen.size).toBe(10);
  expect(rng.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
});
