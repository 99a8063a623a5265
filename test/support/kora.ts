// The compiled binary as tests use it: built once per run, started in an empty folder with nothing else in reach.
import { copyFileSync, linkSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");
/** How long anything may take on a machine that is busy with other things. */
const PATIENCE_MS = 60_000;

let built: string | undefined;

/** Lets tests run another program in the binary's place. */
export function useBinary(path: string): void {
  built = resolve(path);
}

/** Path of an executable that is as new as the source. */
export function koraBinary(): string {
  if (built !== undefined) return built;
  const target = join(ROOT, "kora");
  const build = Bun.spawnSync([process.execPath, join(ROOT, "src/build/compile.ts"), "--if-older"], {
    cwd: ROOT,
  });
  if (!build.success) throw new Error(`the build failed: ${build.stderr}`);
  built = target;
  return target;
}

/** An empty folder that goes away with `using`. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "kora-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command of the binary to its end. */
export function runKora(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Finished {
  using empty = temporaryFolder();
  const run = Bun.spawnSync([koraBinary(), ...args], {
    cwd: options.cwd ?? empty.path,
    env: { ...options.env, TMPDIR: tmpdir() },
    timeout: PATIENCE_MS,
  });
  return { code: run.exitCode, out: run.stdout.toString(), err: run.stderr.toString() };
}

/** A running node. Disposing kills it. */
export interface RunningKora extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly wsUrl: string;
  readonly pid: number;
  readonly out: () => string;
  readonly err: () => string;
  /** Sends a signal and waits for the end; answers the exit code (128 + n for a signal). */
  stop(signal?: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<number>;
  readonly exited: Promise<number>;
}

/** Waits until `condition` answers something; fails with `what` when it does not. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  patienceMs: number = PATIENCE_MS,
): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await Bun.sleep(5);
  }
}

function collect(stream: ReadableStream<Uint8Array>): () => string {
  let text = "";
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  })();
  return () => text;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another executable than the product's. */
  readonly executable?: string;
  /** Words before the executable: a program that runs it somewhere else, in the place of itself. */
  readonly prefix?: readonly string[];
}

/** Starts a long-running command of the binary and waits until it listens. */
export async function startKora(args: readonly string[], options: StartOptions = {}): Promise<RunningKora> {
  const empty = temporaryFolder();
  const original = options.executable ?? koraBinary();
  // A link of its own: nothing of the project is beside the executable that runs.
  const executable = join(empty.path, "kora");
  try {
    linkSync(original, executable);
  } catch {
    copyFileSync(original, executable);
  }
  const child = Bun.spawn([...(options.prefix ?? []), executable, ...args], {
    cwd: options.cwd ?? empty.path,
    env: { ...options.env, TMPDIR: tmpdir() },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  const stop = async (signal: "SIGTERM" | "SIGINT" | "SIGKILL" = "SIGTERM"): Promise<number> => {
    child.kill(signal);
    return await child.exited;
  };
  const [, host, port] = await until("Listening on", () => {
    if (child.exitCode !== null) throw new Error(`kora ended with ${child.exitCode}: ${err()}${out()}`);
    return /^Listening on (\S+):(\d+)$/m.exec(out()) ?? undefined;
  }).catch(async (thrown: unknown) => {
    await stop("SIGKILL");
    empty[Symbol.dispose]();
    throw thrown;
  });
  return {
    host: host as string,
    port: Number(port),
    url: `http://${host}:${port}`,
    wsUrl: `ws://${host}:${port}`,
    pid: child.pid,
    out,
    err,
    stop,
    exited: child.exited,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) await stop("SIGKILL");
      empty[Symbol.dispose]();
    },
  };
}

/** Sends JSON-RPC, one call or a batch; answers the response body. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export async function post(url: string, body: unknown, patienceMs: number = PATIENCE_MS): Promise<any> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(patienceMs),
  });
  return await response.json();
}

/** One JSON-RPC call; answers the whole response body. */
export function rpc(url: string, method: string, params: unknown[] = []): ReturnType<typeof post> {
  return post(url, { jsonrpc: "2.0", id: 1, method, params });
}

/** What a WebSocket is answered to an `eth_chainId` of four megabytes; rejects where the connection is closed instead. */
export function answerToLong(url: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'.padEnd(4_000_000));
  socket.onmessage = ({ data }) => {
    resolve(JSON.parse(String(data)));
    socket.close();
  };
  socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
  return promise;
}
