// Where a passphrase comes from: a file, a pipe or a descriptor (--passphrase-file /dev/fd/3), else a prompt on the
// terminal that does not echo. Never the command line or the environment, where others can read it.
import { KoraError, messageOf } from "#lib/error.ts";
import { once } from "#lib/once.ts";
import type { PassphraseSource } from "#node/key-files.ts";
import { textFlag } from "./args.ts";
import type { CommandContext } from "./command.ts";

/** Longest passphrase, in bytes. */
const MAX_PASSPHRASE_BYTES = 1_024;

const FILE_FLAG = "passphrase-file";

function refuse(why: string, cause?: unknown): KoraError {
  return new KoraError("no passphrase could be read", {
    code: "NO_PASSPHRASE",
    kind: "usage",
    why,
    hint: "run on a terminal, or give --passphrase-file <(pass show kora)",
    cause,
  });
}

/** Waits without holding up signals: a pipe may never be written to. */
async function fromFile(path: string): Promise<string> {
  let content: string;
  try {
    content = await Bun.file(path).text();
  } catch (thrown) {
    throw refuse(messageOf(thrown), thrown);
  }
  const line = content.replace(/\r?\n$/, "");
  if (line === "" || line.length > MAX_PASSPHRASE_BYTES) throw refuse(`${path} holds no passphrase`);
  return line;
}

/** Rejects when the command is told to stop. */
function interrupted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const stop = (): void => reject(refuse("the command was stopped"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return promise;
}

/** One line from the terminal, not shown while it is typed. */
function ask(prompt: string, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { stdin } = process;
  // A letter of several bytes may come in two pieces.
  const decoder = new TextDecoder();
  let typed = "";
  const finish = (): void => {
    signal.removeEventListener("abort", stop);
    stdin.off("data", onData);
    stdin.setRawMode(false);
    stdin.pause();
    process.stderr.write("\n");
  };
  function stop(): void {
    finish();
    reject(refuse("the command was stopped"));
  }
  function onData(chunk: Uint8Array): void {
    for (const letter of decoder.decode(chunk, { stream: true })) {
      if (letter === "\r" || letter === "\n") {
        finish();
        if (typed === "") reject(refuse("nothing was typed"));
        else resolve(typed);
        return;
      }
      if (letter === "\u0003" || letter === "\u0004") {
        finish();
        reject(refuse("the question was not answered"));
        return;
      }
      if (letter === "\u007f" || letter === "\b") typed = [...typed].slice(0, -1).join("");
      else if (typed.length < MAX_PASSPHRASE_BYTES) typed += letter;
    }
  }
  process.stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.resume();
  stdin.on("data", onData);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return promise;
}

/** The passphrase of the key files a command opens: had once, since a pipe gives it only once. */
export function passphraseSource(context: CommandContext): PassphraseSource {
  return { given: givesPassphrase(context), read: once(() => readPassphrase(context)) };
}

/** Whether a passphrase was given without asking. */
export function givesPassphrase({ args }: CommandContext): boolean {
  return textFlag(args, FILE_FLAG) !== undefined;
}

/** The passphrase that was given, else what is typed. Throws NO_PASSPHRASE. */
export async function readPassphrase(context: CommandContext, prompt = "passphrase: "): Promise<string> {
  const file = textFlag(context.args, FILE_FLAG);
  if (file !== undefined) return await Promise.race([fromFile(file), interrupted(context.signal)]);
  if (process.stdin.isTTY !== true) throw refuse("stdin is no terminal to ask on");
  return await ask(prompt, context.signal);
}
