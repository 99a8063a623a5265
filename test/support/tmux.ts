// A real terminal for tests: a shell in a tmux server of this process, what it shows, and keys to press.
import { temporaryFolder, until } from "./kora.ts";

export const COLUMNS = 120;

export interface TestTerminal extends Disposable {
  /** An empty folder that the shell starts in. */
  readonly folder: string;
  /** A fresh shell on an empty screen. */
  restart(): void;
  /** Presses keys, by tmux's names. */
  type(...keys: string[]): void;
  /** Types exactly this, without a name in it being understood. */
  write(text: string): void;
  screen(): string;
  /** Waits until the screen shows it. */
  see(what: RegExp): Promise<string>;
}

let terminals = 0;

/** Starts a terminal. */
export function openTerminal(): TestTerminal {
  const server = `kora-test-${process.pid}-${terminals++}`;
  const folder = temporaryFolder();
  const tmux = (...args: string[]): string => {
    const run = Bun.spawnSync(["tmux", "-L", server, ...args], { cwd: folder.path });
    if (!run.success) throw new Error(`tmux ${args[0]}: ${run.stderr}`);
    return run.stdout.toString();
  };
  const screen = (): string => tmux("capture-pane", "-p", "-J", "-S", "-200");
  tmux("-f", "/dev/null", "new-session", "-d", "-x", String(COLUMNS), "-y", "60", "sh");
  return {
    folder: folder.path,
    restart() {
      tmux("respawn-pane", "-k", "-c", folder.path, "sh");
      tmux("clear-history");
    },
    type: (...keys) => void tmux("send-keys", ...keys),
    write: (text) => void tmux("send-keys", "-l", text),
    screen,
    see: (what) => until(String(what), () => (what.test(screen()) ? screen() : undefined), 60_000),
    [Symbol.dispose]() {
      tmux("kill-server");
      folder[Symbol.dispose]();
    },
  };
}
