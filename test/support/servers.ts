// Local chains side by side, as benches compare them: the compiled binary and anvil, each a process of its own.
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");

/** anvil, the program itself: its npm wrapper would survive us. */
const MACHINE = process.arch === "x64" ? "amd64" : process.arch;
export const ANVIL: string = join(
  ROOT,
  `node_modules/@foundry-rs/anvil-${process.platform}-${MACHINE}/bin/anvil`,
);

export interface Contestant {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly stop: () => void;
}

/** Starts a server and waits for the line that names its address. */
export async function startServer(name: string, command: readonly string[]): Promise<Contestant> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  let text = "";
  let at: string | undefined;
  while (at === undefined) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`${name} ended: ${text}`);
    text += new TextDecoder().decode(value);
    at = /Listening on (\S+:\d+)/.exec(text)?.[1];
  }
  void (async () => {
    while (!(await reader.read()).done);
  })();
  // Whatever ends this process ends the servers too.
  process.on("exit", () => child.kill());
  return { name, url: `http://${at}`, pid: child.pid, stop: () => child.kill() };
}
