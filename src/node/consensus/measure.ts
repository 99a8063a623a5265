// How long a driver takes from a proposal to what becomes of it, and how often the signing guard kept it silent: figures
// that every node has which makes blocks, in a committee or alone. Decides nothing.
import type { JournalRecord } from "#consensus/effects.ts";
import type { Core } from "#consensus/state.ts";
import type { Metrics } from "#node/metrics.ts";

/**
 * Registers the figures and answers what takes each record on its way to the journal. `core` is asked then and at
 * scrapes, and answers undefined while there is none; `now` is the driver's monotonic clock in ms.
 */
export function measureConsensus(
  metrics: Metrics,
  core: () => Core | undefined,
  now: () => number,
): (record: JournalRecord) => void {
  const notarization = metrics.histogram(
    "kora_notarization_seconds",
    "From the sight of a proposal to its notarization held, where the proposal came first.",
  );
  const finalization = metrics.histogram(
    "kora_finalization_seconds",
    "From the sight of a proposal to its finalization held, where the proposal came first.",
  );
  const refusals = metrics.counter(
    "kora_signing_guard_refusals_total",
    "Views in which the signing guard kept this validator from voting.",
  );
  refusals.add({}, 0);
  let countedView = 0;

  function countRefusals(): void {
    const { view, signFloor } = core() ?? { view: 0, signFloor: 0 };
    const refused = Math.min(view, signFloor);
    if (refused <= countedView) return;
    // Views that were passed before this run asked for no vote: the first sight counts one.
    refusals.add({}, countedView === 0 ? 1 : refused - countedView);
    countedView = refused;
  }
  metrics.beforeScrape(countRefusals);
  return (record) => {
    countRefusals();
    if (record.type !== "certificate" || record.certificate.kind === "nullify") return;
    const { kind, view } = record.certificate;
    const proposedAt = core()?.rounds.get(view)?.proposedAt ?? -1;
    if (proposedAt < 0) return;
    (kind === "finalize" ? finalization : notarization).observe((now() - proposedAt) / 1000);
  };
}
