// What every implementation must answer before it is trusted on a machine: values of the reference, and points it
// must refuse. Fixed answers instead of running the reference, which would cost a tenth of a second at each start.
import { equalBytes, utf8 } from "#lib/bytes.ts";
import type { BlsBackend, SignatureClaim } from "./types.ts";

const hex = (digits: string): Uint8Array => Uint8Array.fromHex(digits);

const SECRET = hex("4b".repeat(32));
const MESSAGE = utf8("kora");
const PUBLIC_KEY = hex(
  "81f4a549c68399b88d3120b053071b32fe67b74b31aa6dca0340e7a64f25329e86ccc54c552b889ad44e977bd9262832",
);
const SIGNATURE = hex(
  "845668299da3780ce79e3526eca91a421d1431db3aca517de9d6327e0fdebf0f2518a81c3781a4f3c5a09d81d0d656c1" +
    "02b718ca075ace70db201186d78f70a556a71f2fd7a1383b47a7c33347186995207327a31b8de3d56ae65685fbbe6a23",
);
/** On the curve, outside the prime-order subgroup. */
const WRONG_SUBGROUP_G1 = hex(`80${"00".repeat(46)}04`);
const WRONG_SUBGROUP_G2 = hex(`80${"00".repeat(94)}02`);
const INFINITY_G1 = hex(`c0${"00".repeat(47)}`);
const INFINITY_G2 = hex(`c0${"00".repeat(95)}`);

function signs(backend: BlsBackend): boolean {
  return (
    equalBytes(backend.publicKey(SECRET), PUBLIC_KEY) && equalBytes(backend.sign(SECRET, MESSAGE), SIGNATURE)
  );
}

function verifies(backend: BlsBackend): boolean {
  const claim: SignatureClaim = { publicKey: PUBLIC_KEY, message: MESSAGE, signature: SIGNATURE };
  const other: SignatureClaim = { ...claim, message: SECRET };
  const signed: SignatureClaim = { ...other, signature: backend.sign(SECRET, SECRET) };
  return (
    backend.verifyAll([claim]) &&
    backend.verifyAll([claim, signed]) &&
    !backend.verifyAll([other]) &&
    !backend.verifyAll([claim, other])
  );
}

/** 6 · P − 5 · P is P again, so is 7 · (P / 7), and P − P is infinity, which is refused. */
function combines(backend: BlsBackend): boolean {
  const same = backend.combine([SIGNATURE, SIGNATURE], [6n, -5n], 1n);
  const seventh = backend.combine([SIGNATURE], [1n], 7n);
  const back = seventh && backend.combine([seventh], [7n], 1n);
  const constant = backend.evaluate([PUBLIC_KEY], 2);
  return (
    same !== undefined &&
    back !== undefined &&
    constant !== undefined &&
    equalBytes(same, SIGNATURE) &&
    equalBytes(back, SIGNATURE) &&
    equalBytes(constant, PUBLIC_KEY) &&
    backend.combine([SIGNATURE, SIGNATURE], [1n, -1n], 1n) === undefined
  );
}

function refuses(backend: BlsBackend): boolean {
  return (
    backend.isPublicKey(PUBLIC_KEY) &&
    backend.isSignature(SIGNATURE) &&
    ![WRONG_SUBGROUP_G1, INFINITY_G1, SIGNATURE].some((bytes) => backend.isPublicKey(bytes)) &&
    ![WRONG_SUBGROUP_G2, INFINITY_G2, PUBLIC_KEY].some((bytes) => backend.isSignature(bytes))
  );
}

/** What `backend` gets wrong; undefined if nothing. */
export function selfTest(backend: BlsBackend): string | undefined {
  if (!signs(backend)) return "its signatures differ from the reference";
  if (!refuses(backend)) return "it accepts a malformed point";
  if (!verifies(backend)) return "it verifies wrongly";
  if (!combines(backend)) return "it computes a linear combination wrongly";
  return undefined;
}
