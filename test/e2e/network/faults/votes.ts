// Who signed what, from the journals and from what the witnesses heard, put together: nobody signs twice, nothing is
// said that was not journalled first, and who lost its journal says nothing new of the views that it may have signed in.
// A check that had nothing to look at is a violation too.
import { Database } from "bun:sqlite";
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { decodeVote, type Vote } from "#types/vote.ts";
import { until } from "../../../support/kora.ts";
import type { TestNode } from "../../../support/network.ts";
import { type Bench, signerOf, tapOf } from "./bench.ts";

type Said = Pick<Vote, "signer" | "view" | "kind" | "parentView" | "payload">;

/** A vote and the node that it came to. */
interface Heard {
  readonly vote: Said;
  readonly by: TestNode;
}

/** Views in which a signer misbehaved: its word there proves nothing against it. */
export interface Excuse {
  readonly from: number;
  readonly to: number;
}

export interface VoteChecks {
  /** Reads what a node's journal holds, before it is lost. */
  readJournal(node: TestNode): void;
  /** `signer` misbehaves in these views. */
  excuse(signer: number, views: Excuse): void;
  /** The journal of a node that is down is about to be lost; it may have signed up to `view`, and must not again. */
  bar(node: TestNode, view: number): void;
  /** Waits until votes of each of `nodes` above `view` have come to others. */
  untilHeard(nodes: readonly TestNode[], view: number, patienceMs: number): Promise<void>;
  /** Waits until each witness has heard votes above `view`. */
  untilAllHear(view: number, patienceMs: number): Promise<void>;
  /** Looks at everything since the last call. */
  check(): void;
  /** Votes looked at: different ones, and how often one was heard. */
  readonly counts: () => { readonly different: number; readonly heard: number };
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
  readonly #bars = new Map<number, number>();
  count = 0;

  excuse(signer: number, views: Excuse): void {
    this.#excuses.set(signer, [...(this.#excuses.get(signer) ?? []), views]);
  }

