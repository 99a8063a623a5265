// Lets a transaction into the pool or says why not: checks in geth's order as far as their cost allows, what is dear
// last; then room by price. The checks themselves are in pool-check.ts.
import { recoverAuthority } from "#execution/authorization.ts";
import { maximumCost } from "#execution/validate.ts";
import type { Address } from "#types/ids.ts";
import { authorizationsOf, feeCapOf, type SignedTransaction, tipCapOf } from "#types/transaction.ts";
import { createPoolAccount, entryAt, insert, nextNonce, type PoolAccount, promote } from "./pool-account.ts";
import {
  checkAgainstState,
  checkReplacement,
  checkStateless,
  lookUpSender,
  refuse,
  type SenderState,
} from "./pool-check.ts";
import { type Growth, isFull, leastTailTip, roomByPrice, roomInQueue } from "./pool-evict.ts";
import { countAuthorities, evictAll, headOf, type PoolStore, release, settle } from "./pool-store.ts";
import {
  effectiveTip,
  type PoolEntry,
  type PoolOptions,
  type PoolRejection,
  type PoolVerdict,
} from "./pool-types.ts";

function authoritiesOf(signed: SignedTransaction): readonly Address[] {
  return authorizationsOf(signed.tx)
    .map(recoverAuthority)
    .filter((authority) => authority !== undefined);
}

/** Geth's limits on accounts with a delegation, in the state or on its way. */
function checkDelegation(store: PoolStore, entry: PoolEntry, sender: SenderState): PoolRejection | undefined {
  if (!store.parts.options.delegationLimit) return undefined;
  const at = entry.signed.sender;
  const account = store.accounts.get(at);
  if (sender.delegated || store.authorities.has(at)) {
    if (account === undefined || account.executable === 0) {
      if (entry.nonce !== sender.nonce) {
        return refuse("DELEGATION_LIMIT", "gapped-nonce tx from delegated accounts");
      }
    } else if (entryAt(account, entry.nonce) === undefined) {
      return refuse("DELEGATION_LIMIT", "in-flight transaction limit reached for delegated accounts");
    }
  }
  const reserved = entry.authorities.some(
    (authority) => (store.accounts.get(authority)?.entries.length ?? 0) > 1,
  );
  return reserved ? refuse("AUTHORITY_RESERVED", "authority already reserved") : undefined;
}

const UNDERPRICED: PoolRejection = refuse("UNDERPRICED", "transaction underpriced");

/** Makes room in a full pool by price, or says that there is none at this price. */
function makeRoom(store: PoolStore, entry: PoolEntry, growth: Growth): PoolRejection | undefined {
  const { accounts, totals, parts } = store;
  if (!isFull(totals, parts.options, growth)) return undefined;
  const { baseFeePerGas } = headOf(store);
  // As long as nothing left a full pool, what was too cheap is too cheap: no search for each newcomer.
  if (store.floor?.at === baseFeePerGas && effectiveTip(entry, baseFeePerGas) <= store.floor.tip) {
    return UNDERPRICED;
  }
  const victims = roomByPrice(accounts, totals, parts.options, entry, growth, baseFeePerGas);
  if (victims === undefined) {
    const tip = leastTailTip(accounts.values(), baseFeePerGas);
    store.floor = tip === undefined ? undefined : { at: baseFeePerGas, tip };
    return UNDERPRICED;
  }
  evictAll(store, victims);
  return undefined;
}

/** Room for a transaction with a nonce of its own: within its sender's bounds, by price, and behind the gaps. */
function makePlace(store: PoolStore, entry: PoolEntry, sender: SenderState): PoolRejection | undefined {
  const { accounts, totals, parts } = store;
  const account = accounts.get(entry.signed.sender);
  const waits = entry.nonce > (account === undefined ? sender.nonce : nextNonce(account));
  if (account !== undefined && waits) {
    const waiting = account.entries.length - account.executable;
    if (waiting >= parts.options.accountQueue) {
      return refuse("ACCOUNT_LIMIT", `account limit exceeded: pooled ${account.entries.length} txs`);
    }
  }
  const full = makeRoom(store, entry, { count: 1, bytes: entry.signed.raw.length });
  if (full === undefined && waits) evictAll(store, roomInQueue(accounts, totals, parts.options));
  return full;
}

/** Room for the bytes by which a replacement is longer. */
function makeLength(store: PoolStore, entry: PoolEntry, old: PoolEntry): PoolRejection | undefined {
  const bytes = entry.signed.raw.length - old.signed.raw.length;
  return bytes <= 0 ? undefined : makeRoom(store, entry, { count: 0, bytes });
}

/** `signed` as an entry; its authorities, each of which costs a recovery, are left for later. */
function entryOf(store: PoolStore, signed: SignedTransaction): PoolEntry {
  return {
    signed,
    hash: signed.hash,
    nonce: signed.tx.nonce,
    feeCap: feeCapOf(signed.tx),
    tipCap: tipCapOf(signed.tx),
    cost: maximumCost(signed.tx),
    sequence: store.sequence++,
    authorities: [],
  };
}

function accountFor(store: PoolStore, signed: SignedTransaction, sender: SenderState): PoolAccount {
  const known = store.accounts.get(signed.sender);
  if (known !== undefined) return known;
  const account = createPoolAccount(signed.sender, store.parts.now());
  account.nonce = sender.nonce;
  store.accounts.set(signed.sender, account);
  return account;
}

interface Admission {
  readonly entry: PoolEntry;
  readonly sender: SenderState;
  readonly old: PoolEntry | undefined;
}

/** Everything that can be said against a transaction, what is cheap to find out first. */
function judge(store: PoolStore, signed: SignedTransaction, options: PoolOptions): Admission | PoolRejection {
  const { parts, accounts } = store;
  if (store.byHash.has(signed.hash)) return refuse("ALREADY_KNOWN", "already known");
  const stateless = checkStateless(signed, parts.rules, headOf(store), options);
  if (stateless !== undefined) return stateless;
  const sender = lookUpSender(parts.state(), signed);
  if ("message" in sender) return sender;
  const draft = entryOf(store, signed);
  const account = accounts.get(signed.sender);
  const old = account && entryAt(account, draft.nonce);
  const cheap =
    checkAgainstState(draft, sender, account) ??
    (old === undefined ? undefined : checkReplacement(draft, old, options));
  if (cheap !== undefined) return cheap;
  const entry = { ...draft, authorities: authoritiesOf(signed) };
  const dear =
    checkDelegation(store, entry, sender) ??
    (old === undefined ? makePlace(store, entry, sender) : makeLength(store, entry, old));
  return dear ?? { entry, sender, old };
}

/** Judges a transaction by `options` and, if nothing speaks against it, takes it. */
export function admit(store: PoolStore, signed: SignedTransaction, options: PoolOptions): PoolVerdict {
  const judged = judge(store, signed, options);
  if ("message" in judged) return { kind: "rejected", rejection: judged };
  const { entry, sender, old } = judged;
  const account = accountFor(store, signed, sender);
  account.lastActive = store.parts.now();
  store.byHash.set(entry.hash, entry);
  store.totals.bytes += signed.raw.length;
  countAuthorities(store, entry, 1);
  if (old !== undefined) release(store, old, "replaced");
  settle(store, account, () => {
    insert(account, entry);
    const promoted = promote(account);
    // One that replaces an executable entry is executable without being promoted.
    return old !== undefined && entry.nonce < nextNonce(account) ? [entry] : promoted;
  });
  return { kind: "accepted", transaction: signed };
}
