// BLS12-381 for the precompiles of EIP-2537: the library's, but for the sums, whose validation it overdoes.
import { EVMError, NobleBLS } from "@ethereumjs/evm";
import { sumOnG1Curve, sumOnG2Curve } from "#crypto/bls-sum.ts";

function onCurve(sum: Uint8Array | undefined): Uint8Array {
  // The library's precompiles take this throw for a failed call.
  if (sum === undefined) throw new EVMError(EVMError.errorMessages.BLS_12_381_POINT_NOT_ON_CURVE);
  return sum;
}

export class PrecompileBls extends NobleBLS {
  override addG1(input: Uint8Array): Uint8Array {
    return onCurve(sumOnG1Curve(input));
  }

  override addG2(input: Uint8Array): Uint8Array {
    return onCurve(sumOnG2Curve(input));
  }
}
