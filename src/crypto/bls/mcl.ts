// The portable implementation: mcl in WebAssembly. Secrets meet only its constant-time multiplication.
import { createLru } from "#lib/bounded.ts";
import { utf8 } from "#lib/bytes.ts";
import {
  borrow,
  bytesAt,
  FP_BYTES,
  FR_BYTES,
  G1_BYTES,
  G2_BYTES,
  GT_BYTES,
  loadMcl,
  type MclModule,
  type Place,
  place,
} from "./mcl-memory.ts";
import { sumG2 } from "./mcl-sum.ts";
import { groupClaims, hasPublicKeyForm, hasSignatureForm, type WeightedClaim } from "./points.ts";
import { invertScalar, scalarBytes } from "./scalar.ts";
import {
  type BlsBackend,
  PUBLIC_KEY_BYTES,
  READ_KEYS,
  SIGNATURE_BYTES,
  SIGNATURE_TAG,
  type SignatureClaim,
} from "./types.ts";

/** Hashed messages kept: a node signs a vote and soon after verifies the certificate over the same bytes. */
const HASHED_MESSAGES = 16;
/** The generator of G1, compressed. */
const GENERATOR = Uint8Array.fromHex(
  "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
);

/** Puts signatures given as bytes into memory, strictly; false for a malformed one. */
export type SignatureReader = (at: Place, bytes: Uint8Array) => boolean;

/** What the native implementation borrows from this one, with its own faster way of reading points. */
export interface MclArithmetic {
  readonly module: MclModule;
  combine(
    read: SignatureReader,
    signatures: readonly Uint8Array[],
    weights: readonly bigint[],
    divisor: bigint,
  ): Uint8Array | undefined;
  /** Reads affine coordinates (x then y, imaginary parts first) of a point that was already checked. */
  readAffine(at: Place, coordinates: Uint8Array): boolean;
  readonly backend: BlsBackend;
}

function readScalar(module: MclModule, bytes: Uint8Array): Place {
  const at = module.stackAlloc(FR_BYTES);
  module._mclBnFr_deserialize(at, place(module, bytes), bytes.length);
  return at;
}

/** Runs `work` with the secret in memory, and clears it afterwards. */
function withSecret<T>(module: MclModule, secret: Uint8Array, work: (scalar: Place) => T): T {
  return borrow(module, () => {
    const scalar = module.stackAlloc(FR_BYTES);
    const bytes = place(module, secret);
    try {
      module._mclBnFr_deserialize(scalar, bytes, secret.length);
      return work(scalar);
    } finally {
      module.HEAP8.fill(0, scalar, scalar + FR_BYTES);
      module.HEAP8.fill(0, bytes, bytes + secret.length);
    }
  });
}

function readPublicKey(module: MclModule, at: Place, bytes: Uint8Array): boolean {
  if (!hasPublicKeyForm(bytes)) return false;
  return borrow(module, () => module._mclBnG1_deserialize(at, place(module, bytes), bytes.length) !== 0);
}

function readSignature(module: MclModule, at: Place, bytes: Uint8Array): boolean {
  if (!hasSignatureForm(bytes)) return false;
  return borrow(module, () => module._mclBnG2_deserialize(at, place(module, bytes), bytes.length) !== 0);
}

function writePublicKey(module: MclModule, point: Place): Uint8Array {
  const out = module.stackAlloc(PUBLIC_KEY_BYTES);
  module._mclBnG1_serialize(out, PUBLIC_KEY_BYTES, point);
  return bytesAt(module, out, PUBLIC_KEY_BYTES);
}

function writeSignature(module: MclModule, point: Place): Uint8Array {
  const out = module.stackAlloc(SIGNATURE_BYTES);
  module._mclBnG2_serialize(out, SIGNATURE_BYTES, point);
  return bytesAt(module, out, SIGNATURE_BYTES);
}

/** Hashes messages into G2 at a place, remembering the last ones. */
function createHasher(module: MclModule, tag: Uint8Array): (at: Place, message: Uint8Array) => void {
  const known = createLru<string, Uint8Array>(HASHED_MESSAGES);
  return (at, message) => {
    const name = message.toHex();
    const kept = known.get(name);
    if (kept !== undefined) {
      module.HEAP8.set(kept, at);
      return;
    }
    borrow(module, () => {
      const bytes = place(module, message);
      module._mclBnG2_hashAndMapToWithDst(at, bytes, message.length, place(module, tag), tag.length);
    });
    module._mclBnG2_normalize(at, at);
    known.set(name, bytesAt(module, at, G2_BYTES));
  };
}

