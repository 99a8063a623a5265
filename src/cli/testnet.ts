// kora testnet: the files of a network, written and not started.
import { existsSync } from "node:fs";
import { MAX_CHAIN_ID } from "#config/schema.ts";
import { openBls } from "#crypto/bls.ts";
import { KoraError } from "#lib/error.ts";
import { dealShares } from "#node/ceremony/deal.ts";
import { makeFolder, type NodePlace, nodeFolder, writeIdentity, writeNetwork } from "#node/network-files.ts";
import { MAX_PARTICIPANTS } from "#types/limits.ts";
import { hasFlag, integerFlag, numberFlag, textFlag, usageError } from "./args.ts";
import type { Args, CommandContext, CommandRun } from "./command.ts";
import { DEALER_WARNING } from "./dkg-deal.ts";

const DEFAULT_VALIDATORS = 4;
const DEFAULT_CHAIN_ID = 1337;
/** The least that a block may have (Ethereum's rule), and what a configuration can say. */
const GAS_LIMITS = { min: 5_000, max: Number.MAX_SAFE_INTEGER };
const PORTS = { p2p: 30_303, rpc: 8_545, metrics: 9_000 };

/** A port of node `index`: every node the same where each has a host of its own, else one after the other. */
function portOf(args: Args, name: keyof typeof PORTS, index: number, own: boolean): number {
  const first = integerFlag(args, `${name}-port`, { min: 1, max: 65_535 - MAX_PARTICIPANTS }) ?? PORTS[name];
  return own ? first : first + index;
}

function hostsOf(args: Args, count: number | undefined): readonly string[] | undefined {
  const text = textFlag(args, "hosts");
  if (text === undefined) return undefined;
  const hosts = text.split(",").map((host) => host.trim());
  const wrong = hosts.includes("") || hosts.length > MAX_PARTICIPANTS;
  if (wrong || (count !== undefined && hosts.length !== count)) {
    throw usageError(
      `--hosts names ${hosts.length} hosts`,
      count === undefined ? "one has no name, or they are too many" : `there are ${count} validators`,
      "give one host name or address for each, with commas between",
    );
  }
  return hosts;
}

function outOf(args: Args): string {
  const out = textFlag(args, "out");
  if (out === undefined) {
    throw usageError("--out is missing", "the files have to go somewhere", "kora testnet --out network");
  }
  if (existsSync(out)) {
    throw new KoraError(`${out} is there already`, {
      code: "FOLDER_KEPT",
      kind: "safety",
      why: "keys that were made before are never overwritten",
      hint: "give another --out, or move that folder away",
    });
  }
  return out;
}

function describe(places: readonly NodePlace[], out: string, dealt: boolean): string {
  const lines = places.map(({ folder, identity }) => `${folder}  ${identity.slice(2)}`);
  const first = `${out}/node0/node.toml`;
  const next = dealt
    ? `next: kora --config ${first}, and so for each node`
    : `next: kora dkg --config ${first} on every node at once, then kora --config ${first}`;
  return [...lines, next].join("\n");
}

/** `kora testnet`. */
export const testnet: CommandRun = async ({ args, out: print, err }: CommandContext) => {
  const wanted = integerFlag(args, "validators", { min: 1, max: MAX_PARTICIPANTS });
  const chainId = integerFlag(args, "chain-id", { min: 1, max: MAX_CHAIN_ID }) ?? DEFAULT_CHAIN_ID;
  const blockTime = numberFlag(args, "block-time", { min: 0.001, max: 86_400 });
  const gasLimit = integerFlag(args, "gas-limit", GAS_LIMITS);
  const hosts = hostsOf(args, wanted);
  const count = wanted ?? hosts?.length ?? DEFAULT_VALIDATORS;
  const out = outOf(args);
  const own = hosts !== undefined;
  const places = Array.from({ length: count }, (_, index): NodePlace => {
    const folder = nodeFolder(out, index);
    makeFolder(folder);
    return {
      folder,
      identity: writeIdentity(folder),
      host: hosts?.[index] ?? "127.0.0.1",
      p2pPort: portOf(args, "p2p", index, own),
      rpcPort: portOf(args, "rpc", index, own),
      metricsPort: portOf(args, "metrics", index, own),
    };
  });
  writeNetwork(places, { chainId, anywhere: own, blockTime, gasLimit });
  const dealt = hasFlag(args, "trusted-dealer");
  if (dealt) {
    err(DEALER_WARNING);
    dealShares(
      await openBls(),
      places.map(({ folder, identity }) => ({ path: folder, participant: identity })),
    );
  }
  print(hasFlag(args, "json") ? JSON.stringify(places) : describe(places, out, dealt));
  return 0;
};
