// The chain with its work measured: time to build, judge and commit blocks, and refused transactions by reason. Decides
// nothing, and changes no answer.
import type { Chain } from "#chain/chain.ts";
import type { LedgerService, Submission } from "#chain/service.ts";
import type { Histogram, Metrics } from "./metrics.ts";

/** Counts what the pool refuses, whoever it came from. Reasons are the pool's own codes: nobody outside can add one. */
function countRefusals(service: LedgerService, metrics: Metrics): LedgerService {
  const rejected = metrics.counter(
    "kora_txpool_rejected_total",
    "Transactions that were refused, by reason.",
  );
  const counted = (submission: Submission): Submission => {
    if (submission.kind === "rejected") rejected.add({ reason: submission.code.toLowerCase() });
    return submission;
  };
  return {
    events: service.events,
    submitTx: async (raw, origin) => counted(await service.submitTx(raw, origin)),
    submitAll: async (raws, origin) => (await service.submitAll(raws, origin)).map(counted),
    submit: (raw, origin) => counted(service.submit(raw, origin)),
    submitOpened: (signed, origin) => counted(service.submitOpened(signed, origin)),
  };
}

/** The chain for everybody above it. */
export function observedChain(chain: Chain, metrics: Metrics): Chain {
  const execution = metrics.histogram(
    "kora_block_execution_seconds",
    "Time to build or verify a block, execution and root included.",
  );
  const commit = metrics.histogram(
    "kora_commit_seconds",
    "Time to make a block and its unfinalized ancestors durable.",
  );
  const timed = async <T>(histogram: Histogram, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    histogram.observe((performance.now() - started) / 1000);
    return result;
  };
  const { application } = chain;
  return {
    ...chain,
    application: {
      ...application,
      propose: (parent, context) => timed(execution, () => application.propose(parent, context)),
      verify: (block) => timed(execution, () => application.verify(block)),
      finalize: (digest, evidence) => timed(commit, () => application.finalize(digest, evidence)),
    },
    service: countRefusals(chain.service, metrics),
  };
}
