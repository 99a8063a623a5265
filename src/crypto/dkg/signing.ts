// What is signed in a key ceremony. Every signature is made over domain ‖ ceremony ‖ content, where the domain binds
// purpose and chain and the ceremony's id binds chain, round, dealers, players and the committee before (rule 7).
import { signingDomain } from "#crypto/domain.ts";
import { sha256 } from "#crypto/hash.ts";
import { concatBytes } from "#lib/bytes.ts";
import { type CeremonyInfo, type DealerLog, encodeCeremonyInfo, encodeLogContent } from "#types/ceremony.ts";
import { type Hash, hash } from "#types/ids.ts";

/** The identity a participant signs with, and the check of anybody's signature. */
export interface CeremonyIdentity {
  /** ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Deterministic ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
  /** False for anything malformed. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

type Purpose =
  | "ID"
  | "SEED"
  | "COMMITMENT"
  | "DEAL"
  | "ACK"
  | "LOG"
  | "PROPOSAL"
  | "VOTE"
  | "OUTPUT"
  | "CONFIRM"
  | "TRIAL";

function domain(chain: Hash, purpose: Purpose): Uint8Array {
  return signingDomain(`KORA_CEREMONY_${purpose}`, chain);
}

/** Everything that is signed or hashed within one ceremony. */
export interface CeremonyDomain {
  readonly id: Hash;
  /** Salt under which a dealer's polynomial is drawn from its seed. */
  readonly drawContext: Uint8Array;
  commitmentHash(commitment: Uint8Array): Uint8Array;
  deal(dealer: number, commitmentHash: Uint8Array): Uint8Array;
  ack(dealer: number, player: number, commitmentHash: Uint8Array): Uint8Array;
  log(log: Omit<DealerLog, "signature">): Uint8Array;
  /** Hash by which a proposed set of logs, in its place among proposals, is agreed on. */
  proposalHash(proposal: Uint8Array): Uint8Array;
  /** What is signed of a vote on a proposal. */
  vote(content: Uint8Array): Uint8Array;
  outputDigest(content: Uint8Array): Uint8Array;
  confirm(player: number, digest: Uint8Array, partial: Uint8Array): Uint8Array;
  /** What the new key signs to show that it works; nothing else is ever signed under this domain. */
  trial(digest: Uint8Array): Uint8Array;
}

/** The domains of `info`'s ceremony, computed once. */
export function ceremonyDomain(info: CeremonyInfo): CeremonyDomain {
  const idBytes = sha256(concatBytes(domain(info.chain, "ID"), encodeCeremonyInfo(info)));
  const prefix = (purpose: Purpose): Uint8Array => concatBytes(domain(info.chain, purpose), idBytes);
  const [commitment, deal, ack, log] = [prefix("COMMITMENT"), prefix("DEAL"), prefix("ACK"), prefix("LOG")];
  const [output, confirm, trial] = [prefix("OUTPUT"), prefix("CONFIRM"), prefix("TRIAL")];
  const [proposal, vote] = [prefix("PROPOSAL"), prefix("VOTE")];
  return {
    id: hash(idBytes),
    drawContext: prefix("SEED"),
    commitmentHash: (bytes) => sha256(concatBytes(commitment, bytes)),
    deal: (dealer, digest) => concatBytes(deal, Uint8Array.of(dealer), digest),
    ack: (dealer, player, digest) => concatBytes(ack, Uint8Array.of(dealer, player), digest),
    log: (content) => concatBytes(log, encodeLogContent(content)),
    proposalHash: (bytes) => sha256(concatBytes(proposal, bytes)),
    vote: (content) => concatBytes(vote, content),
    outputDigest: (content) => sha256(concatBytes(output, content)),
    confirm: (player, digest, partial) => concatBytes(confirm, Uint8Array.of(player), digest, partial),
    trial: (digest) => concatBytes(trial, digest),
  };
}
