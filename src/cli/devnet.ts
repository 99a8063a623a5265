// kora devnet: a network of validators on this machine, each a process of this same program. Makes what is missing
// (keys, the ceremony), starts the nodes, shows them, and stops them all.
import { join } from "node:path";
import { MAX_CHAIN_ID } from "#config/schema.ts";
import { openBls } from "#crypto/bls.ts";
import { KoraError, kindOfExit } from "#lib/error.ts";
import { dealShares } from "#node/ceremony/deal.ts";
import type { NodePlace } from "#node/network-files.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { hasFlag, integerFlag, numberFlag, textFlag } from "./args.ts";
import type { Args, CommandContext, CommandRun } from "./command.ts";
import { type DevnetFolder, type DevnetSettings, openFolder, wipe } from "./devnet/folder.ts";
import { type Child, startChild } from "./devnet/process.ts";
import { DEALER_WARNING } from "./dkg-deal.ts";
import { lookAt, statusTable } from "./status.ts";

const DEFAULTS = {
  dir: "kora-devnet",
  validators: 4,
  chainId: 1337,
  blockTime: 1,
  rpcPort: 8_545,
  p2pPort: 30_303,
  metricsPort: 9_000,
};
const MAX_PORT: number = 65_535 - MAX_PARTICIPANTS;
/** How often the live table is drawn. */
const REDRAW_MS = 500;
/** How long a ceremony on this machine may take. */
const CEREMONY_SECONDS = 120;

function settingsOf(args: Args): DevnetSettings {
  const port = { min: 0, max: MAX_PORT };
  return {
    dir: textFlag(args, "dir") ?? DEFAULTS.dir,
    validators: integerFlag(args, "validators", { min: 1, max: MAX_PARTICIPANTS }) ?? DEFAULTS.validators,
    chainId: integerFlag(args, "chain-id", { min: 1, max: MAX_CHAIN_ID }) ?? DEFAULTS.chainId,
    blockTime: numberFlag(args, "block-time", { min: 0.001, max: 3_600 }) ?? DEFAULTS.blockTime,
    rpcPort: integerFlag(args, "rpc-port", port) ?? DEFAULTS.rpcPort,
    p2pPort: integerFlag(args, "p2p-port", port) ?? DEFAULTS.p2pPort,
    metricsPort: integerFlag(args, "metrics-port", port) ?? DEFAULTS.metricsPort,
  };
}

type Say = (node: number | undefined, text: string) => void;

/** Last lines of a node that are kept for when it fails: its error is three, and the code. */
const TAIL = 4;

/** The first two of an error's three lines. */
const ERROR = /^error: (.*)\n {2}why: (.*)$/m;

/** The last words of each node: what the live table cannot show as it comes, and why one did not start. */
interface Tails {
  readonly say: Say;
  /** Lines of the nodes that have failed. */
  failures(): readonly string[];
  failed(node: number): void;
  /** What the node's own error said was wrong, and why; undefined where it told none. */
  errorOf(node: number): string | undefined;
}

function createTails(): Tails {
  const tails = new Map<number, string[]>();
  const failed = new Set<number>();
  return {
    say(node, text) {
      if (node !== undefined) tails.set(node, [...(tails.get(node) ?? []), text].slice(-TAIL));
    },
    failed: (node) => void failed.add(node),
    errorOf: (node) =>
      ERROR.exec(tails.get(node)?.join("\n") ?? "")
        ?.slice(1)
        .join(": "),
    failures: () =>
      [...failed].flatMap((node) => (tails.get(node) ?? []).map((text) => `node${node} | ${text}`)),
  };
}

/** Every node takes part in the key ceremony, each in its own process, over the network. */
async function holdCeremony(places: readonly NodePlace[], say: Say, signal: AbortSignal): Promise<void> {
  const children = places.map(({ folder }, index) =>
    startChild(["dkg", "--config", join(folder, "node.toml"), "--timeout", String(CEREMONY_SECONDS)], {
      line: (text) => say(index, text),
      exited: () => {},
    }),
  );
  const stop = (): void => void Promise.all(children.map((child) => child.stop()));
  signal.addEventListener("abort", stop, { once: true });
  const codes = await Promise.all(children.map(({ exited }) => exited));
  signal.removeEventListener("abort", stop);
  if (signal.aborted || codes.every((code) => code === 0)) return;
  throw new KoraError("the key ceremony failed", {
    code: "CEREMONY_FAILED",
    why: `its processes ended with the codes ${codes.join(", ")}`,
    hint: "the lines above tell why; --fresh starts over",
  });
}

