// EEST and ethereum/tests blockchain tests: chains of blocks, some of which must be refused. Header rules are those
// of proof-of-stake Ethereum; stateRoot is the Merkle-Patricia root of the accounts, computed here only.
import { headerHash } from "#crypto/digest.ts";
import { sha256 } from "#crypto/hash.ts";
import { createExecutor } from "#execution/executor.ts";
import { isGasLimitReachable, nextBaseFee, nextExcessBlobGas } from "#execution/fees.ts";
import { featuresOf } from "#execution/forks.ts";
import { blobScheduleOf, chainRules } from "#execution/rules.ts";
import { orderedTrieRoot } from "#execution/tries.ts";
import type { BlockExecutor, ChainRules, RejectionCode, Withdrawal } from "#execution/types.ts";
import { concatBytes, fromHex, toHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { decodeRlp, encodeRlp, type RlpItem, rlpBigint, rlpBytes, rlpList } from "#lib/rlp.ts";
import { encodeHeader, type Header, headerFromRlp } from "#types/header.ts";
import { address, EMPTY_OMMERS_HASH, type Hash, hash } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import type { MemoryState } from "../../support/memory-state.ts";
import { type CaseResult, expectEqual, type Format, Mismatch, settle } from "./case.ts";
import { expectRejection, isDecodingError } from "./exceptions.ts";
import {
  type Alloc,
  accountsOf,
  expectAccounts,
  headerEnv,
  mptStateRoot,
  openAny,
  stateOf,
} from "./fixture.ts";
import { blobSchedulesOf, type FixtureConfig } from "./state.ts";

interface FixtureBlock {
  readonly rlp: string;
  readonly expectException?: string;
  readonly expectExceptionALL?: string;
}
interface BlockchainTest {
  readonly network: string;
  readonly pre: Alloc;
  readonly postState?: Alloc;
  readonly postStateHash?: string;
  readonly genesisRLP: string;
  readonly blocks: readonly FixtureBlock[];
  readonly lastblockhash: string;
  readonly config?: FixtureConfig;
}

export function isBlockchainTest(content: unknown): boolean {
  const first = Object.values(content as object)[0] as Partial<BlockchainTest> | undefined;
  return first?.blocks !== undefined && first.genesisRLP !== undefined;
}

/** A block that the rules refuse, with the fixtures' names for why. */
class Refused extends Error {
  readonly names: readonly string[];
  constructor(...names: string[]) {
    super(names.join(", "));
    this.names = names;
  }
}

/** A block refused because of one of its transactions. */
class TransactionRefused extends Error {
  readonly code: RejectionCode;
  constructor(code: RejectionCode, message: string) {
    super(message);
    this.code = code;
  }
}

interface Link {
  readonly header: Header;
  readonly hash: Hash;
  readonly state: MemoryState;
}

const TRANSITION = /^(\w+?)To(\w+)AtTime15k$/;
const MAX_EXTRA_DATA_BYTES = 32;
/** EIP-7934. */
const MAX_RLP_BLOCK_BYTES: number = 10 * 1024 * 1024 - 2 * 1024 * 1024;

function rulesOf(test: BlockchainTest): ChainRules {
  const transition = TRANSITION.exec(test.network);
  const forks =
    transition === null
      ? [{ fork: test.network, block: 0 }]
      : [
          { fork: transition[1] as string, block: 0 },
          { fork: transition[2] as string, timestamp: 15_000 },
        ];
  return chainRules({
    chainId: BigInt(test.config?.chainid ?? 1),
    forks,
    requests: true,
    blobSchedules: blobSchedulesOf(test.config),
  });
}

function need(condition: boolean, ...names: string[]): void {
  if (!condition) throw new Refused(...names);
}

function checkHeader(header: Header, parent: Header, rules: ChainRules): void {
  const fork = featuresOf(rules.hardforkAt(header.number, header.timestamp));
  need(header.number === parent.number + 1, "INVALID_BLOCK_NUMBER");
  need(header.timestamp > parent.timestamp, "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT");
  need(header.difficulty === 0n, "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS");
  need(header.ommersHash === EMPTY_OMMERS_HASH, "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS");
  need(header.extraData.length <= MAX_EXTRA_DATA_BYTES, "EXTRA_DATA_TOO_BIG");
  need(header.gasLimit < 1n << 63n, "GASLIMIT_TOO_BIG");
  need(isGasLimitReachable(parent.gasLimit, header.gasLimit), "INVALID_GASLIMIT");
  need(header.gasUsed <= header.gasLimit, "GAS_USED_OVERFLOW");
  const { baseFeePerGas = 0n, gasUsed, gasLimit } = parent;
  need(header.baseFeePerGas === nextBaseFee({ baseFeePerGas, gasUsed, gasLimit }), "INVALID_BASEFEE_PER_GAS");
  need((header.withdrawalsRoot !== undefined) === fork.shanghai, "INCORRECT_BLOCK_FORMAT");
  need((header.blobGasUsed !== undefined) === fork.cancun, "INCORRECT_BLOCK_FORMAT");
  need((header.requestsHash !== undefined) === fork.prague, "INCORRECT_BLOCK_FORMAT");
  if (!fork.cancun) return;
  const { excessBlobGas = 0n, blobGasUsed = 0n } = parent;
  const excess = nextExcessBlobGas(
    { excessBlobGas, blobGasUsed, baseFeePerGas },
    blobScheduleOf(rules, fork),
  );
  need(header.excessBlobGas === excess, "INCORRECT_EXCESS_BLOB_GAS");
}

function withdrawalOf(item: RlpItem): Withdrawal {
  const [index, validatorIndex, to, amount] = rlpList(item, 4);
  return {
    index: rlpBigint(index, 8),
    validatorIndex: rlpBigint(validatorIndex, 8),
    address: address(rlpBytes(to, 20)),
    amount: rlpBigint(amount, 8),
  };
}

/** sha256 over the hashes of the requests (EIP-7685), each being type ‖ data. */
function requestsHash(requests: readonly Uint8Array[]): Hash {
  return hash(sha256(concatBytes(...requests.map(sha256))));
}

interface Decoded {
  readonly header: Header;
  readonly transactions: readonly SignedTransaction[];
  readonly withdrawals: readonly Withdrawal[] | undefined;
  readonly withdrawalsRoot: Hash | undefined;
}

function decodeFixtureBlock(bytes: Uint8Array): Decoded {
  const items = rlpList(decodeRlp(bytes));
  if (items.length < 3 || items.length > 4)
    throw new Refused("RLP_STRUCTURES_ENCODING", "INCORRECT_BLOCK_FORMAT");
  const [headerItem, transactionItems, uncles, withdrawals] = items;
  const header = headerFromRlp(headerItem ?? []);
  expectEqual("header encoding", toHex(encodeHeader(header)), toHex(encodeRlp(headerItem ?? [])));
  need(rlpList(uncles).length === 0, "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS");
  const transactions = rlpList(transactionItems).map((item) => {
    const opened = openAny(item instanceof Uint8Array ? item : encodeRlp(item));
    if (opened === undefined) throw new TransactionRefused("BAD_SIGNATURE", "no sender");
    return opened;
  });
  if (withdrawals === undefined) return { header, transactions, withdrawals, withdrawalsRoot: undefined };
  const list = rlpList(withdrawals);
  const withdrawalsRoot = orderedTrieRoot(list.map((item) => encodeRlp(item)));
  return { header, transactions, withdrawals: list.map(withdrawalOf), withdrawalsRoot };
}

class FixtureChain {
  readonly #links = new Map<Hash, Link>();
  readonly #rules: ChainRules;
  readonly #executor: BlockExecutor;

  constructor(rules: ChainRules, genesis: Link) {
    this.#rules = rules;
    this.#executor = createExecutor(rules);
    this.#links.set(genesis.hash, genesis);
  }

  link(digest: Hash): Link {
    const link = this.#links.get(digest);
    if (link === undefined) throw new Refused("UNKNOWN_PARENT", "UNKNOWN_PARENT_ZERO");
    return link;
  }

  #ancestor(parent: Hash, number: number): Hash | undefined {
    for (
      let link = this.#links.get(parent);
      link !== undefined;
      link = this.#links.get(link.header.parentHash)
    ) {
      if (link.header.number === number) return link.hash;
    }
    return undefined;
  }

  async import(rlp: Uint8Array): Promise<void> {
    const block = decodeFixtureBlock(rlp);
    const { header, transactions } = block;
    const parent = this.link(header.parentHash);
    checkHeader(header, parent.header, this.#rules);
    if (featuresOf(this.#rules.hardforkAt(header.number, header.timestamp)).osaka) {
      need(rlp.length <= MAX_RLP_BLOCK_BYTES, "RLP_BLOCK_LIMIT_EXCEEDED");
    }
    need(
      block.withdrawalsRoot === header.withdrawalsRoot,
      "INVALID_WITHDRAWALS_ROOT",
      "INCORRECT_BLOCK_FORMAT",
    );
    const state = parent.state.copy();
    const hashes = (number: number): Hash | undefined => this.#ancestor(header.parentHash, number);
    const execution = await this.#executor.open(state, headerEnv(header, block.withdrawals), hashes);
    for (const transaction of transactions) {
      const outcome = await execution.apply(transaction);
      if (outcome.kind === "rejected") {
        throw new TransactionRefused(outcome.rejection.code, outcome.rejection.message);
      }
    }
    const done = await execution.finish().catch((error: unknown) => {
      if (!(error instanceof KoraError) || error.code !== "BLOCK_INVALID") throw error;
      throw new Refused(
        "SYSTEM_CONTRACT_EMPTY",
        "SYSTEM_CONTRACT_CALL_FAILED",
        "INVALID_DEPOSIT_EVENT_LAYOUT",
        "INVALID_REQUESTS",
      );
    });
    state.apply(done.changes);
    need(done.gasUsed === header.gasUsed, "INVALID_GAS_USED");
    need(done.blobGasUsed === (header.blobGasUsed ?? 0n), "INCORRECT_BLOB_GAS_USED");
    need(done.transactionsRoot === header.transactionsRoot, "INVALID_TRANSACTIONS_ROOT");
    need(done.receiptsRoot === header.receiptsRoot, "INVALID_RECEIPTS_ROOT");
    need(toHex(done.logsBloom) === toHex(header.logsBloom), "INVALID_LOG_BLOOM");
    if (header.requestsHash !== undefined) {
      need(requestsHash(done.requests) === header.requestsHash, "INVALID_REQUESTS");
    }
    need(mptStateRoot(state.dump()) === header.stateRoot, "INVALID_STATE_ROOT");
    const digest = headerHash(header);
    this.#links.set(digest, { header, hash: digest, state });
  }
}

function checkRefusal(error: unknown, expected: string): void {
  if (error instanceof Mismatch) throw error;
  if (error instanceof TransactionRefused) {
    expectRejection(error.code, error.message, expected);
    return;
  }
  const allowed = expected.split("|");
  if (error instanceof Refused) {
    if (error.names.some((name) => allowed.includes(`BlockException.${name}`))) return;
    throw new Mismatch(`refused as ${error.message}, expected ${expected}`);
  }
  if (isDecodingError(error) && /RLP_|INCORRECT_BLOCK_FORMAT|INVALID_/.test(expected)) return;
  throw error;
}

async function runChain(test: BlockchainTest): Promise<void> {
  const rules = rulesOf(test);
  const [headerItem] = rlpList(decodeRlp(fromHex(test.genesisRLP)));
  const header = headerFromRlp(headerItem ?? []);
  const state = stateOf(test.pre);
  expectEqual("genesis state root", mptStateRoot(state.dump()), header.stateRoot);
  const chain = new FixtureChain(rules, { header, hash: headerHash(header), state });
  for (const [index, block] of test.blocks.entries()) {
    const expected = block.expectException ?? block.expectExceptionALL;
    let refusal: unknown;
    try {
      await chain.import(fromHex(block.rlp));
    } catch (error) {
      refusal = error;
    }
    if (refusal === undefined && expected !== undefined) {
      throw new Mismatch(`block ${index} was accepted, expected ${expected}`);
    }
    if (refusal !== undefined && expected === undefined) throw refusal;
    if (refusal !== undefined && expected !== undefined) checkRefusal(refusal, expected);
  }
  const last = chain.link(hash(test.lastblockhash));
  if (test.postState !== undefined) expectAccounts(last.state.dump(), accountsOf(test.postState));
  else expectEqual("state root", mptStateRoot(last.state.dump()), hash(test.postStateHash ?? ""));
}

/** Blockchain tests of one file; a case is one chain. */
export const runBlockchainTests: Format = async function* (
  content,
  _path,
  wanted,
): AsyncGenerator<CaseResult> {
  for (const [name, test] of Object.entries(content as Record<string, BlockchainTest>)) {
    if (wanted(name)) yield settle(name, () => runChain(test));
  }
};
