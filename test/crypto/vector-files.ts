// Reading the published vectors of the cryptography tests.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { reportSkipped, vectorsDir } from "../support/vectors.ts";

const dir = vectorsDir();
if (dir === undefined) reportSkipped("cryptography", 6_600);

/** Whether the vectors are here; tests that need them skip otherwise. */
export const haveVectors: boolean = dir !== undefined;

/** A JSON file below crypto/. */
export function readVectors<T>(path: string): T {
  return JSON.parse(readText(path)) as T;
}

/** A text file below crypto/. */
export function readText(path: string): string {
  return readFileSync(join(dir ?? "", "crypto", path), "utf8");
}

/** Every JSON file of a folder below crypto/, with its name. */
export function readFolder<T>(path: string): { readonly name: string; readonly content: T }[] {
  return readdirSync(join(dir ?? "", "crypto", path))
    .sort()
    .map((name) => ({ name, content: readVectors<T>(join(path, name)) }));
}

/** Bytes of hex with or without 0x. */
export function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replace(/^0x/, ""));
}

export interface WycheproofFile<Group, Case> {
  readonly testGroups: readonly (Group & { readonly tests: readonly (Case & WycheproofCase)[] })[];
}
export interface WycheproofCase {
  readonly tcId: number;
  readonly comment: string;
  readonly result: "valid" | "invalid" | "acceptable";
  readonly flags?: readonly string[];
}
