// The compression function of BLAKE2b (RFC 7693, section 3.2) with any number of rounds, as WebAssembly assembled when
// it is loaded: the hash that surrounds it is not here.
import { get, i32, instantiate, memory, OP, rotl, set, VOID } from "./wasm.ts";

/** Memory: state h, message block m, offset t, what the last block inverts, then the initial vector. */
const STATE_AT = 0;
const MESSAGE_AT = 64;
const OFFSET_AT = 192;
const LAST_AT = 208;
const VECTOR_AT = 256;
const STATE_BYTES = 64;
const INPUT_BYTES = 208;

const VECTOR: readonly bigint[] = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
];
/** Which words of the message each round mixes in, in order; a hexadecimal digit names one. */
const SCHEDULE: readonly string[] = [
  "0123456789abcdef",
  "ea489fd61c02b753",
  "b8c052fdae367194",
  "7931dcbe265a40f8",
  "905724afe1bc683d",
  "2c6a0b834d75fe19",
  "c51fed4a0763928b",
  "db7ec13950f4862a",
  "6fe9b308c2d714a5",
  "a2847615fb9e3cd0",
];
const COLUMNS_AND_DIAGONALS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

// Locals: the parameter (rounds left), the sixteen working words, the sixteen words of the message.
const ROUNDS = 0;
const V = 1;
const M = V + 16;

/** x = x + y (+ word), for locals. */
const add = (x: number, y: number, word?: number): number[] => [
  ...get(x),
  ...get(y),
  OP.i64Add,
  ...(word === undefined ? [] : [...get(word), OP.i64Add]),
  ...set(x),
];
/** x = (x ^ y) rotated right. */
const mix = (x: number, y: number, right: number): number[] => [
  ...get(x),
  ...get(y),
  OP.i64Xor,
  ...rotl(64 - right),
  ...set(x),
];

function round(words: string): number[] {
  return COLUMNS_AND_DIAGONALS.flatMap((places, i) => {
    const [a, b, c, d] = places.map((place) => V + place) as [number, number, number, number];
    const [x, y] = [0, 1].map((k) => M + Number.parseInt(words[2 * i + k] as string, 16)) as [number, number];
    return [
      ...[...add(a, b, x), ...mix(d, a, 32), ...add(c, d), ...mix(b, c, 24)],
      ...[...add(a, b, y), ...mix(d, a, 16), ...add(c, d), ...mix(b, c, 63)],
    ];
  });
}

const load = (at: number): number[] => [...i32(0), ...memory(OP.load64, at)];

/** compress(rounds): h = F(h, m, t, last). */
function body(): number[] {
  const code: number[] = [];
  for (let i = 0; i < 8; i++) {
    code.push(...load(STATE_AT + 8 * i), ...set(V + i), ...load(VECTOR_AT + 8 * i), ...set(V + 8 + i));
  }
  for (let i = 0; i < 3; i++) {
    code.push(...get(V + 12 + i), ...load(OFFSET_AT + 8 * i), OP.i64Xor, ...set(V + 12 + i));
  }
  for (let i = 0; i < 16; i++) code.push(...load(MESSAGE_AT + 8 * i), ...set(M + i));
  code.push(OP.block, VOID, OP.loop, VOID);
  for (const words of SCHEDULE) {
    code.push(...get(ROUNDS), OP.i32Eqz, OP.brIf, 1);
    code.push(...get(ROUNDS), ...i32(1), OP.i32Sub, ...set(ROUNDS), ...round(words));
  }
  code.push(OP.br, 0, OP.end, OP.end);
  for (let i = 0; i < 8; i++) {
    code.push(...i32(0), ...load(STATE_AT + 8 * i), ...get(V + i), OP.i64Xor, ...get(V + 8 + i), OP.i64Xor);
    code.push(...memory(OP.store64, STATE_AT + 8 * i));
  }
  return code;
}

/**
 * A compression function with its own memory. `input` is h ‖ m ‖ t, 64 + 128 + 16 bytes, little-endian as in the
 * RFC; the answer is the new h.
 */
export function createBlake2bCompress(): (rounds: number, input: Uint8Array, last: boolean) => Uint8Array {
  const { memory: buffer, run } = instantiate({ i32Locals: 0, i64Locals: 32, body: body(), pages: 1 });
  const bytes = new Uint8Array(buffer);
  new BigUint64Array(buffer, VECTOR_AT, VECTOR.length).set(VECTOR);
  return (rounds, input, last) => {
    bytes.set(input.subarray(0, INPUT_BYTES), STATE_AT);
    bytes.fill(last ? 0xff : 0, LAST_AT, LAST_AT + 8);
    run(rounds | 0);
    return bytes.slice(STATE_AT, STATE_AT + STATE_BYTES);
  };
}
