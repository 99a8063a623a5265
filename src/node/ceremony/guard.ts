// How far this node's word binds it: a small file beside ceremony.db, written after the records and before anything of
// them leaves. Records that fall short of it are a restored backup: going on would say other things in the same round.
import { existsSync } from "node:fs";
import { utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { readPublicFile, SECRET_MODE, writeWhole } from "#node/secret-files.ts";
import { type Hash, hash } from "#types/ids.ts";

/** Chains whose rounds are remembered; one key does not serve more. */
const MAX_CHAINS = 256;

export interface CeremonyGuard {
  /** Number of the newest record this node has spoken from; 0 before any. */
  readonly sequence: number;
  /** The newest round begun on `chain`; 0 if none was. */
  lastRound(chain: Hash): number;
  /** Remembers a record and its round. Durable when it returns; never goes back. */
  advance(sequence: number, chain: Hash, round: number): void;
}

function unusable(path: string): KoraError {
  return new KoraError(`${path} cannot be used`, {
    code: "CEREMONY_FILE_UNUSABLE",
    kind: "safety",
    why: "it does not say how far this node's key ceremonies went",
    hint: "restore it with ceremony.db from the newest backup, or make a new identity with kora keys generate",
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function read(path: string): { readonly sequence: number; readonly rounds: Map<Hash, number> } {
  if (!existsSync(path)) return { sequence: 0, rounds: new Map() };
  try {
    const content: unknown = JSON.parse(new TextDecoder().decode(readPublicFile(path)));
    const { sequence, rounds } = content as { sequence: unknown; rounds: Record<string, unknown> };
    const entries = Object.entries(rounds).map(([chain, round]) => {
      if (!isCount(round)) throw unusable(path);
      return [hash(chain), round] as const;
    });
    if (!isCount(sequence) || entries.length > MAX_CHAINS) throw unusable(path);
    return { sequence, rounds: new Map(entries) };
  } catch {
    throw unusable(path);
  }
}

/** Opens the guard at `path`, made with its first entry. Throws CEREMONY_FILE_UNUSABLE, a refusal. */
export function openCeremonyGuard(path: string): CeremonyGuard {
  const { sequence: start, rounds } = read(path);
  let sequence = start;
  return {
    get sequence() {
      return sequence;
    },
    lastRound: (chain) => rounds.get(chain) ?? 0,
    advance(to, chain, round) {
      sequence = Math.max(sequence, to);
      rounds.set(chain, Math.max(round, rounds.get(chain) ?? 0));
      const content = { sequence, rounds: Object.fromEntries(rounds) };
      writeWhole(path, utf8(`${JSON.stringify(content)}\n`), SECRET_MODE);
    },
  };
}
