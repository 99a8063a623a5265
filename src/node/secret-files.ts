// Files that hold secrets or belong beside them: read only if nobody else can, written whole or not at all. What is in
// them is not known here.
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { MAX_KEY_FILE_BYTES } from "#crypto/keyfiles.ts";
import { KoraError, messageOf } from "#lib/error.ts";

/** Mode of a secret: its owner may read and write it, nobody else anything. */
export const SECRET_MODE = 0o600;
/** Mode of what may be read by all. */
export const PUBLIC_MODE = 0o644;
const OTHERS = 0o077;

function unreadable(path: string, thrown: unknown): KoraError {
  const missing = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
  return new KoraError(missing ? `${path} is not there` : `${path} cannot be read`, {
    code: missing ? "KEY_FILE_MISSING" : "KEY_FILE_UNREADABLE",
    kind: "usage",
    why: messageOf(thrown),
    hint: "give the right path; the configuration names the files of a node",
    cause: thrown,
  });
}

/** The whole of an open file of at most MAX_KEY_FILE_BYTES. */
function readAll(path: string, file: number): Uint8Array {
  const { size } = fstatSync(file);
  if (size > MAX_KEY_FILE_BYTES) {
    throw new KoraError(`${path} is too long`, {
      code: "BAD_KEY_FILE",
      kind: "safety",
      why: `it has ${size} bytes, a key file has at most ${MAX_KEY_FILE_BYTES}`,
      hint: "give the path of a key file; nothing was changed",
    });
  }
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const read = readSync(file, bytes, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  return bytes.subarray(0, length);
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

/** Content of a public file. Throws KEY_FILE_MISSING, KEY_FILE_UNREADABLE or BAD_KEY_FILE. */
export function readPublicFile(path: string): Uint8Array {
  const file = open(path);
  try {
    return readAll(path, file);
  } finally {
    closeSync(file);
  }
}

/** Content of a secret file. Throws SECRET_EXPOSED (a refusal) if group or others may touch it, and as above. */
export function readSecretFile(path: string): Uint8Array {
  const file = open(path);
  try {
    const mode = fstatSync(file).mode & 0o777;
    if ((mode & OTHERS) !== 0) {
      throw new KoraError(`${path} is readable by others`, {
        code: "SECRET_EXPOSED",
        kind: "safety",
        why: `its mode is ${mode.toString(8)}, a secret's is 600`,
        hint: `chmod 600 ${path}`,
      });
    }
    return readAll(path, file);
  } finally {
    closeSync(file);
  }
}

/** Makes what was renamed or linked in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Writes a whole file beside `path` and lets `place` put it there. */
function writeBeside(
  path: string,
  content: Uint8Array,
  mode: number,
  place: (temporary: string) => void,
): void {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.tmp`);
  try {
    // What a killed process with this one's number left, as every process in a container has the same.
    rmSync(temporary, { force: true });
    const file = openSync(temporary, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, mode);
    try {
      fchmodSync(file, mode);
      for (let at = 0; at < content.length; ) at += writeSync(file, content, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    place(temporary);
    syncFolder(folder);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    if (thrown instanceof KoraError) throw thrown;
    throw new KoraError(`${path} cannot be written`, {
      code: "FILE_NOT_WRITTEN",
      why: messageOf(thrown),
      hint: "give a folder that this user may write to, on a disk with room",
      cause: thrown,
    });
  }
}

/**
 * Puts `content` in the place of whatever `path` held: durable and whole when it returns, else unchanged. Throws
 * FILE_NOT_WRITTEN.
 */
export function writeWhole(path: string, content: Uint8Array, mode: number): void {
  writeBeside(path, content, mode, (temporary) => renameSync(temporary, path));
}

/** The same where nothing is yet. Throws KEY_KEPT, a refusal, for a path that is taken, and FILE_NOT_WRITTEN. */
export function writeNew(path: string, content: Uint8Array, mode: number): void {
  writeBeside(path, content, mode, (temporary) => {
    try {
      // A second name fails where one exists; renaming would replace it.
      linkSync(temporary, path);
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown;
      throw new KoraError(`${path} is there already`, {
        code: "KEY_KEPT",
        kind: "safety",
        why: "a key that exists is never overwritten",
        hint: "give another file, or move that one away",
      });
    }
    rmSync(temporary);
  });
}
