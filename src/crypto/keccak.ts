// keccak-256 as WebAssembly that this file assembles when it is loaded: one call a message, no asynchronous start.
// Sponge with rate 136 and capacity 64 bytes (FIPS 202's permutation, Ethereum's padding 0x01). Not constant time
// in the length of its input; nothing here depends on the input's content.
import { get, i32, instantiate, leb, memory, OP, PAGE_BYTES, rotl, set, VOID } from "./wasm.ts";

const RATE = 136;
const LANES = 25;
const RATE_LANES = RATE / 8;
/** Memory: the state's 25 lanes, then the round constants, then the message chunk. */
const CONSTANTS_AT = 256;
const INPUT_AT = 512;
/** Blocks absorbed per call: bounds the module's memory; longer messages take several calls. */
const CHUNK_BLOCKS = 470;
const PAGES = 1;

const ROTATIONS = [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];
const PI_LANES = [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];

/** Round constants from the degree-8 LFSR of FIPS 202, section 3.2.5. */
function roundConstants(): BigUint64Array<ArrayBuffer> {
  const constants = new BigUint64Array(24);
  let lfsr = 1;
  for (let round = 0; round < 24; round++) {
    let value = 0n;
    for (let j = 0; j < 7; j++) {
      if ((lfsr & 1) === 1) value |= 1n << ((1n << BigInt(j)) - 1n);
      lfsr = (lfsr << 1) ^ ((lfsr >> 7) * 0x171);
    }
    constants[round] = value;
  }
  return constants;
}

// Locals: the parameter (blocks left), the constant's and the input's addresses, lanes, column parities, two temporaries.
const BLOCKS = 0;
const CONSTANT = 1;
const INPUT = 2;
const A = 3;
const C = A + LANES;
const T = C + 5;
const U = T + 1;
const I64_LOCALS = LANES + 5 + 2;

function theta(): number[] {
  const code: number[] = [];
  for (let x = 0; x < 5; x++) {
    code.push(...get(A + x));
    for (let y = 5; y < LANES; y += 5) code.push(...get(A + x + y), OP.i64Xor);
    code.push(...set(C + x));
  }
  for (let x = 0; x < 5; x++) {
    code.push(...get(C + ((x + 1) % 5)), ...rotl(1), ...get(C + ((x + 4) % 5)), OP.i64Xor, ...set(T));
    for (let y = 0; y < LANES; y += 5) {
      code.push(...get(A + x + y), ...get(T), OP.i64Xor, ...set(A + x + y));
    }
  }
  return code;
}

function rhoPi(): number[] {
  const code = [...get(A + 1), ...set(T)];
  for (const [i, lane] of PI_LANES.entries()) {
    code.push(...get(A + lane), ...set(U), ...get(T), ...rotl(ROTATIONS[i] as number), ...set(A + lane));
    code.push(...get(U), ...set(T));
  }
  return code;
}

function chi(): number[] {
  const code: number[] = [];
  for (let y = 0; y < LANES; y += 5) {
    for (let x = 0; x < 5; x++) code.push(...get(A + y + x), ...set(C + x));
    for (let x = 0; x < 5; x++) {
      const next = C + ((x + 1) % 5);
      code.push(...get(next), OP.i64, ...leb(-1), OP.i64Xor, ...get(C + ((x + 2) % 5)), OP.i64And);
      code.push(...get(C + x), OP.i64Xor, ...set(A + y + x));
    }
  }
  return code;
}

/** absorb(blocks ≥ 1): permutes the state at 0 after adding each block at INPUT_AT. */
function absorbBody(): number[] {
  const code: number[] = [];
  for (let i = 0; i < LANES; i++) code.push(...i32(0), ...memory(OP.load64, i * 8), ...set(A + i));
  code.push(...i32(INPUT_AT), ...set(INPUT), OP.loop, VOID);
  for (let i = 0; i < RATE_LANES; i++) {
    code.push(...get(A + i), ...get(INPUT), ...memory(OP.load64, i * 8), OP.i64Xor, ...set(A + i));
  }
  code.push(...i32(CONSTANTS_AT), ...set(CONSTANT), OP.loop, VOID);
  code.push(...theta(), ...rhoPi(), ...chi());
  code.push(...get(A), ...get(CONSTANT), ...memory(OP.load64, 0), OP.i64Xor, ...set(A));
  code.push(...get(CONSTANT), ...i32(8), OP.i32Add, OP.tee, CONSTANT, ...i32(CONSTANTS_AT + 24 * 8));
  code.push(OP.i32Ne, OP.brIf, 0, OP.end);
  code.push(...get(INPUT), ...i32(RATE), OP.i32Add, ...set(INPUT));
  code.push(...get(BLOCKS), ...i32(1), OP.i32Sub, OP.tee, BLOCKS, OP.brIf, 0, OP.end);
  for (let i = 0; i < LANES; i++) code.push(...i32(0), ...get(A + i), ...memory(OP.store64, i * 8));
  return code;
}

/** A keccak-256 function with its own memory; not reentrant, which a synchronous function need not be. */
export function createKeccak256(): (data: Uint8Array) => Uint8Array {
  const { memory: buffer, run: absorb } = instantiate({
    i32Locals: 2,
    i64Locals: I64_LOCALS,
    body: absorbBody(),
    pages: PAGES,
  });
  const bytes = new Uint8Array(buffer, 0, PAGES * PAGE_BYTES);
  new BigUint64Array(buffer, CONSTANTS_AT, 24).set(roundConstants());
  const chunk = CHUNK_BLOCKS * RATE;
  return (data) => {
    bytes.fill(0, 0, LANES * 8);
    let offset = 0;
    for (; data.length - offset >= chunk; offset += chunk) {
      bytes.set(data.subarray(offset, offset + chunk), INPUT_AT);
      absorb(CHUNK_BLOCKS);
    }
    const rest = data.length - offset;
    const blocks = Math.floor(rest / RATE) + 1;
    const end = INPUT_AT + blocks * RATE;
    bytes.set(offset === 0 ? data : data.subarray(offset), INPUT_AT);
    bytes.fill(0, INPUT_AT + rest, end);
    bytes[INPUT_AT + rest] = 0x01;
    bytes[end - 1] = (bytes[end - 1] as number) | 0x80;
    absorb(blocks);
    return bytes.slice(0, 32);
  };
}
