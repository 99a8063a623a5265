// What operators' dashboards rely on: names of metrics with their types, and a reader of Prometheus' text that is strict.
import { expect } from "bun:test";
import type { RunningKora } from "./kora.ts";

type Type = "counter" | "gauge" | "histogram";
type Names = Readonly<Record<string, Type>>;

/** Of every node. */
const EVERYWHERE: Names = {
  kora_info: "gauge",
  kora_consensus_view: "gauge",
  kora_consensus_nullified_total: "counter",
  kora_consensus_proposed_total: "counter",
  kora_finalized_height: "gauge",
  kora_finalized_timestamp_seconds: "gauge",
  kora_finalized_age_seconds: "gauge",
  kora_finalized_gas_total: "counter",
  kora_finalized_transactions_total: "counter",
  kora_block_execution_seconds: "histogram",
  kora_commit_seconds: "histogram",
  kora_txpool_transactions: "gauge",
  kora_txpool_bytes: "gauge",
  kora_txpool_rejected_total: "counter",
  kora_p2p_peers: "gauge",
  kora_rpc_requests_total: "counter",
  kora_rpc_duration_seconds: "histogram",
  kora_rpc_websocket_connections: "gauge",
  kora_rpc_subscriptions: "gauge",
  kora_event_loop_lag_seconds: "histogram",
  kora_process_resident_memory_bytes: "gauge",
  kora_process_cpu_seconds_total: "counter",
  kora_process_open_fds: "gauge",
};
/** Of a node with a data directory. */
const ON_DISK: Names = {
  kora_database_bytes: "gauge",
  kora_disk_free_bytes: "gauge",
};
/** Of a node with others. */
const IN_NETWORK: Names = {
  kora_p2p_validators: "gauge",
  kora_p2p_bytes_total: "counter",
  kora_p2p_frames_total: "counter",
  kora_p2p_dropped_total: "counter",
  kora_p2p_offences_total: "counter",
};
/** Of a node that makes blocks, whether others vote on them or not. */
const MAKER: Names = {
  kora_notarization_seconds: "histogram",
  kora_finalization_seconds: "histogram",
  kora_signing_guard_refusals_total: "counter",
};
/** Of a validator. */
const VALIDATOR: Names = {
  kora_consensus_votes_total: "counter",
  kora_consensus_votes_missed_total: "counter",
  kora_consensus_proposals_notarized_total: "counter",
  kora_consensus_faults_total: "counter",
};

export const NAMES_OF: Readonly<Record<"local" | "alone" | "follower" | "validator", Names>> = {
  local: { ...EVERYWHERE, ...MAKER },
  alone: { ...EVERYWHERE, ...ON_DISK, ...MAKER },
  follower: { ...EVERYWHERE, ...ON_DISK, ...IN_NETWORK },
  validator: { ...EVERYWHERE, ...ON_DISK, ...IN_NETWORK, ...MAKER, ...VALIDATOR },
};

export interface Scraped {
  /** Of all samples by name and labels as they are written. */
  readonly samples: ReadonlyMap<string, number>;
  readonly types: ReadonlyMap<string, string>;
}

/** Reads a scrape; fails where a line is not one, a name is declared twice, or a sample belongs to none. */
function readScrape(text: string): Scraped {
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  let declared = "";
  for (const line of text.trimEnd().split("\n")) {
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) (kora_[a-z0-9_]+) (\S.*)$/.exec(line) ?? [];
    if (word === "HELP") {
      expect(types.has(name), `${name} is declared once`).toBeFalse();
      declared = name;
      types.set(name, "");
    } else if (word === "TYPE") {
      expect(name).toBe(declared);
      types.set(name, rest);
    } else {
      const sample = /^(kora_[a-z0-9_]+)((?:\{[^\n]*\})?) (-?[0-9.e+-]+)$/.exec(line);
      expect(sample, line).not.toBeNull();
      const [, of = "", labels = "", value] = sample as RegExpExecArray;
      const suffix = types.get(declared) === "histogram" ? /^_(?:bucket|sum|count)$/ : /^$/;
      expect(of.startsWith(declared) && suffix.test(of.slice(declared.length)), line).toBeTrue();
      expect(samples.has(`${of}${labels}`), line).toBeFalse();
      samples.set(`${of}${labels}`, Number(value));
    }
  }
  return { samples, types };
}

/** What a node's listener for its operator answers at `path`. */
export async function operator(node: RunningKora, path: string): Promise<{ status: number; body: string }> {
  const logged = /"address":"([^"]+)","msg":"metrics ready"/.exec(node.err())?.[1];
  const address = logged ?? /^Metrics on (\S+)$/m.exec(node.out())?.[1];
  const answer = await fetch(`http://${address}${path}`);
  return { status: answer.status, body: await answer.text() };
}

/** A scrape of a running node, in which every one of `names` stands with its type. */
export async function scrape(node: RunningKora, names: Names): Promise<Scraped> {
  const { status, body } = await operator(node, "/metrics");
  expect(status).toBe(200);
  const scraped = readScrape(body);
  for (const [name, type] of Object.entries(names))
    expect([name, scraped.types.get(name)]).toEqual([name, type]);
  for (const [name, type] of scraped.types) {
    expect(["counter", "gauge", "histogram"]).toContain(type);
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
  }
  return scraped;
}
