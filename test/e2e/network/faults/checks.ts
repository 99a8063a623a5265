// What must hold after every round: one chain with the same roots, nothing acknowledged lost, nobody signed twice as far
// as the journals and whoever heard it can tell, and blocks again soon. Every check throws what it found.
import { Database } from "bun:sqlite";
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { quorumOf } from "#types/quorum.ts";
import { decodeVote, type Vote } from "#types/vote.ts";
import { until } from "../../../support/kora.ts";
import { askEach, checkSameChain, heightOf, processOf, type TestNode } from "../../../support/network.ts";
import type { Acknowledged } from "../../../support/transfers.ts";
import type { Bench } from "./bench.ts";

/** Every honest node has to be with the others again within this time. */
const CATCH_UP_MS = 60_000;
/** What was acknowledged before a round's end has to be final within this time. */
const INCLUSION_MS = 30_000;

type Said = Pick<Vote, "signer" | "view" | "kind" | "parentView" | "payload">;

/** Views in which a signer misbehaved: its word there proves nothing against it. */
interface Excuse {
  readonly from: number;
  readonly to: number;
}

export interface Checks {
  /** Reads what a node's journal holds, before it is lost or when a round ends. */
  readJournal(node: TestNode): void;
  /** `signer` misbehaves in these views. */
  excuse(signer: number, views: Excuse): void;
  /** All of it; answers the milliseconds until a quorum had a new block. */
  afterRound(): Promise<number>;
  readonly height: () => number;
  readonly acknowledged: () => number;
  /** Votes looked at: from journals, and as others heard them. */
  readonly votes: () => { readonly journalled: number; readonly heard: number };
}

/** Milliseconds until a quorum of nodes has a block that nobody had when the network was whole again. */
async function recovery({ nodes }: Bench, withinMs: number): Promise<number> {
  const healed = performance.now();
  const highest = Math.max(...(await Promise.all(nodes.map(heightOf))));
  const needed = quorumOf(nodes.length);
  await until(
    `a quorum passes height ${highest} within ${withinMs} ms`,
    async () => {
      const heights = await Promise.all(nodes.map(heightOf));
      return heights.filter((height) => height > highest).length >= needed;
    },
    withinMs,
  );
  const took = performance.now() - healed;
  for (const node of nodes) {
    const passed = async (): Promise<boolean> => (await heightOf(node)) > highest;
    await until(`node${node.index} passes height ${highest}`, passed, CATCH_UP_MS);
  }
  return took;
}

/** Opens a node's consensus.db beside the node. */
function inJournal<T>(node: TestNode, read: (database: Database) => T): T | undefined {
  const path = join(node.folder, "data", "consensus.db");
  if (!existsSync(path)) return undefined;
  const database = new Database(path);
  try {
    database.run("PRAGMA query_only = ON");
    database.run("PRAGMA busy_timeout = 5000");
    return read(database);
  } finally {
    database.close();
  }
}

/** Votes by signer, view and kind. */
class VoteRecord {
  readonly #said = new Map<string, string>();
  readonly #excuses = new Map<number, Excuse[]>();
  count = 0;

  excuse(signer: number, views: Excuse): void {
    this.#excuses.set(signer, [...(this.#excuses.get(signer) ?? []), views]);
  }

