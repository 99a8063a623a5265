// Participants of a key ceremony as folders on this machine: keys, genesis and configuration, ready for kora dkg.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bls, openBls } from "#crypto/bls.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { decodeOutput, decodeShareFile, type KeyOutput } from "#crypto/keyfiles.ts";
import { createThresholdScheme } from "#crypto/threshold.ts";
import { utf8 } from "#lib/bytes.ts";
import type { IdentityKey } from "#types/identity.ts";
import { type RunningKora, startKora } from "../support/kora.ts";

export interface Participant {
  readonly folder: string;
  readonly key: IdentityKey;
  readonly config: string;
  readonly share: string;
  readonly output: string;
}

/** Below the ports that systems give to outgoing connections: nobody takes one while its node is down. */
const PORTS = { from: 12_000, to: 32_000 } as const;

/** A port that was free a moment ago. */
function freePort(): number {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => {} } }).stop(true);
      return port;
    } catch {
      // Taken: another one.
    }
  }
}

/** Text of node.toml; `extra` goes into [consensus]. */
function configText(
  own: number,
  keys: readonly IdentityKey[],
  ports: readonly number[],
  extra: string,
): string {
  const peers = keys.flatMap((key, i) => (i === own ? [] : [`"${key.slice(2)}@127.0.0.1:${ports[i]}"`]));
  return [
    "[node]",
    "chain_id = 1337",
    'genesis = "genesis.json"',
    'data_dir = "data"',
    "[consensus]",
    'validator_key = "validator.key"',
    `participants = [${keys.map((key) => `"${key.slice(2)}"`).join(", ")}]`,
    extra,
    "[network]",
    `listen_addr = "127.0.0.1:${ports[own]}"`,
    `bootstrap_peers = [${peers.join(", ")}]`,
    "",
  ].join("\n");
}

/** `count` participants under `root`; the order of the list is the order of their keys. */
export function makeParticipants(root: string, count: number, extra = ""): Participant[] {
  const seeds = Array.from({ length: count }, () => crypto.getRandomValues(new Uint8Array(32)));
  const made = seeds.map((seed) => ({ seed, key: identityFromSeed(seed).publicKey }));
  made.sort((a, b) => (a.key < b.key ? -1 : 1));
  const keys = made.map(({ key }) => key);
  const ports = made.map(freePort);
  return made.map(({ seed, key }, i) => {
    const folder = join(root, `node${i}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "validator.key"), `${seed.toHex()}\n`, { mode: 0o600 });
    writeFileSync(
      join(folder, "genesis.json"),
      JSON.stringify({ chain_id: 1337, timestamp: 0, allocations: [] }),
    );
    const config = join(folder, "node.toml");
    writeFileSync(config, configText(i, keys, ports, extra));
    return { folder, key, config, share: join(folder, "share.key"), output: join(folder, "output.json") };
  });
}

/** Starts kora dkg for one participant. */
export function startDkg(participant: Participant, ...flags: readonly string[]): Promise<RunningKora> {
  return startKora(["dkg", "--config", participant.config, ...flags]);
}

/** output.json as it stands on the disk. */
export function readOutput({ output }: Participant): KeyOutput {
  return decodeOutput(output, readFileSync(output, "utf8"));
}

/** Whether the files of these participants, exactly a quorum, sign together for one key. */
export async function signTogether(quorum: readonly Participant[]): Promise<boolean> {
  const bls: Bls = await openBls();
  const message = utf8("a message");
  const schemes = quorum.map((participant) => {
    const { share } = decodeShareFile(participant.share, readFileSync(participant.share, "utf8"));
    return createThresholdScheme(bls, readOutput(participant).key, share);
  });
  const partials = schemes.map((scheme) => ({
    index: scheme.index as number,
    signatures: [scheme.signPartial(message)],
  }));
  return schemes[0]?.recover([message], partials).kind === "recovered";
}
