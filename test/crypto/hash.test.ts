// keccak-256 of our own against the reference, at every length around a block's edge and around the chunk's.
import { expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { keccak256, sha256 } from "#crypto/hash.ts";
import { utf8 } from "#lib/bytes.ts";
import { createRng } from "../support/rng.ts";

test("keccak-256 agrees with the reference at every length up to three blocks", () => {
  const data = createRng(1).bytes(420);
  for (let length = 0; length <= data.length; length++) {
    const message = data.subarray(0, length);
    expect(keccak256(message)).toEqual(keccak_256(message));
  }
});

test("keccak-256 of messages that take several calls", () => {
  const chunk = 470 * 136;
  const data = new Uint8Array(2 * chunk + 200);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31 + (i >> 8)) & 0xff;
  for (const length of [chunk - 1, chunk, chunk + 1, chunk + 136, 2 * chunk - 1, 2 * chunk, data.length]) {
    expect(keccak256(data.subarray(0, length))).toEqual(keccak_256(data.subarray(0, length)));
  }
});

test("a digest does not change when the next message is hashed", () => {
  const first = keccak256(utf8("first"));
  const copy = first.slice();
  keccak256(utf8("second"));
  expect(first).toEqual(copy);
});

test("known answers", () => {
  expect(keccak256(new Uint8Array()).toHex()).toBe(
    "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
  );
  expect(sha256(utf8("abc")).toHex()).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