/** Reads public keys strictly, remembering the last ones that passed: a node verifies under few. */
function createKeyReader(module: MclModule): (at: Place, bytes: Uint8Array) => boolean {
  const known = createLru<string, Uint8Array>(READ_KEYS);
  return (at, bytes) => {
    const name = bytes.toHex();
    const kept = known.get(name);
    if (kept !== undefined) {
      module.HEAP8.set(kept, at);
      return true;
    }
    if (!readPublicKey(module, at, bytes)) return false;
    known.set(name, bytesAt(module, at, G1_BYTES));
    return true;
  };
}

/** What verification keeps between calls. */
interface Verifier {
  readonly module: MclModule;
  readonly hash: (at: Place, message: Uint8Array) => void;
  readonly readKey: (at: Place, bytes: Uint8Array) => boolean;
  /** The negated generator of G1 as the module holds it. */
  readonly minusGenerator: Uint8Array;
}

function createVerifier(module: MclModule, tag: Uint8Array): Verifier {
  const minusGenerator = borrow(module, () => {
    const point = module.stackAlloc(G1_BYTES);
    readPublicKey(module, point, GENERATOR);
    module._mclBnG1_neg(point, point);
    return bytesAt(module, point, G1_BYTES);
  });
  return { module, hash: createHasher(module, tag), readKey: createKeyReader(module), minusGenerator };
}

/** The product of pairings over `factors` (G1 and G2 points in a row) equals one. */
function productIsOne(module: MclModule, g1: Place, g2: Place, factors: number): boolean {
  const product = module.stackAlloc(GT_BYTES);
  module._mclBn_millerLoopVec(product, g1, g2, factors);
  module._mclBn_finalExp(product, product);
  return module._mclBnGT_isOne(product) === 1;
}

/** Fills one factor of the product from claims under one key or for one message; false if a key is malformed. */
function fillFactor(
  { module, hash, readKey }: Verifier,
  by: "publicKey" | "message",
  group: readonly WeightedClaim[],
  key: Place,
  message: Place,
): boolean {
  const first = group[0] as WeightedClaim;
  if (by === "publicKey") {
    const hashed = module.stackAlloc(group.length * G2_BYTES);
    for (const [i, { claim }] of group.entries()) hash(hashed + i * G2_BYTES, claim.message);
    sumG2(
      module,
      message,
      hashed,
      group.map(({ coefficient }) => coefficient),
    );
    return readKey(key, first.claim.publicKey);
  }
  hash(message, first.claim.message);
  module._mclBnG1_clear(key);
  return group.every(({ claim, coefficient }) =>
    borrow(module, () => {
      const term = module.stackAlloc(G1_BYTES);
      if (!readKey(term, claim.publicKey)) return false;
      if (coefficient !== 1n) module._mclBnG1_mul(term, term, readScalar(module, scalarBytes(coefficient)));
      module._mclBnG1_add(key, key, term);
      return true;
    }),
  );
}

function verifyAll(verifier: Verifier, claims: readonly SignatureClaim[]): boolean {
  const { module } = verifier;
  if (claims.length === 0) return false;
  return borrow(module, () => {
    const { by, groups } = groupClaims(claims);
    const keys = module.stackAlloc((groups.length + 1) * G1_BYTES);
    const messages = module.stackAlloc((groups.length + 1) * G2_BYTES);
    const signatures = module.stackAlloc(claims.length * G2_BYTES);
    const coefficients: bigint[] = [];
    for (const [i, group] of groups.entries()) {
      for (const { claim, coefficient } of group) {
        const at = signatures + coefficients.length * G2_BYTES;
        if (!readSignature(module, at, claim.signature)) return false;
        coefficients.push(coefficient);
      }
      const filled = borrow(module, () =>
        fillFactor(verifier, by, group, keys + i * G1_BYTES, messages + i * G2_BYTES),
      );
      if (!filled) return false;
    }
    module.HEAP8.set(verifier.minusGenerator, keys + groups.length * G1_BYTES);
    sumG2(module, messages + groups.length * G2_BYTES, signatures, coefficients);
    return productIsOne(module, keys, messages, groups.length + 1);
  });
}

