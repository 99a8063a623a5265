// The text of key files: validator.key (a secret seed), share.key (a secret share) and output.json (what everybody
// knows of the group's key). Reading is strict and whole; where files are, and their modes, is not known here.
import { KoraError, messageOf } from "#lib/error.ts";
import { type IdentityKey, identityKey } from "#types/identity.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { PUBLIC_KEY_BYTES, SECRET_BYTES } from "./bls/types.ts";
import { SEED_BYTES } from "./identity.ts";
import type { ThresholdKey, ThresholdShare } from "./threshold.ts";

/** Longest text of a key file: output.json of the largest committee has about 45 kB. */
export const MAX_KEY_FILE_BYTES: number = 256 * 1024;

/** How the group's key came to be. */
export type KeyOrigin = "ceremony" | "trusted-dealer";

/** output.json: the group's key, and what the ceremony has to say beside it. */
export interface KeyOutput {
  readonly key: ThresholdKey;
  readonly origin: KeyOrigin;
  /** Number of the ceremony's round; 0 for a dealer. */
  readonly round: number;
  /** Indices of participants whose share counts as known to everybody. */
  readonly exposed: readonly number[];
}

/** share.key: a share, and which group key it is of. */
export interface ShareFile {
  readonly share: ThresholdShare;
  readonly groupPublicKey: Uint8Array;
}

function damaged(file: string, why: string, cause?: unknown): KoraError {
  return new KoraError(`${file} cannot be used`, {
    code: "BAD_KEY_FILE",
    kind: "safety",
    why,
    hint: "restore the file from a backup of the same ceremony; nothing was changed",
    cause,
  });
}

const HEX = /^(?:0x)?((?:[0-9a-f]{2})+)$/i;

function readHex(file: string, name: string, value: unknown, length: number): Uint8Array {
  const digits = typeof value === "string" ? HEX.exec(value)?.[1] : undefined;
  if (digits === undefined || digits.length !== 2 * length) {
    throw damaged(file, `${name} is not ${length} bytes of hex`);
  }
  return Uint8Array.fromHex(digits);
}

/** The members of a JSON object that has exactly these; a secret in a malformed file never reaches an error. */
function readObject(file: string, text: string, names: readonly string[]): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(file, "it is not JSON: it may be truncated");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw damaged(file, "it does not hold an object");
  }
  const found = Object.keys(value);
  const missing = names.find((name) => !found.includes(name));
  if (missing !== undefined) throw damaged(file, `${missing} is missing`);
  if (found.length !== names.length) throw damaged(file, "it holds more than it should");
  return value as Record<string, unknown>;
}

function readNumber(file: string, name: string, value: unknown, below: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) >= below) {
    throw damaged(file, `${name} is not a whole number below ${below}`);
  }
  return value as number;
}

function readList(file: string, name: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || value.length > MAX_PARTICIPANTS) {
    throw damaged(file, `${name} is not a list of at most ${MAX_PARTICIPANTS}`);
  }
  return value;
}

function readIdentity(file: string, value: unknown): IdentityKey {
  try {
    return identityKey(String(value));
  } catch (error) {
    throw damaged(file, messageOf(error));
  }
}

/** Text of validator.key. */
export function encodeSeed(seed: Uint8Array): string {
  return `${seed.toHex()}\n`;
}

/** The seed in the text of validator.key; throws BAD_KEY_FILE. */
export function decodeSeed(file: string, text: string): Uint8Array {
  return readHex(file, "the secret seed", text.trim(), SEED_BYTES);
}

/** Text of share.key. */
export function encodeShareFile({ share, groupPublicKey }: ShareFile): string {
  const content = {
    index: share.index,
    secret: share.secret.toHex(),
    group_public_key: groupPublicKey.toHex(),
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** The share in the text of share.key; throws BAD_KEY_FILE. Whether it fits a group key is checked with that key. */
export function decodeShareFile(file: string, text: string): ShareFile {
  const content = readObject(file, text, ["index", "secret", "group_public_key"]);
  return {
    share: {
      index: readNumber(file, "index", content["index"], MAX_PARTICIPANTS),
      secret: readHex(file, "secret", content["secret"], SECRET_BYTES),
    },
    groupPublicKey: readHex(file, "group_public_key", content["group_public_key"], PUBLIC_KEY_BYTES),
  };
}

/** Text of output.json. */
export function encodeOutput({ key, origin, round, exposed }: KeyOutput): string {
  const content = {
    group_public_key: key.groupPublicKey.toHex(),
    public_polynomial: key.polynomial.map((point) => point.toHex()),
    threshold: key.threshold,
    participants: key.participants.map((participant) => participant.slice(2)),
    origin,
    round,
    exposed,
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** Members of output.json, in the order they are written. */
const OUTPUT_MEMBERS = [
  "group_public_key",
  "public_polynomial",
  "threshold",
  "participants",
  "origin",
  "round",
  "exposed",
];

/** The content of output.json; throws BAD_KEY_FILE. Whether the parts fit together is checked by the scheme. */
export function decodeOutput(file: string, text: string): KeyOutput {
  const content = readObject(file, text, OUTPUT_MEMBERS);
  const { origin } = content;
  if (origin !== "ceremony" && origin !== "trusted-dealer") throw damaged(file, "origin is unknown");
  const participants = readList(file, "participants", content["participants"]);
  const exposed = readList(file, "exposed", content["exposed"]);
  if (new Set(exposed).size !== exposed.length) throw damaged(file, "exposed names a member twice");
  return {
    key: {
      groupPublicKey: readHex(file, "group_public_key", content["group_public_key"], PUBLIC_KEY_BYTES),
      polynomial: readList(file, "public_polynomial", content["public_polynomial"]).map((point, i) =>
        readHex(file, `public_polynomial[${i}]`, point, PUBLIC_KEY_BYTES),
      ),
      threshold: readNumber(file, "threshold", content["threshold"], MAX_PARTICIPANTS + 1),
      participants: participants.map((participant) => readIdentity(file, participant)),
    },
    origin,
    round: readNumber(file, "round", content["round"], Number.MAX_SAFE_INTEGER),
    exposed: exposed.map((index) => readNumber(file, "exposed", index, participants.length)),
  };
}
