// eth_createAccessList: what a call touches, found by running it until the list it was given holds all of it.
import type { Address, Hash } from "#types/ids.ts";
import type { AccessList } from "#types/transaction.ts";
import type { CallRun, CallRunner } from "./call-run.ts";
import type { CallRequest, CallResult } from "./types.ts";

/** Runs until the list must be complete; each run can only reveal what a warmer one reaches. */
const MAX_ROUNDS = 8;

export type AccessListResult =
  | {
      readonly status: "listed";
      readonly accessList: AccessList;
      /** How the call ended with the list; its gas includes the list's. */
      readonly call: Exclude<CallResult, { status: "rejected" | "abandoned" }>;
    }
  | Extract<CallResult, { status: "rejected" | "abandoned" }>;

type Touched = Map<Address, Set<Hash>>;

function touchedBy(list: AccessList): Touched {
  const touched: Touched = new Map();
  for (const { address, storageKeys } of list) {
    const keys = touched.get(address) ?? new Set();
    for (const key of storageKeys) keys.add(key);
    touched.set(address, keys);
  }
  return touched;
}

/** Adds what a run found cold; false when that was nothing new. */
function merge(touched: Touched, run: CallRun, free: ReadonlySet<Address>): boolean {
  let grew = false;
  for (const [at, slots] of run.accessed) {
    if (run.created.has(at) || (free.has(at) && slots.size === 0)) continue;
    const known = touched.get(at);
    const keys = known ?? new Set<Hash>();
    const before = keys.size;
    for (const slot of slots) keys.add(slot);
    if (known === undefined || keys.size > before) grew = true;
    touched.set(at, keys);
  }
  return grew;
}

function listOf(touched: Touched): AccessList {
  return Array.from(touched, ([address, keys]) => ({ address, storageKeys: [...keys] }));
}

/** Finds the list with `runner`. */
export async function findAccessList(runner: CallRunner, request: CallRequest): Promise<AccessListResult> {
  const touched = touchedBy(request.accessList ?? []);
  // Warm without being listed: the parties themselves and precompiles.
  const free = new Set<Address>([request.from, ...runner.precompiles]);
  if (request.to !== undefined) free.add(request.to);
  for (let round = 1; ; round++) {
    const accessList = listOf(touched);
    const run = await runner.run({ ...request, accessList });
    const { result } = run;
    if (result.status === "rejected" || result.status === "abandoned") return result;
    if (!merge(touched, run, free) || round === MAX_ROUNDS)
      return { status: "listed", accessList, call: result };
  }
}
