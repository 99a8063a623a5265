// Senders in batches: the same as one by one, in order, whatever is mixed in, on threads and without them.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { openTransaction, recoverSender } from "#crypto/digest.ts";
import { createSenderRecovery, MIN_BATCH, MIN_COLD_BATCH, type SenderRecovery } from "#crypto/recovery.ts";
import { recoverSenderOf } from "#crypto/recovery-parts.ts";
import { SECP256K1_ORDER } from "#crypto/secp256k1.ts";
import { utf8 } from "#lib/bytes.ts";
import { type Address, address } from "#types/ids.ts";
import { decodeTransaction, encodeTransaction, type Signature } from "#types/transaction.ts";
import { signedRaw, signRaw, transfer } from "./transactions.ts";

// Generous: the machine may be busy with other things.
setDefaultTimeout(60_000);

const ROOT = resolve(import.meta.dir, "../..");
const recovery = createSenderRecovery({ threads: 2 });
afterAll(() => recovery.close());

/** The same transaction with another signature. */
function resigned(raw: Uint8Array, change: (signature: Signature) => Partial<Signature>): Uint8Array {
  const tx = decodeTransaction(raw);
  return encodeTransaction({ ...tx, signature: { ...tx.signature, ...change(tx.signature) } });
}

function senderOf(raw: Uint8Array): Address | undefined {
  const sender = recoverSenderOf(raw);
  return sender && address(sender);
}

test("cutting the wire form gives the sender that decoding gives", () => {
  fc.assert(
    fc.property(signedRaw, (raw) => {
      expect(senderOf(raw)).toBe(recoverSender(decodeTransaction(raw))!);
    }),
    { numRuns: 300 },
  );
});

test("invalid signatures are refused alike", () => {
  const values = fc.oneof(
    fc.constantFrom(0n, 1n, SECP256K1_ORDER - 1n, SECP256K1_ORDER, SECP256K1_ORDER / 2n, 2n ** 256n - 1n),
    fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  );
  fc.assert(
    fc.property(signedRaw, values, values, fc.constantFrom(0, 1), (raw, r, s, yParity) => {
      const changed = resigned(raw, () => ({ r, s, yParity }));
      expect(senderOf(changed)).toEqual(recoverSender(decodeTransaction(changed))!);
    }),
    { numRuns: 200 },
  );
  const high = resigned(signRaw(transfer(1), 3), ({ s, yParity }) => ({
    s: SECP256K1_ORDER - s,
    yParity: 1 - yParity,
  }));
  expect(senderOf(high)).toBeUndefined();
});

test("a batch keeps its order, with broken ones among the good", async () => {
  const raws = Array.from({ length: 500 }, (_, i) => {
    const good = signRaw(transfer(i), 1 + (i % 9));
    if (i % 50 === 7) return good.subarray(0, good.length - 1);
    if (i % 50 === 9) return utf8("nonsense");
    if (i % 50 === 11) return new Uint8Array();
    return i % 50 === 13 ? resigned(good, () => ({ r: 0n })) : good;
  });
  const opened = await recovery.open(raws, "transactions");
  expect(opened.length).toBe(raws.length);
  for (const [i, result] of opened.entries()) {
    const kind = [7, 9, 11].includes(i % 50) ? "malformed" : i % 50 === 13 ? "unsigned" : "opened";
    expect(result.kind).toBe(kind);
    if (result.kind === "opened") expect(result.signed).toEqual(openTransaction(raws[i]!)!);
  }
  expect(recovery.pending).toBe(0);
});

test("several batches at once do not mix", async () => {
  const batches = Array.from({ length: 6 }, (_, b) =>
    Array.from({ length: 100 + b * 37 }, (_, i) => signRaw(transfer(1_000 * b + i), 1 + b)),
  );
  const answers = await Promise.all(batches.map((batch) => recovery.open(batch, "transactions")));
  for (const [b, answer] of answers.entries()) {
    expect(answer.map((each) => each.kind === "opened" && each.signed.tx.nonce)).toEqual(
      batches[b]!.map((_, i) => BigInt(1_000 * b + i)),
    );
  }
});

function numbered(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, nonce) => signRaw(transfer(nonce), 5));
}

test("an empty batch, a few, no threads at all, and more than is allowed: on the calling thread", async () => {
  expect(await recovery.open([], "block")).toEqual([]);
  const none = createSenderRecovery({ threads: 0 });
  const allowing = createSenderRecovery({ threads: 2, maxPending: 3 * MIN_COLD_BATCH });
  const few = numbered(MIN_BATCH - 1);
  const many = numbered(4 * MIN_COLD_BATCH);
  for (const [each, raws] of [
    [none, few],
    [none, many],
    [allowing, few],
    [allowing, many],
  ] as const) {
    const opened = each.open(raws, "block");
    expect(each.threads).toBe(0);
    expect((await opened).every(({ kind }) => kind === "opened")).toBe(true);
    expect(each.pending).toBe(0);
  }
  none.close();
  allowing.close();
});