function combine(
  module: MclModule,
  read: SignatureReader,
  signatures: readonly Uint8Array[],
  weights: readonly bigint[],
  divisor: bigint,
): Uint8Array | undefined {
  return borrow(module, () => {
    const points = module.stackAlloc(signatures.length * G2_BYTES);
    if (!signatures.every((bytes, i) => read(points + i * G2_BYTES, bytes))) return undefined;
    const sum = module.stackAlloc(G2_BYTES);
    sumG2(module, sum, points, weights);
    if (module._mclBnG2_isZero(sum) === 1) return undefined;
    if (divisor !== 1n) module._mclBnG2_mul(sum, sum, readScalar(module, scalarBytes(invertScalar(divisor))));
    return writeSignature(module, sum);
  });
}

function evaluate(module: MclModule, polynomial: readonly Uint8Array[], x: number): Uint8Array | undefined {
  return borrow(module, () => {
    const sum = module.stackAlloc(G1_BYTES);
    const term = module.stackAlloc(G1_BYTES);
    const scalar = readScalar(module, scalarBytes(BigInt(x)));
    module._mclBnG1_clear(sum);
    for (const bytes of polynomial.toReversed()) {
      if (!readPublicKey(module, term, bytes)) return undefined;
      module._mclBnG1_mul(sum, sum, scalar);
      module._mclBnG1_add(sum, sum, term);
    }
    return module._mclBnG1_isZero(sum) === 1 ? undefined : writePublicKey(module, sum);
  });
}

function readAffine(module: MclModule, at: Place, coordinates: Uint8Array): boolean {
  return borrow(module, () => {
    for (let axis = 0; axis < 2; axis++) {
      const bytes = place(module, coordinates.subarray(axis * 2 * FP_BYTES, (axis + 1) * 2 * FP_BYTES));
      if (module._mclBnFp2_deserialize(at + axis * 2 * FP_BYTES, bytes, 2 * FP_BYTES) === 0) return false;
    }
    const one = new Uint8Array(2 * FP_BYTES);
    one[2 * FP_BYTES - 1] = 1;
    return module._mclBnFp2_deserialize(at + 4 * FP_BYTES, place(module, one), 2 * FP_BYTES) !== 0;
  });
}

/**
 * Loads mcl; rejects where WebAssembly or the module does not. Published vectors of other suites are tested under
 * their own tag.
 */
export async function loadMclArithmetic(tag: string = SIGNATURE_TAG): Promise<MclArithmetic> {
  const module = await loadMcl();
  const verifier = createVerifier(module, utf8(tag));
  const read: SignatureReader = (at, bytes) => readSignature(module, at, bytes);
  const backend: BlsBackend = {
    name: "mcl",
    isPublicKey: (bytes) => borrow(module, () => readPublicKey(module, module.stackAlloc(G1_BYTES), bytes)),
    isSignature: (bytes) => borrow(module, () => readSignature(module, module.stackAlloc(G2_BYTES), bytes)),
    publicKey: (secret) =>
      withSecret(module, secret, (scalar) => {
        const point = module.stackAlloc(G1_BYTES);
        readPublicKey(module, point, GENERATOR);
        module._mclBnG1_mulCT(point, point, scalar);
        return writePublicKey(module, point);
      }),
    sign: (secret, message) =>
      withSecret(module, secret, (scalar) => {
        const point = module.stackAlloc(G2_BYTES);
        verifier.hash(point, message);
        module._mclBnG2_mulCT(point, point, scalar);
        return writeSignature(module, point);
      }),
    verifyAll: (claims) => verifyAll(verifier, claims),
    combine: (signatures, weights, divisor) => combine(module, read, signatures, weights, divisor),
    evaluate: (polynomial, x) => evaluate(module, polynomial, x),
  };
  return {
    module,
    backend,
    combine: (reader, signatures, weights, divisor) => combine(module, reader, signatures, weights, divisor),
    readAffine: (at, coordinates) => readAffine(module, at, coordinates),
  };
}