  isExcused({ signer, view }: Pick<Said, "signer" | "view">): boolean {
    return (this.#excuses.get(signer) ?? []).some(({ from, to }) => view >= from && view <= to);
  }

  has({ signer, view, kind }: Said): boolean {
    return this.#said.has(`${signer} ${view} ${kind}`);
  }

  /** Takes a vote; throws for one that excludes an earlier one. */
  add(vote: Said, where: string): void {
    if (this.isExcused(vote)) return;
    const { signer, view, kind, parentView, payload } = vote;
    const text = `${parentView} ${payload}`;
    const before = this.#said.get(`${signer} ${view} ${kind}`);
    if (before !== undefined && before !== text) {
      throw new Error(`signer ${signer} signed two ${kind} in view ${view}: ${before}; ${text} (${where})`);
    }
    const excluded = kind === "finalize" ? "nullify" : kind === "nullify" ? "finalize" : undefined;
    if (excluded !== undefined && this.#said.has(`${signer} ${view} ${excluded}`)) {
      throw new Error(`signer ${signer} signed nullify and finalize in view ${view} (${where})`);
    }
    if (before === undefined) this.count++;
    this.#said.set(`${signer} ${view} ${kind}`, text);
  }
}

/** Lines that were added to a file since the last call. */
function newLines(path: string): () => string[] {
  let at = 0;
  let rest = "";
  return () => {
    if (!existsSync(path)) return [];
    const file = openSync(path, "r");
    try {
      const bytes = new Uint8Array(fstatSync(file).size - at);
      at += readSync(file, bytes, 0, bytes.length, at);
      const lines = (rest + new TextDecoder().decode(bytes)).split("\n");
      rest = lines.pop() ?? "";
      return lines;
    } finally {
      closeSync(file);
    }
  };
}

function parseHeard(line: string): Said {
  const [signer, view, kind, parentView, payload] = line.split(" ");
  return {
    signer: Number(signer),
    view: Number(view),
    kind: kind as Vote["kind"],
    parentView: Number(parentView),
    payload: payload as Vote["payload"],
  };
}

/** Receipts that were answered stay, on every node; hashes that were answered become final. */
async function checkAcknowledged({ nodes, transfers }: Bench, from: number): Promise<number> {
  const waiting = transfers.outstanding();
  await until(
    `${waiting.length} transactions whose hashes were answered become final`,
    () => {
      const left = new Set(transfers.outstanding().map(({ hash }) => hash));
      return !waiting.some(({ hash }) => left.has(hash));
    },
    INCLUSION_MS,
  );
  const fresh = transfers.acknowledged.slice(from);
  await Promise.all(nodes.map((node) => checkReceipts(node, fresh)));
  return from + fresh.length;
}

async function checkReceipts(node: TestNode, expected: readonly Acknowledged[]): Promise<void> {
  const hashes = expected.map(({ hash }) => [hash]);
  const receipts = await until(`${hashes.length} receipts on node${node.index}`, async () => {
    const method = "eth_getTransactionReceipt";
    const found = await askEach<{ blockHash: string } | null>(processOf(node), method, hashes);
    return found.every((receipt) => receipt !== null) && found;
  });
  for (const [at, { hash, blockHash }] of expected.entries()) {
    const found = receipts[at]?.blockHash;
    if (found === blockHash) continue;
    throw new Error(`${hash} was acknowledged in ${blockHash}, node${node.index}: ${found}`);
  }
}

/** The checks of one campaign; each looks only at what is new since the last round. */
export function createChecks(bench: Bench, withinMs: number): Checks {
  const record = new VoteRecord();
  const heardSince = newLines(bench.tap);
  let height = 0;
  let acknowledged = 0;
  let heard = 0;

  /** Answers the lowest view of which the journal still holds votes, and who signs them. */
  function readJournal(node: TestNode): { signer: number; lowest: number } | undefined {
    const votes = inJournal(node, (database) => {
      const rows = database.query("SELECT vote FROM votes ORDER BY view").all() as { vote: Uint8Array }[];
      return rows.map(({ vote }) => decodeVote(vote));
    });
    for (const vote of votes ?? []) record.add(vote, `journal of node${node.index}`);
    const first = votes?.[0];
    return first && { signer: first.signer, lowest: first.view };
  }
  /** What was heard was journalled first (R15), unless the journal has been pruned since. */
  function checkVotes(): void {
    const lines = heardSince().map(parseHeard);
    const journals = bench.nodes.map(readJournal);
    for (const vote of lines) {
      const journal = journals.find((one) => one?.signer === vote.signer);
      if (record.isExcused(vote)) continue;
      if (journal !== undefined && vote.view >= journal.lowest && !record.has(vote)) {
        throw new Error(`signer ${vote.signer} sent a ${vote.kind} of view ${vote.view} it never journalled`);
      }
      record.add(vote, `heard by node${bench.witness.index}`);
    }
    heard += lines.length;
  }
  function checkEvidence(): void {
    for (const node of bench.nodes) {
      const query = "SELECT view, kind, signer FROM faults";
      const faults = inJournal(node, (database) => database.query(query).all() as Said[]) ?? [];
      for (const fault of faults) {
        if (record.isExcused(fault)) continue;
        throw new Error(`node${node.index} has evidence against an honest node: ${JSON.stringify(fault)}`);
      }
    }
  }
  return {
    readJournal: (node) => void readJournal(node),
    excuse: (signer, views) => record.excuse(signer, views),
    async afterRound() {
      const took = await recovery(bench, withinMs);
      height = await checkSameChain(bench.nodes, height);
      acknowledged = await checkAcknowledged(bench, acknowledged);
      checkVotes();
      checkEvidence();
      return took;
    },
    height: () => height,
    acknowledged: () => acknowledged,
    votes: () => ({ journalled: record.count, heard }),
  };
}
