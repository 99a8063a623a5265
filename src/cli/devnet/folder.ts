// The folder of a local network: made once, its keys kept, its configurations written anew at every start.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { identityFromSeed } from "#crypto/identity.ts";
import { decodeSeed } from "#crypto/keyfiles.ts";
import { utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { makeFolder, type NodePlace, nodeFolder, writeIdentity, writeNetwork } from "#node/network-files.ts";
import { PUBLIC_MODE, readSecretFile, writeWhole } from "#node/secret-files.ts";

const MARK = "devnet.json";
/** What is written there: JSON of this one form. */
const MARK_TEXT = /^\{"validators":(\d{1,4}),"chainId":(\d{1,16})\}\n$/;

export interface DevnetSettings {
  readonly dir: string;
  readonly validators: number;
  readonly chainId: number;
  /** Seconds. */
  readonly blockTime: number;
  /** Ports of the first node; node i adds i. 0 takes free ones. */
  readonly rpcPort: number;
  readonly p2pPort: number;
  readonly metricsPort: number;
}

export interface DevnetFolder {
  readonly places: readonly NodePlace[];
  /** Every node has its share. */
  readonly dealt: boolean;
}

function refuse(message: string, why: string, hint: string): KoraError {
  return new KoraError(message, { code: "FOLDER_KEPT", kind: "safety", why, hint });
}

/** What a folder was made for; undefined for one that is not there. Throws for a folder of something else. */
function readMark(dir: string): { readonly validators: number; readonly chainId: number } | undefined {
  if (!existsSync(dir)) return undefined;
  const path = join(dir, MARK);
  if (!existsSync(path)) {
    throw refuse(`${dir} is not the folder of a local network`, `it has no ${MARK}`, "give another --dir");
  }
  const mark = MARK_TEXT.exec(readFileSync(path, "utf8"));
  if (mark === null) {
    throw refuse(
      `${path} is not as it was written`,
      "somebody has changed it",
      `remove ${dir}, or give another --dir`,
    );
  }
  return { validators: Number(mark[1]), chainId: Number(mark[2]) };
}

/** Removes a local network's folder, and nothing that is not one. */
export function wipe(dir: string): void {
  if (readMark(dir) !== undefined) rmSync(dir, { recursive: true });
}

/** A port that nobody listens on now. */
function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

function identityOf(folder: string): NodePlace["identity"] {
  const path = join(folder, "validator.key");
  if (!existsSync(path)) return writeIdentity(folder);
  const seed = decodeSeed(path, new TextDecoder().decode(readSecretFile(path)));
  const { publicKey } = identityFromSeed(seed);
  seed.fill(0);
  return publicKey;
}

/** Makes the folder or takes up an earlier one. Throws FOLDER_KEPT when that was made with other settings. */
export function openFolder(settings: DevnetSettings): DevnetFolder {
  const { dir, validators, chainId } = settings;
  const mark = readMark(dir);
  if (mark !== undefined && (mark.validators !== validators || mark.chainId !== chainId)) {
    throw refuse(
      `${dir} holds another network`,
      `it was made with ${mark.validators} validators and chain id ${mark.chainId}`,
      "start it with the same settings, or wipe it with --fresh",
    );
  }
  makeFolder(dir);
  writeWhole(join(dir, MARK), utf8(`${JSON.stringify({ validators, chainId })}\n`), PUBLIC_MODE);
  const portOf = (first: number, index: number): number => (first === 0 ? 0 : first + index);
  const places = Array.from({ length: validators }, (_, index): NodePlace => {
    const folder = nodeFolder(dir, index);
    makeFolder(folder);
    return {
      folder,
      identity: identityOf(folder),
      host: "127.0.0.1",
      p2pPort: portOf(settings.p2pPort, index) || freePort(),
      rpcPort: portOf(settings.rpcPort, index),
      metricsPort: portOf(settings.metricsPort, index),
    };
  });
  writeNetwork(places, { chainId, anywhere: false, blockTime: settings.blockTime, gasLimit: undefined });
  const dealt = places.every(({ folder }) => existsSync(join(folder, "output.json")));
  return { places, dealt };
}
