// The files of a node that follows a committee's chain: all it needs is the genesis, the group's key and an address.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface FollowerFiles {
  /** Made if it is not there. */
  readonly folder: string;
  /** What the genesis file holds. */
  readonly genesis: string;
  /** Hex. */
  readonly groupPublicKey: string;
  /** Port for peers; 0 for a free one. */
  readonly port: number;
  /** As host:port, with or without key. */
  readonly peers: readonly string[];
}

/** Writes them; answers the path of the configuration. */
export function writeFollower({ folder, genesis, groupPublicKey, port, peers }: FollowerFiles): string {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "node.toml");
  writeFileSync(join(folder, "genesis.json"), genesis);
  writeFileSync(
    config,
    [
      '[node]\ndata_dir = "data"\ngenesis = "genesis.json"',
      `[consensus]\ngroup_public_key = "${groupPublicKey}"`,
      `[network]\nlisten_addr = "127.0.0.1:${port}"\nbootstrap_peers = ${JSON.stringify(peers)}`,
      '[rpc]\nhttp_addr = "127.0.0.1:0"',
      '[metrics]\naddr = "127.0.0.1:0"\n',
    ].join("\n"),
  );
  return config;
}
