// From a configuration to the plan of a key ceremony: who takes part, for which chain, where files and peers are.
import { dirname, join } from "node:path";
import type { Settings } from "#config/schema.ts";
import type { Identity } from "#crypto/identity.ts";
import { checkPassphrase } from "#crypto/passphrase.ts";
import { checkParticipants } from "#crypto/threshold.ts";
import { KoraError } from "#lib/error.ts";
import { parsePeerAddress } from "#net/address.ts";
import type { PeerAddress } from "#net/types.ts";
import { buildGenesis, checkChainId, readGenesis } from "#node/genesis-source.ts";
import { type PassphraseSource, readIdentity } from "#node/key-files.ts";
import { OUTPUT_FILE, SHARE_FILE } from "#node/threshold-files.ts";
import { type IdentityKey, identityKey } from "#types/identity.ts";
import type { Hash } from "#types/ids.ts";
import type { ResultFiles } from "./results.ts";

export interface CeremonyPlan {
  readonly identity: Identity;
  /** Encrypts share.key: the passphrase that was given, or that of an encrypted validator.key. */
  readonly passphrase: string | undefined;
  /** Ascending. */
  readonly participants: readonly IdentityKey[];
  /** Genesis hash of the chain the key is for. */
  readonly chain: Hash;
  readonly chainId: bigint;
  readonly files: ResultFiles & { readonly store: string };
  /** As host:port or multiaddr. */
  readonly listen: string;
  readonly peers: readonly PeerAddress[];
}

function missing(key: string, why: string, hint: string): KoraError {
  return new KoraError(`${key} is not set`, { code: "BAD_CONFIG", kind: "usage", why, hint });
}

function participantsOf({ consensus }: Settings, own: IdentityKey): IdentityKey[] {
  const participants = consensus.participants.map((text) => identityKey(text)).sort();
  if (participants.length === 0) {
    throw missing(
      "consensus.participants",
      "a key ceremony needs the identity keys of all who will hold a share",
      "list the output of kora keys show of every validator",
    );
  }
  checkParticipants(participants);
  if (participants.includes(own)) return participants;
  throw new KoraError("this node is not among consensus.participants", {
    code: "BAD_CEREMONY",
    kind: "usage",
    why: `its key is ${own.slice(2)}`,
    hint: "add it on every node, or use the validator_key that is listed",
  });
}

/** The plan that `settings` describe. Throws for whatever is missing or wrong, before anything is changed. */
export async function planCeremony(settings: Settings, source: PassphraseSource): Promise<CeremonyPlan> {
  const { consensus, network, node } = settings;
  if (consensus.validatorKey === undefined) {
    throw missing(
      "consensus.validator_key",
      "only validators take part in a key ceremony",
      "kora keys generate makes one",
    );
  }
  const { identity, passphrase } = await readIdentity(consensus.validatorKey, source);
  // Now rather than when the share is written: the ceremony would be over.
  if (passphrase !== undefined) checkPassphrase(passphrase);
  const participants = participantsOf(settings, identity.publicKey);
  const genesis = buildGenesis(readGenesis(node.genesis));
  checkChainId(node, genesis);
  const beside = (name: string): string => join(dirname(consensus.validatorKey as string), name);
  return {
    identity,
    passphrase,
    participants,
    chain: genesis.hash,
    chainId: genesis.chainId,
    files: {
      share: consensus.shareKey ?? beside(SHARE_FILE),
      output: consensus.dkgOutput ?? beside(OUTPUT_FILE),
      store: beside("ceremony.db"),
    },
    listen: network.listenAddr,
    peers: network.bootstrapPeers.map(parsePeerAddress).filter(({ peer }) => peer !== identity.publicKey),
  };
}
