// The little of WebAssembly's binary format that our own modules need: instructions over local variables and a memory,
// put together into a module of one function. What is computed is the business of keccak.ts and blake2b.ts.

export const OP = {
  block: 0x02,
  loop: 0x03,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  load64: 0x29,
  store64: 0x37,
  i32: 0x41,
  i64: 0x42,
  i32Eqz: 0x45,
  i32Ne: 0x47,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i64Add: 0x7c,
  i64And: 0x83,
  i64Xor: 0x85,
  i64Rotl: 0x89,
} as const;
/** The type of a block without result. */
export const VOID = 0x40;
const TYPE_I32 = 0x7f;
const TYPE_I64 = 0x7e;
export const PAGE_BYTES = 65_536;

/** Signed LEB128; also valid for the unsigned values below 2^31 that a module holds, in a byte or two more. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    if ((value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

export const get = (local: number): number[] => [OP.get, local];
export const set = (local: number): number[] => [OP.set, local];
export const i32 = (value: number): number[] => [OP.i32, ...leb(value)];
/** Rotates the 64-bit value on the stack left. */
export const rotl = (bits: number): number[] => [OP.i64, ...leb(bits), OP.i64Rotl];
/** A 64-bit load or store `offset` bytes past the address on the stack; alignment 8. */
export const memory = (op: number, offset: number): number[] => [op, 3, ...leb(offset)];

interface OneFunction {
  /** Locals of each type after the one parameter, which is an i32. */
  readonly i32Locals: number;
  readonly i64Locals: number;
  /** Without the last `end`. */
  readonly body: readonly number[];
  /** Memory in pages. */
  readonly pages: number;
}

/** A module with a memory and one function of one i32, and an instance of it. */
export function instantiate(code: OneFunction): {
  readonly memory: ArrayBuffer;
  run(argument: number): void;
} {
  const { i32Locals, i64Locals, pages } = code;
  const body = [2, i32Locals, TYPE_I32, i64Locals, TYPE_I64, ...code.body, OP.end];
  const section = (id: number, content: number[]): number[] => [id, ...leb(content.length), ...content];
  const name = (letter: string): number[] => [1, letter.charCodeAt(0)];
  const bytes = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, TYPE_I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, pages]),
    ...section(7, [2, ...name("m"), 2, 0, ...name("f"), 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const { m, f } = exports as { m: WebAssembly.Memory; f: (argument: number) => void };
  return { memory: m.buffer as ArrayBuffer, run: f };
}
