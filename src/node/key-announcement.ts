// Says at the start what a committee's key is worth: who is exposed counts against those that may fail until the next
// key (rule 6 of the ceremony), and a dealt key was once known to one process. Warns; the decision was the operator's.
import type { KeyOutput } from "#crypto/keyfiles.ts";
import { maxFaulty } from "#types/quorum.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Tells log and metrics of `output`; `index` is this node's own. */
export function announceKey(
  { key, origin, exposed }: KeyOutput,
  index: number | undefined,
  logger: Logger,
  metrics: Metrics,
): void {
  const { participants } = key;
  const dealt = origin === "trusted-dealer";
  metrics
    .gauge("kora_key_exposed_members", "Members whose share of the group's key counts as known to everybody.")
    .set(exposed.length);
  metrics
    .gauge("kora_key_trusted_dealer", "1 if one process once knew the whole key of the group, else 0.")
    .set(dealt ? 1 : 0);
  if (dealt) {
    logger.warn("the group's key was dealt by one process that knew all of it: for local networks only");
  }
  if (exposed.length > 0) {
    logger.warn("shares of the group's key count as known to everybody: their members count as faulty", {
      exposed: exposed.map((member) => participants[member]).join(","),
      mayFailBesides: Math.max(0, maxFaulty(participants.length) - exposed.length),
      own: index !== undefined && exposed.includes(index),
    });
  }
}
