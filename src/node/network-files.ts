// The files of a network's nodes: identities, one genesis, and a configuration each that names all the others. Makes
// folders that are not there; starts nothing and deals no shares.
import { mkdirSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { formatSocketAddress } from "#config/kind.ts";
import { generateSeed, identityFromSeed } from "#crypto/identity.ts";
import { encodeSeed } from "#crypto/keyfiles.ts";
import { utf8 } from "#lib/bytes.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import type { IdentityKey } from "#types/identity.ts";
import devnet from "../../genesis/devnet.json";
import { PUBLIC_MODE, SECRET_MODE, writeWhole } from "./secret-files.ts";

/** Where one node of the network is, and what it listens on. */
export interface NodePlace {
  /** Folder of its files. */
  readonly folder: string;
  readonly identity: IdentityKey;
  /** Host that the others dial. */
  readonly host: string;
  readonly p2pPort: number;
  readonly rpcPort: number;
  readonly metricsPort: number;
}

export interface NetworkSettings {
  readonly chainId: number;
  /** Nodes listen for their peers on all addresses of their machine; else only where the others dial them. */
  readonly anywhere: boolean;
  /** Seconds. */
  readonly blockTime: number | undefined;
  /** Gas limit of the first block, which the nodes keep to; undefined: the default. */
  readonly gasLimit: number | undefined;
}

/** The name of a node's folder. */
export function nodeFolder(root: string, index: number): string {
  return join(root, `node${index}`);
}

/** Makes a folder and those above it. Throws FILE_NOT_WRITTEN. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new KoraError(`${path} cannot be made`, {
      code: "FILE_NOT_WRITTEN",
      why: messageOf(cause),
      hint: "give a folder that this user may write to",
      cause,
    });
  }
}

/** Writes a new identity into `folder` and answers its public key. */
export function writeIdentity(folder: string): IdentityKey {
  const seed = generateSeed();
  writeWhole(join(folder, "validator.key"), utf8(encodeSeed(seed)), SECRET_MODE);
  const { publicKey } = identityFromSeed(seed);
  seed.fill(0);
  return publicKey;
}

/** The genesis of a new network: forks active, system contracts in place, the public test accounts funded. */
function genesisText({ chainId, gasLimit }: NetworkSettings): string {
  const limit = gasLimit === undefined ? {} : { gasLimit: `0x${gasLimit.toString(16)}` };
  const genesis = { ...devnet, ...limit, config: { ...devnet.config, chainId } };
  return `${JSON.stringify(genesis, null, 2)}\n`;
}

const quoted = (texts: readonly string[]): string =>
  texts.length === 0 ? "[]" : `[\n${texts.map((text) => `  ${JSON.stringify(text)},`).join("\n")}\n]`;

/** The configuration of one of `places`. */
export function nodeToml(place: NodePlace, places: readonly NodePlace[], settings: NetworkSettings): string {
  const others = places.filter(({ identity }) => identity !== place.identity);
  const peers = others.map(
    ({ identity, host, p2pPort }) => `${identity.slice(2)}@${formatSocketAddress({ host, port: p2pPort })}`,
  );
  const participants = places.map(({ identity }) => identity.slice(2)).sort();
  const pace = settings.blockTime === undefined ? [] : [`block_time = ${settings.blockTime}`];
  const gas = settings.gasLimit === undefined ? [] : [`gas_limit = ${settings.gasLimit}`];
  const { host, p2pPort: port } = place;
  const everywhere = isIP(host) === 6 ? "::" : "0.0.0.0";
  // Only an address of its own can be passed on to followers.
  const named = settings.anywhere && isIP(host) !== 0;
  const dialable = named ? [`dialable_addr = ${JSON.stringify(formatSocketAddress({ host, port }))}`] : [];
  return [
    "[node]",
    `chain_id = ${settings.chainId}`,
    'data_dir = "data"',
    'genesis = "genesis.json"',
    "",
    "[consensus]",
    'validator_key = "validator.key"',
    `participants = ${quoted(participants)}`,
    "",
    "[network]",
    `listen_addr = ${JSON.stringify(formatSocketAddress({ host: settings.anywhere ? everywhere : host, port }))}`,
    ...dialable,
    `bootstrap_peers = ${quoted(peers)}`,
    "",
    "[execution]",
    ...pace,
    ...gas,
    "",
    "[rpc]",
    `http_addr = "127.0.0.1:${place.rpcPort}"`,
    "",
    "[metrics]",
    `addr = "127.0.0.1:${place.metricsPort}"`,
    "",
  ].join("\n");
}

/** Writes every node's configuration and the genesis they share. */
export function writeNetwork(places: readonly NodePlace[], settings: NetworkSettings): void {
  const genesis = utf8(genesisText(settings));
  for (const place of places) {
    writeWhole(join(place.folder, "genesis.json"), genesis, PUBLIC_MODE);
    writeWhole(join(place.folder, "node.toml"), utf8(nodeToml(place, places, settings)), PUBLIC_MODE);
  }
}
