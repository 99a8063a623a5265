// The pool journal's file: appended and synced, replaced by renaming. Knows nothing of what is written.
import { closeSync, fdatasync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { JournalFile } from "#chain/pool-journal.ts";
import { EMPTY_BYTES } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { syncFolder } from "./secret-files.ts";

const sync = promisify(fdatasync);

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

function readIfThere(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return EMPTY_BYTES;
    throw thrown;
  }
}

/** The file at `path`, made when missing, open until disposed. */
export function openJournalFile(path: string): JournalFile & Disposable {
  let descriptor: number | undefined = openSync(path, "a");
  /** The file's descriptor, which after closing may be another file's. */
  const opened = (): number => {
    if (descriptor !== undefined) return descriptor;
    throw new KoraError(`${path} is closed`, { code: "JOURNAL_CLOSED" });
  };
  const close = (): void => {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  };
  return {
    read: () => readIfThere(path),
    async append(bytes) {
      const to = opened();
      writeAll(to, bytes);
      await sync(to);
    },
    async replace(bytes) {
      opened();
      const next = `${path}.next`;
      const written = openSync(next, "w");
      try {
        writeAll(written, bytes);
        await sync(written);
      } finally {
        closeSync(written);
      }
      opened();
      renameSync(next, path);
      syncFolder(dirname(path));
      close();
      descriptor = openSync(path, "a");
    },
    [Symbol.dispose]: close,
  };
}
