// Opens the node's cryptography and says which implementations it found: a slow fallback is never silent.
import { type BackendReport, reportBackends, reportBls } from "#crypto/backends.ts";
import type { BlsBackendName } from "#crypto/bls/types.ts";
import { type Bls, openBls } from "#crypto/bls.ts";
import type { Logger } from "./log.ts";

function announce(logger: Logger, { primitive, backend, fallback }: BackendReport): void {
  if (fallback === undefined) logger.debug("cryptography", { primitive, backend });
  else logger.warn("slower cryptography in use", { primitive, backend, reason: fallback });
}

/** Chooses what every node needs: transaction signatures and identities. */
export function announceCryptography(logger: Logger): void {
  for (const report of reportBackends()) announce(logger, report);
}

/** Opens BLS12-381 for a node with a committee: the implementation asked for, else the fastest that works. */
export async function openCommitteeBls(wanted: BlsBackendName | undefined, logger: Logger): Promise<Bls> {
  const bls = await openBls(wanted);
  announce(logger, reportBls(bls));
  logger.info("threshold signatures", { implementation: bls.backend });
  return bls;
}
