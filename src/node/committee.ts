// Which part in a committee's chain the configuration gives this node: a validator with a key and a share, or a
// follower that checks finality with the group's key. Reads the key files; what they hold is checked where it is used.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Settings } from "#config/schema.ts";
import { DEFAULT_TIMING, type Timing } from "#consensus/state.ts";
import type { Bls } from "#crypto/bls.ts";
import { generateSeed, type Identity, identityFromSeed } from "#crypto/identity.ts";
import { groupVerifier, type ThresholdScheme } from "#crypto/threshold.ts";
import { KoraError } from "#lib/error.ts";
import { parsePeerAddress } from "#net/address.ts";
import { identityKey } from "#types/identity.ts";
import { quorumOf } from "#types/quorum.ts";
import { openCommitteeBls } from "./cryptography.ts";
import type { EngineParts, StartEngine } from "./engine.ts";
import { announceKey } from "./key-announcement.ts";
import { type PassphraseSource, readIdentity } from "./key-files.ts";
import { OUTPUT_FILE, readThresholdScheme, SHARE_FILE } from "./threshold-files.ts";
import { type OpenClock, validatorEngine } from "./validators/engine.ts";
import { followerEngine } from "./validators/follower.ts";
import type { NetworkPlan, OpenTransport } from "./validators/network.ts";

/** What a program that embeds a node may put in the place of the node's own. */
export interface Replacements {
  /** Instead of libp2p. */
  readonly openTransport?: OpenTransport;
  /** A validator's, instead of the system's. */
  readonly openClock?: OpenClock;
  /** The committee's key, with this member's share, instead of what the files hold. */
  readonly scheme?: ThresholdScheme;
}

const GUARD_FILE = "signing.guard";

function refuse(message: string, why: string, hint: string): KoraError {
  return new KoraError(message, { code: "NO_COMMITTEE", kind: "usage", why, hint });
}

/** The timers of consensus that `settings` ask for. */
export function timingOf({ consensus, execution }: Settings): Timing {
  return {
    ...DEFAULT_TIMING,
    leaderTimeout: consensus.leaderTimeoutMs,
    certificationTimeout: consensus.certificationTimeoutMs,
    timeoutRetry: consensus.timeoutRetryMs,
    fetchTimeout: consensus.fetchTimeoutMs,
    retention: consensus.viewRetention,
    skipTimeout: consensus.skipTimeout,
    blockTime: execution.blockTime * 1_000,
    emptyBlockInterval: execution.emptyBlockInterval * 1_000,
  };
}

/** Whether the chain has more than this node: the configuration names others, or the key of a group. */
export function hasCommittee({ consensus }: Settings): boolean {
  return consensus.participants.length > 1 || consensus.groupPublicKey !== undefined;
}

/** Throws NO_COMMITTEE unless the configuration and the key files name the same committee. */
function checkScheme({ consensus }: Settings, scheme: ThresholdScheme, output: string): void {
  const named = consensus.participants.map((text) => identityKey(text)).sort();
  const held = scheme.participants();
  if (named.length !== held.length || named.some((key, index) => key !== held[index])) {
    throw refuse(
      "consensus.participants are not those of the group's key",
      `${output} was made for ${held.length} others`,
      "list the participants of the ceremony, or hold a new one with kora dkg --force-restart",
    );
  }
  const quorum = quorumOf(held.length);
  if (consensus.threshold !== undefined && consensus.threshold !== quorum) {
    throw refuse(
      `consensus.threshold is ${consensus.threshold}`,
      `${held.length} participants need ${quorum}`,
      "correct it, or leave it out",
    );
  }
  const { groupPublicKey } = consensus;
  const key = scheme.groupPublicKey.toHex();
  if (groupPublicKey !== undefined && groupPublicKey.toLowerCase().replace(/^0x/, "") !== key) {
    throw refuse(
      "consensus.group_public_key is not the key of the committee's files",
      `${output} holds ${key}`,
      "take output.json and share.key of the ceremony that made this chain's key, or correct the configuration",
    );
  }
}

async function networkOf(settings: Settings, passphrase: PassphraseSource): Promise<NetworkPlan> {
  const { consensus, network } = settings;
  const key = consensus.validatorKey;
  const identity =
    key === undefined ? identityFromSeed(generateSeed()) : (await readIdentity(key, passphrase)).identity;
  return {
    identity,
    listen: network.listenAddr,
    dialable: network.dialableAddr,
    peers: network.bootstrapPeers.map(parsePeerAddress),
    maxBlockBytes: settings.execution.maxBlockBytes,
  };
}

