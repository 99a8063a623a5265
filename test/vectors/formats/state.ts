// EEST and ethereum/tests state tests: one transaction on a given state.
import { keccakHash } from "#crypto/hash.ts";
import { createExecutor } from "#execution/executor.ts";
import type { BlobSchedule } from "#execution/fees.ts";
import { forkName } from "#execution/forks.ts";
import { chainRules } from "#execution/rules.ts";
import type { BlockEnv, BlockExecutor } from "#execution/types.ts";
import { fromHex, utf8 } from "#lib/bytes.ts";
import { encodeRlp } from "#lib/rlp.ts";
import { address, type Hash, hash, height, ZERO_HASH } from "#types/ids.ts";
import { logToRlp } from "#types/receipt.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";
import { expectDecodingError, expectRejection } from "./exceptions.ts";
import { type Alloc, accountsOf, expectAccounts, mptStateRoot, openAny, slotOf, stateOf } from "./fixture.ts";

interface Post {
  readonly hash: string;
  readonly logs: string;
  readonly txbytes: string;
  readonly state?: Alloc;
  readonly expectException?: string;
}
interface StateTest {
  readonly env: Readonly<Record<string, string>>;
  readonly pre: Alloc;
  readonly post: Readonly<Record<string, readonly Post[]>>;
  readonly config?: FixtureConfig;
}
export interface FixtureConfig {
  readonly chainid?: string;
  readonly blobSchedule?: Readonly<
    Record<string, Readonly<Record<"target" | "max" | "baseFeeUpdateFraction", string>>>
  >;
}

export function isStateTest(content: unknown): boolean {
  const first = Object.values(content as object)[0] as Partial<StateTest> | undefined;
  return first?.post !== undefined && first.env !== undefined;
}

/** Blob counts that a fixture gives for its forks. */
export function blobSchedulesOf(config: FixtureConfig | undefined): Map<string, BlobSchedule> {
  const schedules = new Map<string, BlobSchedule>();
  for (const [fork, { target, max, baseFeeUpdateFraction }] of Object.entries(config?.blobSchedule ?? {})) {
    const name = forkName(fork);
    if (name === undefined) throw new Mismatch(`unknown fork ${fork}`);
    schedules.set(name, {
      target: Number(target),
      max: Number(max),
      baseFeeUpdateFraction: BigInt(baseFeeUpdateFraction),
      reservePrice: !["cancun", "prague"].includes(name),
    });
  }
  return schedules;
}

const executors = new Map<string, BlockExecutor>();

function executorFor(fork: string, config: FixtureConfig | undefined): BlockExecutor {
  const key = `${fork} ${JSON.stringify(config ?? {})}`;
  const known = executors.get(key);
  if (known !== undefined) return known;
  const executor = createExecutor(
    chainRules({
      chainId: BigInt(config?.chainid ?? 1),
      forks: [{ fork, block: 0 }],
      blobSchedules: blobSchedulesOf(config),
    }),
  );
  executors.set(key, executor);
  return executor;
}

function envOf(env: Readonly<Record<string, string>>): BlockEnv {
  const random = env["currentRandom"];
  return {
    number: height(Number(env["currentNumber"])),
    timestamp: Number(env["currentTimestamp"]),
    coinbase: address(env["currentCoinbase"] ?? ""),
    gasLimit: BigInt(env["currentGasLimit"] ?? 0),
    baseFeePerGas: BigInt(env["currentBaseFee"] ?? 0),
    prevRandao: random === undefined ? ZERO_HASH : slotOf(random),
    parentHash: ZERO_HASH,
    parentBeaconBlockRoot: ZERO_HASH,
    excessBlobGas: BigInt(env["currentExcessBlobGas"] ?? 0),
    difficulty: BigInt(env["currentDifficulty"] ?? 0),
  };
}

/** Hash of an ancestor in state tests: keccak of its decimal number. */
const blockHash = (number: number): Hash => keccakHash(utf8(String(number)));

async function runPost(test: StateTest, fork: string, post: Post): Promise<void> {
  const state = stateOf(test.pre);
  const expected = post.expectException;
  const execution = await executorFor(fork, test.config).open(state, envOf(test.env), blockHash);
  try {
    const transaction = openAny(fromHex(post.txbytes));
    if (transaction === undefined) throw new Mismatch("the signature recovers no sender");
    const outcome = await execution.apply(transaction);
    if (outcome.kind === "rejected") {
      const { code, message } = outcome.rejection;
      if (expected === undefined) throw new Mismatch(`rejected: ${message}`);
      expectRejection(code, message, expected);
    } else if (expected !== undefined) throw new Mismatch(`included, expected ${expected}`);
  } catch (error) {
    if (error instanceof Mismatch || expected === undefined) throw error;
    expectDecodingError(error, expected);
  }
  const done = await execution.finish();
  state.apply(done.changes);
  const logs = done.receipts.flatMap((receipt) => receipt.logs);
  const accounts = state.dump();
  expectAccounts(accounts, accountsOf(expected === undefined ? (post.state ?? {}) : test.pre));
  expectEqual("logs hash", keccakHash(encodeRlp(logs.map(logToRlp))), hash(post.logs));
  expectEqual("state root", mptStateRoot(accounts), hash(post.hash));
}

/** State tests of one file; a case is one fork and one choice of transaction data. */
export const runStateTests: Format = async function* (content, _path, wanted): AsyncGenerator<CaseResult> {
  for (const [name, test] of Object.entries(content as Record<string, StateTest>)) {
    for (const [fork, posts] of Object.entries(test.post)) {
      for (const [index, post] of posts.entries()) {
        const full =
          posts.length > 1 || Object.keys(test.post).length > 1 ? `${name} ${fork} ${index}` : name;
        if (wanted(full)) yield settle(full, () => runPost(test, fork, post));
      }
    }
  }
};