async function ensureShares(folder: DevnetFolder, context: CommandContext, say: Say): Promise<void> {
  const { places, dealt } = folder;
  if (dealt) return;
  if (!hasFlag(context.args, "trusted-dealer")) {
    say(undefined, `key ceremony of ${places.length} validators`);
    await holdCeremony(places, say, context.signal);
    return;
  }
  context.err(DEALER_WARNING);
  dealShares(
    await openBls(),
    places.map(({ folder: path, identity }) => ({ path, participant: identity })),
  );
}

const LISTENING = /^Listening on (\S+)$/;

interface Hooks {
  readonly say: Say;
  readonly ready: (node: number, address: string) => void;
  /** It ended with a failure and this exit code; `atStart`: before it was ready. */
  readonly failed: (node: number, code: number, atStart: boolean) => void;
}

interface Running {
  readonly children: readonly Child[];
  /** RPC addresses by node; empty until it listens. */
  readonly addresses: string[];
  /** Resolves when every process has ended, with the number of those that failed. */
  readonly ended: Promise<number>;
}

function startNodes(places: readonly NodePlace[], { say, ready, failed }: Hooks): Running {
  const addresses = places.map(() => "");
  const started = new Set<number>();
  const children = places.map(({ folder }, index) =>
    startChild(["--config", join(folder, "node.toml"), "--log-format", "human"], {
      line(text) {
        const address = LISTENING.exec(text)?.[1];
        if (address === undefined) {
          say(index, text);
          return;
        }
        addresses[index] = address;
        started.add(index);
        ready(index, address);
      },
      exited(code) {
        addresses[index] = "";
        say(index, `ended with code ${code}`);
        if (code !== 0) failed(index, code, !started.has(index));
      },
    }),
  );
  const ended = Promise.all(children.map(({ exited }) => exited)).then(
    (codes) => codes.filter((code) => code !== 0).length,
  );
  return { children, addresses, ended };
}

/** Draws the live table until `signal` aborts. */
async function showTable(
  { addresses }: Running,
  { terminal }: CommandContext,
  tails: Tails,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const listening = addresses.filter((address) => address !== "");
    const nodes = await Promise.all(listening.map((address) => lookAt(address, signal)));
    const lines = [statusTable(nodes), "", ...tails.failures(), "Ctrl-C stops all"];
    if (!signal.aborted) terminal.write(`\u001b[H\u001b[2J${lines.join("\n")}\n`);
    await Bun.sleep(REDRAW_MS);
  }
}

/** `kora devnet`. Prints `Listening on` for each node, and runs until it is told to stop. */
export const devnet: CommandRun = async (context) => {
  const { args, out, terminal, signal } = context;
  const settings = settingsOf(args);
  if (hasFlag(args, "fresh")) wipe(settings.dir);
  const live = terminal.interactive;
  const tell: Say = (node, text) => out(node === undefined ? text : `node${node} | ${text}`);
  const folder = openFolder(settings);
  await ensureShares(folder, context, tell);
  if (signal.aborted) return 0;
  const tails = createTails();
  const say: Say = (node, text) => {
    tails.say(node, text);
    if (!live) tell(node, text);
  };
  let unstarted: { readonly node: number; readonly code: number } | undefined;
  const running = startNodes(folder.places, {
    say,
    failed(node, code, atStart) {
      tails.failed(node);
      // A network that is not whole at its start is a mistake; later, the others show what they do without it.
      if (!atStart || unstarted !== undefined) return;
      unstarted = { node, code };
      stop();
    },
    ready(node, address) {
      say(node, "ready");
      out(`Listening on ${address}`);
    },
  });
  const stopped = new AbortController();
  const stop = (): void => {
    stopped.abort();
    void Promise.all(running.children.map((child) => child.stop()));
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  if (live) void showTable(running, context, tails, stopped.signal);
  const failed = await running.ended;
  stopped.abort();
  if (signal.aborted) return 0;
  if (unstarted !== undefined) {
    throw new KoraError(`node${unstarted.node} did not start`, {
      code: "NODE_NOT_STARTED",
      kind: kindOfExit(unstarted.code),
      why: tails.errorOf(unstarted.node) ?? "it ended before it was ready",
      hint: "where a port is taken: --rpc-port, --p2p-port, --metrics-port choose others, and 0 takes free ones",
    });
  }
  if (failed === 0) return 0;
  throw new KoraError(`${failed} of ${settings.validators} nodes failed`, {
    code: "NODES_FAILED",
    why: "every node has ended, and not because it was asked to",
    hint: `start one by itself: kora --config ${join(settings.dir, "node0", "node.toml")}`,
  });
};
