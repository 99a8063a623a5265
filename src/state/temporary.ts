// A place for chain.db without a data directory: a temporary one per process, removed at the end and, where a process
// was killed, by the next start. Worker threads cannot open an in-memory database, hence files.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KoraError, messageOf } from "#lib/error.ts";

const PREFIX = "kora-";
const NAME = /^kora-(\d+)-[A-Za-z0-9]{6}$/;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** Removes what dead processes left behind; what cannot be removed is somebody else's. */
function sweep(root: string): void {
  for (const name of readdirSync(root)) {
    const pid = NAME.exec(name)?.[1];
    if (pid === undefined || Number(pid) === process.pid || isAlive(Number(pid))) continue;
    try {
      rmSync(join(root, name), { recursive: true, force: true });
    } catch {
      // Another user's directory under a shared temporary one.
    }
  }
}

export interface TemporaryDirectory {
  readonly path: string;
  remove(): void;
}

/** A fresh directory, removed by `remove` or when the process exits. Throws STATE_OPEN. */
export function createTemporaryDirectory(root: string = tmpdir()): TemporaryDirectory {
  try {
    sweep(root);
    const path = mkdtempSync(join(root, `${PREFIX}${process.pid}-`));
    const erase = (): void => rmSync(path, { recursive: true, force: true });
    process.once("exit", erase);
    return {
      path,
      remove() {
        process.off("exit", erase);
        erase();
      },
    };
  } catch (error) {
    throw new KoraError(`cannot make a temporary directory in ${root}`, {
      code: "STATE_OPEN",
      why: messageOf(error),
      hint: "make it writable, set TMPDIR to a place that is, or give a data directory",
      cause: error,
    });
  }
}