  isExcused({ signer, view }: Pick<Said, "signer" | "view">): boolean {
    return (this.#excuses.get(signer) ?? []).some(({ from, to }) => view >= from && view <= to);
  }

  /** From now on nothing new of `signer` up to `view` is right. */
  bar(signer: number, view: number): void {
    this.#bars.set(signer, view);
  }

  has({ signer, view, kind }: Said): boolean {
    return this.#said.has(`${signer} ${view} ${kind}`);
  }

  /** Takes a vote; throws for one that excludes an earlier one, and for a new one that is barred. */
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
    const bar = this.#bars.get(signer) ?? 0;
    if (before === undefined && view <= bar) {
      throw new Error(
        `signer ${signer} lost its journal and signed ${kind} in view ${view}, up to ${bar} barred`,
      );
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

/** What all witnesses heard, as one. */
class Hearing {
  readonly #taps: readonly { readonly by: TestNode; readonly fresh: () => string[] }[];
  #waiting: Heard[] = [];
  /** Newest view by signer, and by witness. */
  readonly #said = new Map<number, number>();
  readonly #heard = new Map<TestNode, number>();
  count = 0;

  constructor(witnesses: readonly TestNode[]) {
    this.#taps = witnesses.map((by) => ({ by, fresh: newLines(tapOf(by)) }));
  }

  listen(): void {
    for (const { by, fresh } of this.#taps) {
      for (const vote of fresh().map(parseHeard)) {
        this.#waiting.push({ vote, by });
        this.#said.set(vote.signer, Math.max(this.newestOf(vote.signer), vote.view));
        this.#heard.set(by, Math.max(this.newestAt(by), vote.view));
        this.count++;
      }
    }
  }

  newestOf(signer: number): number {
    return this.#said.get(signer) ?? 0;
  }

  newestAt(witness: TestNode): number {
    return this.#heard.get(witness) ?? 0;
  }

  /** Everything that was heard and not taken yet. */
  take(): readonly Heard[] {
    this.listen();
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }
}

function checkEvidence(node: TestNode, record: VoteRecord): void {
  const query = "SELECT view, kind, signer FROM faults";
  const faults = inJournal(node, (database) => database.query(query).all() as Said[]);
  if (faults === undefined) throw new Error(`node${node.index} runs without a journal`);
  for (const fault of faults) {
    if (record.isExcused(fault)) continue;
    throw new Error(`node${node.index} has evidence against an honest node: ${JSON.stringify(fault)}`);
  }
}

/** Throws for what was heard and is missing in its signer's journal; answers of whom something was there. */
function compare(
  heard: readonly Heard[],
  journals: ReadonlyMap<number, { readonly lowest: number }>,
  record: VoteRecord,
): ReadonlySet<number> {
  const compared = new Set<number>();
  for (const { vote, by } of heard) {
    if (record.isExcused(vote)) continue;
    const journal = journals.get(vote.signer);
    // A journal is pruned: it says nothing of the views below its lowest.
    if (journal !== undefined && vote.view >= journal.lowest) {
      compared.add(vote.signer);
      if (!record.has(vote)) {
        const { signer, kind, view } = vote;
        throw new Error(`node${by.index} heard a ${kind} of signer ${signer}, view ${view}, not journalled`);
      }
    }
    record.add(vote, `heard by node${by.index}`);
  }
  return compared;
}

/** The checks of one campaign. */
export function createVoteChecks(bench: Bench): VoteChecks {
  const record = new VoteRecord();
  const hearing = new Hearing(bench.witnesses);

  /** Answers the lowest view of which the journal still holds votes; undefined where it holds none. */
  function readJournal(node: TestNode): { readonly lowest: number } | undefined {
    const votes = inJournal(node, (database) => {
      const rows = database.query("SELECT vote FROM votes ORDER BY view").all() as { vote: Uint8Array }[];
      return rows.map(({ vote }) => decodeVote(vote));
    });
    for (const vote of votes ?? []) record.add(vote, `journal of node${node.index}`);
    const first = votes?.[0];
    return first && { lowest: first.view };
  }
  /** Compares everything heard since with the journals, which were written before it was said (R15). */
  function compareAll(): ReadonlySet<number> {
    const heard = hearing.take();
    const journals = new Map<number, { readonly lowest: number }>();
    for (const node of bench.nodes) {
      const journal = readJournal(node);
      if (journal !== undefined) journals.set(signerOf(node).signer, journal);
    }
    return compare(heard, journals, record);
  }
  function check(): void {
    const compared = compareAll();
    for (const node of bench.nodes) {
      checkEvidence(node, record);
      if (bench.silent.has(node) || compared.has(signerOf(node).signer)) continue;
      throw new Error(`nothing that node${node.index} said is in its journal`);
    }
  }
  const passed = (newest: () => number, view: number) => (): boolean => {
    hearing.listen();
    return newest() > view;
  };
  return {
    readJournal: (node) => void readJournal(node),
    excuse: (signer, views) => record.excuse(signer, views),
    bar(node, view) {
      // What came to others until now belongs to its first life, even where its journal was pruned since.
      compareAll();
      record.bar(signerOf(node).signer, view);
    },
    async untilHeard(nodes, view, patienceMs) {
      for (const node of nodes) {
        const { signer } = signerOf(node);
        const what = `others hear node${node.index} vote above view ${view}`;
        await until(
          what,
          passed(() => hearing.newestOf(signer), view),
          patienceMs,
        );
      }
    },
    async untilAllHear(view, patienceMs) {
      for (const witness of bench.witnesses) {
        const what = `node${witness.index} hears votes above view ${view}`;
        await until(
          what,
          passed(() => hearing.newestAt(witness), view),
          patienceMs,
        );
      }
    },
    check,
    counts: () => ({ different: record.count, heard: hearing.count }),
  };
}
