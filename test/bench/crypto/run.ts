// Figures of the cryptography beside what it is measured against: one consensus view and large recoveries for each
// BLS12-381 implementation, in multiples of blst's own verification; senders; hashes; identities. Candidates of one
// figure take turns, medians are printed. CPU time where a figure is about CPU.
// Usage: bun test/bench/crypto/run.ts [--rounds 15] [--senders 10000] [--only bls,senders,hash,identity]
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import raw from "@chainsafe/blst";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { evaluateScalar, lagrangeAtZero, reduceScalar, scalarBytes } from "#crypto/bls/scalar.ts";
import type { BlsBackend } from "#crypto/bls/types.ts";
import { blsOver, loadBlsBackend } from "#crypto/bls.ts";
import { deal } from "#crypto/deal.ts";
import { openTransaction } from "#crypto/digest.ts";
import { chooseEd25519, portableEd25519 } from "#crypto/ed25519-backend.ts";
import { keccak256, sha256 } from "#crypto/hash.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { createSenderRecovery } from "#crypto/recovery.ts";
import { chooseSecp256k1, portableSecp256k1 } from "#crypto/secp256k1-backend.ts";
import { createThresholdScheme } from "#crypto/threshold.ts";
import { utf8 } from "#lib/bytes.ts";
import { signRaw, transfer } from "../../crypto/transactions.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    senders: { type: "string", default: "10000" },
    only: { type: "string", default: "bls,senders,hash,identity" },
  },
});
const ROUNDS = Number(values.rounds);
const SENDERS = Number(values.senders);
const parts = new Set(values.only.split(","));

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] as number;
}

