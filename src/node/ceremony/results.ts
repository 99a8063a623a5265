// What a ceremony leaves behind: share.key and output.json beside the identity key. Never in the place of another
// share unless the operator said so; checked against each other before and after; secret first, public last.
import { existsSync } from "node:fs";
import { PUBLIC_KEY_BYTES } from "#crypto/bls/types.ts";
import type { Bls } from "#crypto/bls.ts";
import type { CeremonyResult } from "#crypto/dkg/events.ts";
import type { CeremonyRules } from "#crypto/dkg/rules.ts";
import {
  decodeOutput,
  decodeShareFile,
  encodeOutput,
  encodeShareFile,
  type KeyOutput,
} from "#crypto/keyfiles.ts";
import { decryptText, encryptText, isEncrypted } from "#crypto/passphrase.ts";
import { createThresholdScheme, type ThresholdKey } from "#crypto/threshold.ts";
import { equalBytes, utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { PUBLIC_MODE, readPublicFile, readSecretFile, SECRET_MODE, writeWhole } from "#node/secret-files.ts";
import { identityKey } from "#types/identity.ts";

/** Where the results go. */
export interface ResultFiles {
  readonly share: string;
  readonly output: string;
}

/** The group's key as the node will use it. */
function thresholdKeyOf(rules: CeremonyRules, { output }: CeremonyResult): ThresholdKey {
  const { bytes, points } = output.group;
  return {
    groupPublicKey: output.publicKey,
    polynomial: points.map((_, term) => bytes.slice(term * PUBLIC_KEY_BYTES, (term + 1) * PUBLIC_KEY_BYTES)),
    threshold: output.threshold,
    participants: rules.info.players.map((key) => identityKey(key)),
  };
}

function refuse(message: string, why: string, hint: string): KoraError {
  return new KoraError(message, { code: "SHARE_KEPT", kind: "safety", why, hint });
}

/** Throws SHARE_KEPT, a refusal, if files are there that a ceremony would overwrite. */
export function refuseExisting(files: ResultFiles): void {
  for (const path of [files.share, files.output]) {
    if (!existsSync(path)) continue;
    throw refuse(
      `${path} is there already`,
      "it belongs to a key that this ceremony did not make; a share is never overwritten",
      "keep it, or make a new key everywhere with --force-restart",
    );
  }
}

function decodeText(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

/** Whether the files hold this very result; an encrypted share is believed to be the one output.json belongs to. */
function holdResult(files: ResultFiles, key: ThresholdKey): boolean {
  if (!existsSync(files.share) || !existsSync(files.output)) return false;
  const output = decodeOutput(files.output, decodeText(readPublicFile(files.output)));
  const content = readSecretFile(files.share);
  const fits = isEncrypted(content) || equalBytes(groupKeyOf(files, decodeText(content)), key.groupPublicKey);
  content.fill(0);
  return fits && equalBytes(output.key.groupPublicKey, key.groupPublicKey);
}

/** The group key that the text of a share names. */
function groupKeyOf(files: ResultFiles, text: string): Uint8Array {
  const { share, groupPublicKey } = decodeShareFile(files.share, text);
  share.secret.fill(0);
  return groupPublicKey;
}

/** Checks that a ceremony whose secrets were erased has left its files here. Throws SHARE_LOST, a refusal. */
export function requireResult(files: ResultFiles, rules: CeremonyRules, result: CeremonyResult): void {
  if (holdResult(files, thresholdKeyOf(rules, result))) return;
  throw new KoraError("this node's share is not there any more", {
    code: "SHARE_LOST",
    kind: "safety",
    why: `the ceremony finished, but ${files.share} and ${files.output} do not hold its key`,
    hint: "restore both from a backup, or make a new key everywhere with --force-restart",
  });
}

function outputOf(rules: CeremonyRules, result: CeremonyResult, key: ThresholdKey): KeyOutput {
  return { key, origin: "ceremony", round: rules.info.round, exposed: result.output.exposed };
}

/**
 * Checks the share against the public polynomial and writes both files; `replace` permits to overwrite others. Throws
 * SHARE_KEPT, SHARE_MISMATCH, FILE_NOT_WRITTEN.
 */
export async function writeResult(
  files: ResultFiles,
  rules: CeremonyRules,
  result: CeremonyResult,
  options: { readonly bls: Bls; readonly replace: boolean; readonly passphrase: string | undefined },
): Promise<void> {
  const key = thresholdKeyOf(rules, result);
  const { player } = rules;
  if (player === undefined || result.share === undefined) {
    throw new KoraError("this node has no share of the new key", {
      code: "SHARE_LOST",
      kind: "safety",
      why: "it acknowledged evaluations that its file does not hold any more",
      hint: "restore ceremony.db from before, or make a new key everywhere with --force-restart",
    });
  }
  const share = { index: player, secret: result.share };
  createThresholdScheme(options.bls, key, share);
  const { passphrase } = options;
  if (!options.replace && !holdResult(files, key)) await refuseOthers(files, key, passphrase);
  const text = encodeShareFile({ share, groupPublicKey: key.groupPublicKey });
  const content = passphrase === undefined ? utf8(text) : await encryptText(text, passphrase);
  writeWhole(files.share, content, SECRET_MODE);
  content.fill(0);
  writeWhole(files.output, utf8(encodeOutput(outputOf(rules, result, key))), PUBLIC_MODE);
}

/** A crash between the two files leaves the share alone: it may be written again, another one may not. */
async function refuseOthers(
  files: ResultFiles,
  key: ThresholdKey,
  passphrase: string | undefined,
): Promise<void> {
  if (existsSync(files.output)) refuseExisting({ share: files.output, output: files.output });
  if (!existsSync(files.share)) return;
  const content = readSecretFile(files.share);
  if (isEncrypted(content) && passphrase === undefined) refuseExisting(files);
  const text =
    isEncrypted(content) && passphrase !== undefined
      ? await decryptText(files.share, content, passphrase)
      : decodeText(content);
  content.fill(0);
  if (!equalBytes(groupKeyOf(files, text), key.groupPublicKey)) refuseExisting(files);
}
