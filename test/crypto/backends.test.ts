// What a start says of its cryptography: every fallback with its reason, and nothing to explain where there is none.
import { expect, test } from "bun:test";
import { reportBackends, reportBls } from "#crypto/backends.ts";
import { openBls } from "#crypto/bls.ts";

test("every primitive is reported with what it runs on", async () => {
  const reports = [...reportBackends(), reportBls(await openBls())];
  expect(reports.map(({ primitive }) => primitive)).toEqual(["secp256k1", "ed25519", "bls12-381"]);
  for (const { backend, fallback } of reports) {
    expect(fallback === undefined).toBe(["native", "blst"].includes(backend));
  }
});

test("a fallback names what was tried and why it is not in use", async () => {
  const mcl = await openBls("mcl");
  expect(reportBls(mcl).fallback).toBeUndefined();
  const rejected = [{ name: "blst", reason: "it does not load: no such file" }] as const;
  expect(reportBls({ ...mcl, rejected })).toEqual({
    primitive: "bls12-381",
    backend: "mcl",
    fallback: "blst: it does not load: no such file",
  });
});