/** CPU milliseconds of this process for one call. */
function cpu(act: () => void): number {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

type Candidates = Readonly<Record<string, () => void>>;

/** Median CPU milliseconds of each candidate; they take turns. */
function compare(candidates: Candidates, repeat = 1): Record<string, number> {
  const samples = new Map<string, number[]>();
  for (let round = -2; round < ROUNDS; round++) {
    for (const [name, act] of Object.entries(candidates)) {
      const spent = cpu(() => {
        for (let i = 0; i < repeat; i++) act();
      });
      if (round >= 0) samples.set(name, [...(samples.get(name) ?? []), spent / repeat]);
    }
  }
  return Object.fromEntries([...samples].map(([name, list]) => [name, median(list)]));
}

function line(name: string, text: string): void {
  console.log(`${name.padEnd(46)} ${text}`);
}

function table(
  name: string,
  figures: Record<string, number>,
  reference: number,
  limits: Record<string, number>,
) {
  for (const [candidate, ms] of Object.entries(figures)) {
    const limit = limits[candidate];
    const verdict = limit === undefined ? "" : `  (asked: ${limit})`;
    const ratio = `${(ms / reference).toFixed(1)} x blst verify`;
    line(`${name}, ${candidate}`, `${ms.toFixed(2).padStart(8)} ms  ${ratio.padStart(20)}${verdict}`);
  }
}

/** One node's part of a view that is notarized and finalized, among four: three signatures, two certificates. */
function viewOf(backend: BlsBackend): () => void {
  const bls = blsOver(backend);
  const members = [1, 2, 3, 4].map((i) => identityFromSeed(new Uint8Array(32).fill(i)).publicKey);
  const { key, shares } = deal(bls, members);
  const schemes = shares.map((share) => createThresholdScheme(bls, key, share));
  const [own, ...others] = schemes;
  // Others' partials are made beforehand, for as many views as will be asked for.
  const views = Array.from({ length: ROUNDS + 2 }, (_, view) => {
    const [notarize, finalize, seed] = ["notarize", "finalize", "seed"].map((kind) =>
      utf8(`${kind} ${view}`),
    );
    const partials = others.slice(0, 2).map((scheme) => ({
      index: scheme.index!,
      signatures: [notarize!, seed!, finalize!].map((message) => scheme.signPartial(message)),
    }));
    return { notarize: notarize!, finalize: finalize!, seed: seed!, partials };
  });
  let next = 0;
  return () => {
    const { notarize, finalize, seed, partials } = views[next++ % views.length]!;
    const mine = [notarize, seed].map((message) => own!.signPartial(message));
    const notarized = own!.recover(
      [notarize, seed],
      [
        { index: own!.index!, signatures: mine },
        ...partials.map(({ index, signatures }) => ({ index, signatures: signatures.slice(0, 2) })),
      ],
    );
    const finalized = own!.recover(
      [finalize],
      [
        { index: own!.index!, signatures: [own!.signPartial(finalize)] },
        ...partials.map(({ index, signatures }) => ({ index, signatures: signatures.slice(2) })),
      ],
    );
    if (notarized.kind !== "recovered" || finalized.kind !== "recovered") throw new Error("not recovered");
  };
}

async function benchBls(): Promise<void> {
  const backends = await Promise.all((["blst", "mcl", "noble"] as const).map((name) => loadBlsBackend(name)));
  const named = (act: (backend: BlsBackend) => () => void): Candidates =>
    Object.fromEntries(backends.map((backend) => [backend.name, act(backend)]));
  const secret = raw.SecretKey.fromKeygen(new Uint8Array(32).fill(7));
  const message = utf8("kora");
  const signature = secret.sign(message);
  const publicKey = secret.toPublicKey();
  const reference = compare({ blst: () => raw.verify(message, publicKey, signature) }, 5)["blst"]!;
  line("blst's own verify of decoded points", `${reference.toFixed(2).padStart(8)} ms`);

  table("one view, n = 4", compare(named(viewOf)), reference, { blst: 8, mcl: 30 });

  const coefficients = Array.from({ length: 67 }, (_, i) => reduceScalar(new Uint8Array(48).fill(i + 1)));
  const indices = Array.from({ length: 100 }, (_, i) => (i * 37) % 100).slice(0, 67);
  const partials = indices.map((i) =>
    raw.SecretKey.fromBytes(scalarBytes(evaluateScalar(coefficients, i + 1)))
      .sign(message)
      .toBytes(true),
  );
  const { weights, divisor } = lagrangeAtZero(indices);
  const check = named((backend) => () => void partials.every((bytes) => backend.isSignature(bytes)));
  const whole = named((backend) => () => void backend.combine(partials, weights, divisor));
  const checking = compare(check);
  const recovering = compare(whole);
  const alone = Object.fromEntries(
    Object.keys(recovering).map((name) => [name, recovering[name]! - checking[name]!]),
  );
  table("interpolating 67 of 100", alone, reference, { mcl: 25 });
  table("checking 67 partials' points", checking, reference, {});

  const claim = { publicKey: publicKey.toBytes(), message, signature: signature.toBytes(true) };
  const bytes = secret.toBytes();
  table("sign", compare(named((backend) => () => void backend.sign(bytes, message))), reference, {});
  table("verify bytes", compare(named((backend) => () => void backend.verifyAll([claim]))), reference, {});
}

async function benchSenders(): Promise<void> {
  const raws = Array.from({ length: SENDERS }, (_, nonce) => signRaw(transfer(nonce), 1 + (nonce % 50)));
  const digest = sha256(utf8("kora"));
  for (const backend of [chooseSecp256k1(), portableSecp256k1("bench")]) {
    const { compact, recovery } = backend.sign(digest, new Uint8Array(32).fill(3));
    const { it } = compare({ it: () => void backend.recover(digest, compact, recovery) }, 200);
    line(`recover one key, ${backend.name}`, `${Math.round(1000 / it!)} /s of CPU`);
  }
  const sample = raws.slice(0, 500);
  const { one } = compare({ one: () => sample.forEach((each) => void openTransaction(each)) });
  line("open transactions on one thread", `${Math.round((1000 * sample.length) / one!)} /s of CPU`);
  for (const threads of [1, 2]) {
    const recovery = createSenderRecovery({ threads });
    await recovery.open(sample, "block");
    const rates: number[] = [];
    const spent: number[] = [];
    for (let round = 0; round < 5; round++) {
      const [started, before] = [performance.now(), process.cpuUsage()];
      const opened = await recovery.open(raws, "block");
      rates.push((1000 * opened.length) / (performance.now() - started));
      const { user, system } = process.cpuUsage(before);
      spent.push((user + system) / opened.length);
    }
    recovery.close();
    const asked = threads === 2 ? "  (asked: 25,000)" : "";
    line(
      `open transactions, ${threads} recovery threads`,
      `${Math.round(median(rates))} /s, ${median(spent).toFixed(1)} us of CPU each${asked}`,
    );
  }
}

function benchHash(): void {
  for (const length of [32, 136, 1024]) {
    const data = new Uint8Array(length).fill(7);
    const figures = compare({ ours: () => void keccak256(data), noble: () => void keccak_256(data) }, 20_000);
    line(
      `keccak-256 of ${length} bytes`,
      `${(figures["ours"]! * 1000).toFixed(2)} us, noble ${(figures["noble"]! * 1000).toFixed(2)} us`,
    );
  }
  const data = new Uint8Array(64).fill(7);
  const figures = compare(
    { ours: () => void sha256(data), node: () => void createHash("sha256").update(data).digest() },
    20_000,
  );
  line(
    "sha-256 of 64 bytes",
    `${(figures["ours"]! * 1000).toFixed(2)} us, node:crypto ${(figures["node"]! * 1000).toFixed(2)} us`,
  );
}

function benchIdentity(): void {
  const message = new Uint8Array(200).fill(1);
  for (const backend of [chooseEd25519(), portableEd25519("bench")]) {
    const { publicKey, sign } = backend.signer(new Uint8Array(32).fill(9));
    const verify = backend.verifier(publicKey);
    const signature = sign(message);
    const figures = compare(
      { sign: () => void sign(message), verify: () => void verify(message, signature) },
      100,
    );
    line(
      `ed25519, ${backend.name}`,
      `sign ${Math.round(1000 / figures["sign"]!)} /s, verify ${Math.round(1000 / figures["verify"]!)} /s of CPU`,
    );
  }
}

if (parts.has("bls")) await benchBls();
if (parts.has("senders")) await benchSenders();
if (parts.has("hash")) benchHash();
if (parts.has("identity")) benchIdentity();
process.exit(0);
