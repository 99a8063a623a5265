// Bodies in memory: bounded by bytes as well as by count, each peer within its share, and what is at vote stays.
import { expect, test } from "bun:test";
import {
  type Bodies,
  createBodies,
  MAX_BODY_BYTES,
  MAX_UNASKED_BYTES,
  MAX_UNASKED_PER_PEER,
} from "#node/consensus/bodies.ts";
import type { Body } from "#node/consensus/ports.ts";
import { hash, ZERO_HASH } from "#types/ids.ts";

const N = 4;

function body(number: number, size: number): Body {
  const digest = hash(`0x${number.toString(16).padStart(64, "0")}`);
  const place = { height: number, epoch: 0, view: number, parentView: number - 1, timestamp: 0 };
  return { facts: { digest, parent: ZERO_HASH, prevRandao: ZERO_HASH, ...place }, size };
}

function open(): Bodies<Body> {
  const stored = (): undefined => undefined;
  return createBodies<Body>({ n: N, me: 0, fetchTimeout: 100, now: () => 0, request() {}, stored });
}

/** How many of the bodies that were put are still there, and whether the newest is. */
function left(bodies: Bodies<Body>, put: readonly Body[]): { count: number; newest: boolean } {
  const held = put.map(({ facts }) => bodies.get(facts.digest) !== undefined);
  return { count: held.filter(Boolean).length, newest: held.at(-1) === true };
}

test("bodies that were asked for are kept up to a number of bytes", () => {
  const bodies = open();
  const size = MAX_BODY_BYTES / 16;
  const all = Array.from({ length: 40 }, (_, i) => body(i + 1, size));
  for (const one of all) bodies.put(one, undefined);
  expect(left(bodies, all)).toEqual({ count: 16, newest: true });
});

test("the newest few stay whatever they weigh", () => {
  const bodies = open();
  const all = Array.from({ length: 20 }, (_, i) => body(i + 1, MAX_BODY_BYTES));
  for (const one of all) bodies.put(one, undefined);
  expect(left(bodies, all)).toEqual({ count: 8, newest: true });
});

test("a peer that pushes fills its own share and nobody else's", () => {
  const bodies = open();
  const honest = body(1_000, 1_000);
  bodies.put(honest, 2);
  const small = Array.from({ length: 50 }, (_, i) => body(i + 1, 10));
  for (const one of small) bodies.put(one, 1);
  expect(left(bodies, small).count).toBe(MAX_UNASKED_PER_PEER);
  const large = Array.from({ length: 50 }, (_, i) => body(i + 100, MAX_UNASKED_BYTES / N / 2));
  for (const one of large) bodies.put(one, 1);
  expect(left(bodies, large)).toEqual({ count: 2, newest: true });
  const huge = body(999, MAX_UNASKED_BYTES);
  bodies.put(huge, 1);
  expect(left(bodies, [...large, huge])).toEqual({ count: 1, newest: true });
  expect(bodies.get(honest.facts.digest)).toBe(honest);
});
