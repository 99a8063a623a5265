// What RPC may read of the chain, and what it may put into its pool, over the parts of one chain. Adds no rules.
import type { Chain } from "#chain/chain.ts";
import { positionOf } from "#chain/header-rules.ts";
import type { LeaderSettings } from "#chain/proposal.ts";
import { draftHeader } from "#chain/proposal.ts";
import { blobBaseFee } from "#execution/fees.ts";
import { blobScheduleOf, forkOf } from "#execution/rules.ts";
import { assert } from "#lib/assert.ts";
import { KoraError } from "#lib/error.ts";
import type { ChainPort, FinalizedBlock, PoolPort } from "#rpc/ports.ts";
import type { StateDb } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import { type Height, ZERO_HASH } from "#types/ids.ts";
import type { SignedTransaction } from "#types/transaction.ts";
import type { ConsensusEngine } from "./engine.ts";
import { provenState } from "./state-proof.ts";

/** Gas of one blob (EIP-4844). */
const GAS_PER_BLOB = 131_072n;

export interface ChainPortParts {
  readonly chain: Chain;
  readonly state: StateDb;
  readonly leader: () => LeaderSettings;
  /** Wall clock, seconds. */
  readonly now: () => number;
}

function headOf({ chain, state }: ChainPortParts): Block {
  const head = chain.history.block(state.head().height);
  assert(head !== undefined, "the head is in the archive");
  return head;
}

function pendingHeader({ chain, leader, now }: ChainPortParts): Header {
  const tip = chain.ledger.tip();
  const parent = chain.ledger.parent(tip.hash);
  assert(parent !== undefined, "the tip can be built on");
  const before = positionOf(tip.header);
  return draftHeader(
    { rules: chain.rules, settings: leader },
    {
      parent,
      prevRandao: chain.ledger.seeds.get(tip.hash) ?? ZERO_HASH,
      inputs: chain.inputs.for((tip.header.number + 1) as Height),
      context: { epoch: before.epoch, view: before.view + 1, parentView: before.view, now: now() },
    },
  );
}

/** What the next block would take now, as far as its gas reaches. */
function pendingTransactions({ chain }: ChainPortParts, header: Header): readonly SignedTransaction[] {
  const { baseFeePerGas = 0n, gasLimit } = header;
  const selection = chain.pool.select({ baseFeePerGas, blobBaseFee: 0n, inFlight: new Set() });
  const taken: SignedTransaction[] = [];
  let gas = 0n;
  for (let next = selection.next(); next !== undefined; next = selection.next()) {
    gas += next.tx.gasLimit;
    if (gas > gasLimit) break;
    taken.push(next);
  }
  return taken;
}

/** The chain as RPC reads it. */
export function createChainPort(parts: ChainPortParts): ChainPort {
  const { chain, state } = parts;
  const { history, inputs } = chain;
  const scheduleOf = (header: Header) => {
    const fork = forkOf(chain.rules.chain, header.number, header.timestamp);
    return fork.cancun ? blobScheduleOf(chain.rules.chain, fork) : undefined;
  };
  return {
    ...history,
    head: () => headOf(parts),
    blobBaseFee(header) {
      const schedule = scheduleOf(header);
      return schedule === undefined ? 0n : blobBaseFee(header.excessBlobGas ?? 0n, schedule);
    },
    maxBlobGas: (header) => BigInt(scheduleOf(header)?.max ?? 0) * GAS_PER_BLOB,
    pending() {
      const header = pendingHeader(parts);
      // Most callers want the header alone, and a walk through the pool costs more than the rest.
      return {
        header,
        get transactions() {
          return pendingTransactions(parts, header);
        },
      };
    },
    state: (at) => (typeof at === "number" ? state.at(at) : inputs.latest()),
    view(at) {
      const head = state.head();
      if (at === "pending") {
        return {
          header: pendingHeader(parts),
          hash: ZERO_HASH,
          base: head.height,
          overlay: inputs.changes(),
        };
      }
      const number = at === "latest" ? head.height : at;
      const block = history.block(number);
      if (block === undefined) {
        throw new KoraError("header not found", { code: "HEADER_NOT_FOUND", details: { height: number } });
      }
      const overlay = at === "latest" ? inputs.changes() : undefined;
      return { header: block.header, hash: block.hash, base: number, overlay };
    },
    proof: (address, slots, at) => provenState(state, address, slots, at),
    onFinalized(listener: (finalized: FinalizedBlock) => void) {
      return chain.service.events.snapshotPersisted.add(listener);
    },
  };
}

/** The pool as RPC uses it; `submit` is the engine's. */
export function createPoolPort({ pool }: Chain, submit: ConsensusEngine["submit"]): PoolPort {
  return {
    async submit(raw) {
      const submission = await submit(raw);
      if (submission.kind === "rejected") return { kind: "rejected", message: submission.message };
      return { kind: "accepted", hash: submission.hash };
    },
    get: (hash) => pool.get(hash),
    nextNonce: (sender) => pool.nextNonce(sender),
    content: () => pool.content(),
    status: () => pool.status(),
    onPending: (listener) => pool.onPending(listener),
  };
}