function startFollower(settings: Settings, network: NetworkPlan, parts: EngineParts, bls: Bls) {
  const { consensus, execution } = settings;
  const text = consensus.groupPublicKey ?? "";
  const publicKey = Uint8Array.fromHex(text.startsWith("0x") ? text.slice(2) : text);
  if (!bls.isPublicKey(publicKey)) {
    throw refuse(
      "consensus.group_public_key is no key",
      "it is not a point of the group BLS12-381 keys are in",
      "take it from output.json of a validator",
    );
  }
  const start = followerEngine({
    ...network,
    scheme: groupVerifier(bls, publicKey),
    participants: consensus.participants.map((name) => identityKey(name)),
    fetchTimeout: consensus.fetchTimeoutMs,
    slowestPace: Math.max(execution.blockTime, execution.emptyBlockInterval) * 1_000,
  });
  return start(parts);
}

/** This member's share: the file that is named, which then has to be there, else one beside the identity. */
function shareFile({ consensus }: Settings): string | undefined {
  if (consensus.shareKey !== undefined) return consensus.shareKey;
  const beside = join(dirname(consensus.validatorKey ?? "."), SHARE_FILE);
  return existsSync(beside) ? beside : undefined;
}

interface OwnKeys {
  readonly settings: Settings;
  readonly identity: Identity;
  /** This node is one of the participants. */
  readonly member: boolean;
  readonly passphrase: PassphraseSource;
  readonly logger: EngineParts["logger"];
  readonly metrics: EngineParts["metrics"];
  readonly bls: Bls;
}

/** Where the files of a committee's key are, unless the configuration names them. */
function keyFolder({ consensus }: Settings): string {
  return dirname(consensus.validatorKey ?? consensus.dkgOutput ?? ".");
}

/** The committee's key as its files hold it, with this member's share where there is one. */
async function readOwnScheme(own: OwnKeys): Promise<ThresholdScheme> {
  const { settings, identity, member, passphrase, logger, metrics, bls } = own;
  const output = settings.consensus.dkgOutput ?? join(keyFolder(settings), OUTPUT_FILE);
  if (!existsSync(output)) {
    throw refuse(
      "the group's key is not there",
      `${output} does not exist`,
      "hold the ceremony with kora dkg on every validator, or give consensus.group_public_key to follow",
    );
  }
  const share = member ? shareFile(settings) : undefined;
  if (member && share === undefined) {
    logger.warn("a participant without a share only follows", { participant: identity.publicKey });
  }
  const held = await readThresholdScheme({ output, share }, passphrase.read, bls);
  const { scheme } = held;
  checkScheme(settings, scheme, output);
  announceKey(held.output, scheme.index, logger, metrics);
  return scheme;
}

/** Throws SHARE_MISMATCH unless identity and share are the same participant's. */
function checkShare(scheme: ThresholdScheme, identity: Identity): void {
  if (scheme.index !== undefined && scheme.participants()[scheme.index] === identity.publicKey) return;
  throw new KoraError("share.key is another participant's", {
    code: "SHARE_MISMATCH",
    kind: "safety",
    why: `its index is ${scheme.index}, validator.key's is another`,
    hint: "put validator.key and share.key of the same node beside each other",
  });
}

/** The engine of a chain with a committee. */
export function committeeEngine(
  settings: Settings,
  passphrase: PassphraseSource,
  { openTransport, openClock, scheme: given }: Replacements = {},
): StartEngine {
  return async (parts) => {
    const { logger, metrics } = parts;
    const { consensus, node } = settings;
    const network = { ...(await networkOf(settings, passphrase)), ...(openTransport && { openTransport }) };
    const bls = await openCommitteeBls(consensus.blsBackend, logger);
    const { identity } = network;
    const member = consensus.participants.some((name) => identityKey(name) === identity.publicKey);
    if (!member && given === undefined && consensus.groupPublicKey !== undefined)
      return startFollower(settings, network, parts, bls);
    const own = { settings, identity, member, passphrase, logger, metrics, bls };
    const scheme = given ?? (await readOwnScheme(own));
    if (!member || scheme.index === undefined) {
      const groupPublicKey = scheme.groupPublicKey.toHex();
      const follower = { ...settings, consensus: { ...consensus, groupPublicKey } };
      return startFollower(follower, network, parts, bls);
    }
    checkShare(scheme, identity);
    const { index, threshold } = scheme;
    logger.info("validator", { index, threshold, groupPublicKey: scheme.groupPublicKey.toHex() });
    const start = validatorEngine({
      ...network,
      scheme,
      timing: timingOf(settings),
      guardOverride: consensus.guardOverride,
      directory: node.dataDir,
      guard: join(keyFolder(settings), GUARD_FILE),
      ...(openClock && { openClock }),
    });
    return start(parts);
  };
}
