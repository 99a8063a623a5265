// What RPC may read of the chain, and what it may put into its pool, over the parts of one chain. Adds no rules.
import type { Chain } from "#chain/chain.ts";
import { headerHash } from "#crypto/digest.ts";
import { blobBaseFee, GAS_PER_BLOB } from "#execution/fees.ts";
import { blobScheduleOf, forkOf } from "#execution/rules.ts";
import { assert } from "#lib/assert.ts";
import { KoraError } from "#lib/error.ts";
import type { CallView, ChainPort, FinalizedBlock, PoolPort } from "#rpc/ports.ts";
import type { StateDb } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import { type Height, ZERO_HASH } from "#types/ids.ts";
import type { ConsensusEngine } from "./engine.ts";
import { stateOn } from "./reads/job.ts";
import { provenState } from "./state-proof.ts";

export interface ChainPortParts {
  readonly chain: Chain;
  readonly state: StateDb;
  /** Wall clock, seconds. */
  readonly now: () => number;
  readonly pending: ChainPort["pending"];
  /** Whether what is going to be sent is estimated on top of what is pending. */
  readonly estimatesPending: boolean;
}

function headOf({ chain, state }: ChainPortParts): Block {
  const head = chain.history.block(state.head().height);
  assert(head !== undefined, "the head is in the archive");
  return head;
}

function viewAt({ chain, state }: ChainPortParts, at: Height | "latest"): CallView {
  const number = at === "latest" ? state.head().height : at;
  const block = chain.history.block(number);
  if (block === undefined) {
    throw new KoraError("header not found", { code: "HEADER_NOT_FOUND", details: { height: number } });
  }
  const overlay = at === "latest" ? chain.inputs.changes() : undefined;
  return { header: block.header, hash: block.hash, base: number, overlay, above: [] };
}

/** The chain as RPC reads it. */
export function createChainPort(parts: ChainPortParts): ChainPort {
  const { chain, state, pending } = parts;
  const { history, inputs, ledger } = chain;
  const scheduleOf = (header: Header) => {
    const fork = forkOf(chain.rules.chain, header.number, header.timestamp);
    return fork.cancun ? blobScheduleOf(chain.rules.chain, fork) : undefined;
  };
  const nextHeader = (parent?: Header): Header =>
    chain.pending.header(
      parent === undefined ? ledger.tip() : { header: parent, hash: headerHash(parent) },
      parts.now(),
    );
  return {
    ...history,
    head: () => headOf(parts),
    blobBaseFee(header) {
      const schedule = scheduleOf(header);
      return schedule === undefined ? 0n : blobBaseFee(header.excessBlobGas ?? 0n, schedule);
    },
    maxBlobGas: (header) => BigInt(scheduleOf(header)?.max ?? 0) * GAS_PER_BLOB,
    nextHeader,
    pending,
    state: (at) => (at === "latest" ? inputs.latest() : state.at(at)),
    stateOf: (view) => stateOn((at) => (at === state.head().height ? state.latest() : state.at(at)), view),
    view: (at) => viewAt(parts, at),
    sendingView: () =>
      parts.estimatesPending
        ? pending().then(({ view }) => view)
        : { ...viewAt(parts, "latest"), header: nextHeader(), hash: ZERO_HASH },
    proof: (address, slots, at) => provenState(state, address, slots, at),
    onFinalized(listener: (finalized: FinalizedBlock) => void) {
      return chain.service.events.snapshotPersisted.add(listener);
    },
  };
}

/** The pool as RPC uses it; `submit` is the engine's. */
export function createPoolPort({ pool, ledger }: Chain, submit: ConsensusEngine["submit"]): PoolPort {
  return {
    async submit(raw) {
      const submission = await submit(raw);
      if (submission.kind === "rejected") return { kind: "rejected", message: submission.message };
      return { kind: "accepted", hash: submission.hash };
    },
    get: (hash) => pool.get(hash),
    nextNonce(sender) {
      // A certified block may hold what never was in this pool.
      const certified = ledger.certified().at(-1)?.batch.account(sender)?.nonce ?? 0n;
      const pooled = pool.nextNonce(sender);
      return certified > pooled ? certified : pooled;
    },
    content: () => pool.content(),
    contentFrom: (sender) => pool.contentFrom(sender),
    status: () => pool.status(),
    onPending: (listener) => pool.onPending(listener),
  };
}
