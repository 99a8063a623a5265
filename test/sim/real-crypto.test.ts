// The simulator over real BLS12-381 and ed25519: every adversary's bytes meet the scheme that validators use.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Bls, openBls } from "#crypto/bls.ts";
import { ADVERSARY_NAMES } from "./adversaries/names.ts";
import { calmOptions } from "./options.ts";
import { createRealCrypto } from "./real-crypto.ts";
import { runSchedule } from "./schedule.ts";

setDefaultTimeout(120_000);

describe("schedules with real cryptography", () => {
  let bls: Bls;
  beforeAll(async () => {
    bls = await openBls();
  });

  test.each(ADVERSARY_NAMES.map((name) => [name]))("%s among four", (name) => {
    const options = {
      ...calmOptions(7, 4, 6),
      short: true,
      phaseOneMs: 60_000,
      byzantine: new Map([[1, name]]),
    };
    const { violation } = runSchedule(options, undefined, undefined, createRealCrypto(bls, 4, 7));
    expect(violation).toBeUndefined();
  });
});
