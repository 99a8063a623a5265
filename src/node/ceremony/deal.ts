// The trusted dealer's files, for local networks: one folder for each participant, with its share and the group's key,
// and a fresh identity where participants are not given.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Bls } from "#crypto/bls.ts";
import { deal } from "#crypto/deal.ts";
import { generateSeed, identityFromSeed } from "#crypto/identity.ts";
import { encodeOutput, encodeSeed, encodeShareFile } from "#crypto/keyfiles.ts";
import type { ThresholdKey } from "#crypto/threshold.ts";
import { utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { makeFolder } from "#node/network-files.ts";
import { PUBLIC_MODE, SECRET_MODE, writeWhole } from "#node/secret-files.ts";
import { OUTPUT_FILE, SHARE_FILE } from "#node/threshold-files.ts";
import type { IdentityKey } from "#types/identity.ts";

/** Who gets a share: identities that exist elsewhere, or so many that are made here. */
export type Dealt =
  | { readonly kind: "given"; readonly participants: readonly IdentityKey[] }
  | { readonly kind: "made"; readonly count: number };

export interface DealtFolder {
  readonly path: string;
  readonly participant: IdentityKey;
}

interface Recipient {
  readonly participant: IdentityKey;
  readonly seed: Uint8Array | undefined;
}

function recipientsOf(dealt: Dealt): Recipient[] {
  const recipients: Recipient[] =
    dealt.kind === "given"
      ? dealt.participants.map((participant) => ({ participant, seed: undefined }))
      : Array.from({ length: dealt.count }, () => {
          const seed = generateSeed();
          return { participant: identityFromSeed(seed).publicKey, seed };
        });
  return recipients.sort((a, b) => (a.participant < b.participant ? -1 : 1));
}

/** Makes a folder that must not be there. Throws SHARE_KEPT, a refusal, and FILE_NOT_WRITTEN. */
function makeNewFolder(path: string): void {
  if (existsSync(path)) {
    throw new KoraError(`${path} is there already`, {
      code: "SHARE_KEPT",
      kind: "safety",
      why: "a key that was dealt before is never overwritten",
      hint: "give another --out, or move that folder away",
    });
  }
  makeFolder(path);
}

/** Deals a key to participants whose folders are there, and writes share.key and output.json into each. */
export function dealShares(bls: Bls, folders: readonly DealtFolder[]): ThresholdKey {
  const sorted = [...folders].sort((a, b) => (a.participant < b.participant ? -1 : 1));
  const { key, shares } = deal(
    bls,
    sorted.map(({ participant }) => participant),
  );
  const output = utf8(encodeOutput({ key, origin: "trusted-dealer", round: 0, exposed: [] }));
  const { groupPublicKey } = key;
  for (const [index, { path }] of sorted.entries()) {
    const share = shares[index] as (typeof shares)[number];
    writeWhole(join(path, SHARE_FILE), utf8(encodeShareFile({ share, groupPublicKey })), SECRET_MODE);
    writeWhole(join(path, OUTPUT_FILE), output, PUBLIC_MODE);
    share.secret.fill(0);
  }
  return key;
}

/** Deals a key into `out`, which must not be there: node0, node1, … by index. Throws SHARE_KEPT and what writing throws. */
export function dealInto(
  out: string,
  bls: Bls,
  dealt: Dealt,
): { readonly key: ThresholdKey; readonly folders: readonly DealtFolder[] } {
  const recipients = recipientsOf(dealt);
  makeNewFolder(out);
  const folders = recipients.map(({ participant, seed }, index) => {
    const path = join(out, `node${index}`);
    makeNewFolder(path);
    if (seed !== undefined) writeWhole(join(path, "validator.key"), utf8(encodeSeed(seed)), SECRET_MODE);
    seed?.fill(0);
    return { path, participant };
  });
  const key = dealShares(bls, folders);
  return { key, folders };
}
