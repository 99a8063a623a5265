// What goes wrong between consensus and the chain and is no verdict about a block.
import { KoraError, type KoraErrorOptions } from "#lib/error.ts";

export interface ConsensusErrorOptions extends KoraErrorOptions {
  readonly code: "FINALIZED_BODY_MISSING" | "STATE_DIVERGED" | "FINALITY_CONFLICT";
}

/** FINALIZED_BODY_MISSING: fetch and report again. STATE_DIVERGED and FINALITY_CONFLICT: stop the process. */
export class ConsensusError extends KoraError {
  override readonly name: string = "ConsensusError";

  constructor(message: string, options: ConsensusErrorOptions) {
    super(message, options);
  }
}
