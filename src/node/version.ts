// What this executable was built from: said by `kora version`, by metrics and by web3_clientVersion.
import manifest from "../../package.json" with { type: "json" };

/** Set by the build; absent when the source runs uncompiled. */
declare const KORA_COMMIT: string | undefined;

export interface BuildInfo {
  readonly name: string;
  readonly version: string;
  readonly commit: string;
  readonly bun: string;
  /** Such as linux-x64. */
  readonly platform: string;
}

export const buildInfo: BuildInfo = {
  name: "kora",
  version: manifest.version,
  commit: typeof KORA_COMMIT === "string" ? KORA_COMMIT : "source",
  bun: Bun.version,
  platform: `${process.platform}-${process.arch}`,
};

/** `kora/v0.1.0/linux-x64/bun1.2.3`: how the node names itself to clients and peers. */
export const clientVersion: string = `kora/v${buildInfo.version}/${buildInfo.platform}/bun${buildInfo.bun}`;
