// Sums of points of BLS12-381's curves in the encoding of EIP-2537: fields as 64 big-endian bytes, infinity as zeros.
// Points need not lie in the prime-order subgroups, and whether they do is not looked at: that would cost fifty
// times the sum itself.
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bytesToBigint, concatBytes } from "#lib/bytes.ts";

const { Fp, Fp2 } = bls12_381.fields;
const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;

const FIELD_BYTES = 64;
const G1_BYTES: number = 2 * FIELD_BYTES;
const G2_BYTES: number = 4 * FIELD_BYTES;

type PointG1 = InstanceType<typeof G1>;
type PointG2 = InstanceType<typeof G2>;

/** Field elements that `bytes` hold; undefined if one is not below the modulus. */
function fieldsOf(bytes: Uint8Array): bigint[] | undefined {
  const values: bigint[] = [];
  for (let at = 0; at < bytes.length; at += FIELD_BYTES) {
    const value = bytesToBigint(bytes.subarray(at, at + FIELD_BYTES));
    if (value >= Fp.ORDER) return undefined;
    values.push(value);
  }
  return values;
}

function encodeFields(values: readonly bigint[]): Uint8Array {
  return concatBytes(
    ...values.map((value) => Uint8Array.fromHex(value.toString(16).padStart(2 * FIELD_BYTES, "0"))),
  );
}

function pointG1(bytes: Uint8Array): PointG1 | undefined {
  const [x, y] = fieldsOf(bytes) ?? [];
  if (x === undefined || y === undefined) return undefined;
  if (x === 0n && y === 0n) return G1.ZERO;
  const right = Fp.add(Fp.mul(Fp.sqr(x), x), G1.CURVE().b);
  return Fp.eql(Fp.sqr(y), right) ? G1.fromAffine({ x, y }) : undefined;
}

function pointG2(bytes: Uint8Array): PointG2 | undefined {
  const values = fieldsOf(bytes);
  if (values === undefined) return undefined;
  if (values.every((value) => value === 0n)) return G2.ZERO;
  const [x0 = 0n, x1 = 0n, y0 = 0n, y1 = 0n] = values;
  const x = Fp2.create({ c0: x0, c1: x1 });
  const y = Fp2.create({ c0: y0, c1: y1 });
  const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), G2.CURVE().b);
  return Fp2.eql(Fp2.sqr(y), right) ? G2.fromAffine({ x, y }) : undefined;
}

/** Sum of the two points of 128 bytes each in `input`; undefined if either is not on the curve. */
export function sumOnG1Curve(input: Uint8Array): Uint8Array | undefined {
  const a = pointG1(input.subarray(0, G1_BYTES));
  const b = pointG1(input.subarray(G1_BYTES, 2 * G1_BYTES));
  if (a === undefined || b === undefined) return undefined;
  const { x, y } = a.add(b).toAffine();
  return encodeFields([x, y]);
}

/** Sum of the two points of 256 bytes each in `input`; undefined if either is not on the curve. */
export function sumOnG2Curve(input: Uint8Array): Uint8Array | undefined {
  const a = pointG2(input.subarray(0, G2_BYTES));
  const b = pointG2(input.subarray(G2_BYTES, 2 * G2_BYTES));
  if (a === undefined || b === undefined) return undefined;
  const { x, y } = a.add(b).toAffine();
  return encodeFields([x.c0, x.c1, y.c0, y.c1]);
}
