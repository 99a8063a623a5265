// What one process at a time may own: the data directory, made, checked and locked, and a validator's signing guard.
// The lock is one that the system drops when the process ends however it ends. Knows nothing of what is kept there.
import { Database } from "bun:sqlite";
import { accessSync, constants, mkdirSync } from "node:fs";
import { join } from "node:path";
import { KoraError, messageOf } from "#lib/error.ts";

/** A directory that this process owns until it is released. */
export interface DataDirectory extends Disposable {
  readonly path: string;
  /** Path of a file in it. */
  file(name: string): string;
}

function unusable(path: string, thrown: unknown): KoraError {
  return new KoraError(`the data directory ${path} cannot be used`, {
    code: "DIRECTORY_UNUSABLE",
    why: messageOf(thrown),
    hint: "give a folder that this user may write to",
    cause: thrown,
  });
}

function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "SQLITE_BUSY";
}

/** Takes a lock: an exclusive SQLite transaction on an empty database, held and never written. */
function lock(file: string): Database {
  const database = new Database(file, { create: true });
  try {
    database.run("PRAGMA busy_timeout = 0");
    // Nothing is written, so no journal file has to stand beside it.
    database.run("PRAGMA journal_mode = MEMORY");
    database.run("BEGIN EXCLUSIVE");
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

/** Makes the directory if it is not there and locks it. Throws DIRECTORY_LOCKED (exit code 3) or DIRECTORY_UNUSABLE. */
export function openDirectory(path: string): DataDirectory {
  let held: Database;
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    held = lock(join(path, "LOCK"));
  } catch (thrown) {
    if (!isBusy(thrown)) throw unusable(path, thrown);
    throw new KoraError(`the data directory ${path} is in use`, {
      code: "DIRECTORY_LOCKED",
      kind: "safety",
      why: "another process holds its LOCK",
      hint: "stop that process, or give another directory",
    });
  }
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => held.close(),
  };
}

/**
 * Owns the signing guard at `path`: two processes that sign with one key would each reserve views that the other signs
 * in. Throws KEY_IN_USE (exit code 3) or KEY_FOLDER_UNUSABLE.
 */
export function lockGuard(path: string): Disposable {
  try {
    const held = lock(`${path}.lock`);
    return { [Symbol.dispose]: () => held.close() };
  } catch (thrown) {
    if (isBusy(thrown)) {
      throw new KoraError("this validator's key is in use", {
        code: "KEY_IN_USE",
        kind: "safety",
        why: `another process holds ${path}.lock and may sign with the same key`,
        hint: "stop that process; a key never runs twice, whatever its data directory",
      });
    }
    throw new KoraError(`the signing guard ${path} cannot be kept`, {
      code: "KEY_FOLDER_UNUSABLE",
      why: messageOf(thrown),
      hint: "keep validator.key in a folder that this user may write to",
      cause: thrown,
    });
  }
}