test("transactions do not queue behind a thousand others: the next are opened on the calling thread", async () => {
  const one = await warmed(createSenderRecovery({ threads: 1 }));
  const order: string[] = [];
  const batch = numbered(64);
  const queued = Array.from({ length: 16 }, () =>
    one.open(batch, "transactions").then(() => order.push("queued")),
  );
  const next = one.open(batch, "transactions").then(() => order.push("next"));
  await Promise.all([...queued, next]);
  expect(order[0]).toBe("next");
  expect(one.pending).toBe(0);
  one.close();
});

test("threads start with work and end when there is none", async () => {
  const resting = createSenderRecovery({ threads: 2, idleMs: 1 });
  const raws = numbered(MIN_COLD_BATCH);
  for (let round = 0; round < 2; round++) {
    const opened = resting.open(raws, "transactions");
    expect(resting.threads).toBe(2);
    expect((await opened).length).toBe(raws.length);
    while (resting.threads > 0) await Bun.sleep(1);
  }
  resting.close();
});

/** Brings one thread up. */
async function warmed(one: SenderRecovery): Promise<SenderRecovery> {
  await one.open(numbered(MIN_COLD_BATCH), "transactions");
  return one;
}

test("a batch of middling size does not wait for a thread to start, but starts one", async () => {
  const cold = createSenderRecovery({ threads: 2 });
  const raws = numbered(MIN_BATCH);
  expect((await cold.open(raws, "block")).length).toBe(raws.length);
  expect(cold.threads).toBe(1);
  cold.close();
});

test("a block goes before the transactions that wait", async () => {
  const one = await warmed(createSenderRecovery({ threads: 1 }));
  const order: string[] = [];
  const note = (name: string) => () => void order.push(name);
  const batches = Array.from({ length: 8 }, () => one.open(numbered(64), "transactions").then(note("batch")));
  await Promise.all([...batches, one.open(numbered(64), "block").then(note("block"))]);
  expect(order.indexOf("block")).toBeLessThanOrEqual(2);
  one.close();
});

test("a thread that ends is told of, not replaced, and its work is done", async () => {
  const lost: string[] = [];
  const built = globalThis.Worker;
  const workers: Worker[] = [];
  globalThis.Worker = class extends built {
    constructor(...parts: ConstructorParameters<typeof Worker>) {
      super(...parts);
      workers.push(this);
    }
  };
  try {
    const failing = createSenderRecovery({ threads: 2, onThreadLost: (reason) => lost.push(reason) });
    const opened = failing.open(numbered(600), "transactions");
    workers[0]!.terminate();
    expect((await opened).every(({ kind }) => kind === "opened")).toBe(true);
    while (lost.length === 0) await Bun.sleep(1);
    expect(lost).toEqual(["it ended by itself"]);
    expect(failing.threads).toBe(1);
    workers[1]!.dispatchEvent(
      new MessageEvent("message", {
        data: { reason: "the native addon does not load: no room", slow: false },
      }),
    );
    expect(lost[1]).toContain("no room");
    expect(failing.threads).toBe(0);
    expect((await failing.open(numbered(100), "transactions")).length).toBe(100);
    expect(workers.length).toBe(2);
    failing.close();
  } finally {
    globalThis.Worker = built;
  }
});

test("closing finishes what is under way", async () => {
  const closing = createSenderRecovery({ threads: 2 });
  const raws = Array.from({ length: 300 }, (_, nonce) => signRaw(transfer(nonce), 2));
  const opened = closing.open(raws, "transactions");
  closing.close();
  expect((await opened).every(({ kind }) => kind === "opened")).toBe(true);
});

test("the threads start inside an executable too", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kora-recovery-"));
  try {
    const target = join(dir, "recovery");
    const entry = join(ROOT, "test/crypto/recovery-echo.ts");
    const worker = join(ROOT, "src/crypto/recovery-worker.ts");
    const built = await Bun.build({
      entrypoints: [entry, worker],
      root: join(ROOT, "src"),
      compile: { outfile: target },
      target: "bun",
      format: "esm",
      bytecode: true,
      minify: { whitespace: true, syntax: true, identifiers: false },
    });
    expect(built.success).toBe(true);
    // Where native parts cannot be unpacked, the threads find the portable code.
    for (const env of [{}, { TMPDIR: "/proc" }]) {
      const run = Bun.spawn([target], { cwd: dir, env, stdout: "pipe", stderr: "inherit" });
      expect((await new Response(run.stdout).text()).trim()).toBe("300 opened, 0 lost");
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
