// The chain as the consensus driver uses it: blocks with the facts that consensus reads, and callbacks instead of
// promises. What fails here is this node's own fault and goes to `fail`; a peer's fault is a verdict.

import type { OpenedBody } from "#chain/body.ts";
import type { Chain } from "#chain/chain.ts";
import { positionOf } from "#chain/header-rules.ts";
import type { Verdict } from "#chain/ports.ts";
import { seedHash } from "#chain/snapshots.ts";
import { assert } from "#lib/assert.ts";
import { KoraError } from "#lib/error.ts";
import { type Block, encodeBlock, wireOf } from "#types/block.ts";
import { encodeCertificate } from "#types/certificate.ts";
import { type Hash, height } from "#types/ids.ts";
import type { JournalOptions } from "./journal.ts";
import type { ApplicationPort, Body, BodyVerdict, ClockPort } from "./ports.ts";

/** A block of the chain as consensus handles it. */
export interface ChainBody extends Body {
  readonly block: Block;
  /** Wire form. */
  readonly bytes: Uint8Array;
}

/** The body of a block; `bytes` where its wire form is at hand. */
export function bodyOf(block: Block, bytes?: Uint8Array): ChainBody {
  const { header, hash } = block;
  const { epoch, view, parentView } = positionOf(header);
  const wire = bytes ?? encodeBlock(wireOf(block));
  return {
    block,
    bytes: wire,
    size: wire.length,
    facts: {
      digest: hash,
      parent: header.parentHash,
      height: header.number,
      epoch,
      view,
      parentView,
      prevRandao: header.mixHash,
      timestamp: header.timestamp,
    },
  };
}

/** A body from its wire form; undefined for bytes that are none, which is their sender's fault. */
export function openChainBody(chain: Chain, bytes: Uint8Array): ChainBody | undefined {
  const opened = chain.open(bytes);
  return opened.kind === "opened" ? bodyOf(opened.block, bytes) : undefined;
}

/** How the bodies of `chain` are kept in a journal: as the bytes in which they travel. */
export function journalForm(chain: Chain): Pick<JournalOptions<ChainBody>, "encodeBody" | "decodeBody"> {
  return {
    encodeBody: ({ bytes }) => bytes,
    decodeBody(bytes) {
      const body = openChainBody(chain, bytes);
      assert(body !== undefined, "a journalled body is a body");
      return body;
    },
  };
}

/** The same for a body that came just now; a promise where the senders of many transactions are to be found. */
export function openNewBody(
  chain: Chain,
  bytes: Uint8Array,
): ChainBody | undefined | Promise<ChainBody | undefined> {
  const made = (opened: OpenedBody): ChainBody | undefined =>
    opened.kind === "opened" ? bodyOf(opened.block, bytes) : undefined;
  const opened = chain.openAhead(bytes);
  return opened instanceof Promise ? opened.then(made) : made(opened);
}

export interface ChainApplicationParts {
  readonly chain: Chain;
  readonly clock: Pick<ClockPort, "now" | "wall">;
  readonly fail: (error: unknown) => void;
}

function verdictOf(verdict: Verdict): BodyVerdict {
  switch (verdict.kind) {
    case "valid":
      return { kind: "valid" };
    case "invalid":
      return verdict;
    case "missing":
      // Every caller of verify has seen to the parent's seed.
      if (verdict.what === "block") return { kind: "missing", digest: verdict.digest };
      throw new KoraError(`the seed of ${verdict.digest} is not known`, { code: "INVARIANT" });
  }
}

/** The application port over `chain`. */
export function createChainApplication(parts: ChainApplicationParts): ApplicationPort<ChainBody> {
  const { chain, clock, fail } = parts;
  const { ledger, application, history } = chain;
  const known = (digest: Hash): number | undefined => {
    const tip = ledger.tip();
    if (digest === tip.hash) return tip.header.number;
    return ledger.snapshots.get(digest)?.block.header.number ?? history.heightOf(digest);
  };
  /** R13: what consensus says of the parent's seed; a header that got this far has been compared with it. */
  function learnSeed(parent: Hash, at: number, prevRandao: Hash, seed?: Uint8Array): void {
    if (seed !== undefined || ledger.seeds.get(parent) === undefined) {
      ledger.seeds.insert(parent, height(at), prevRandao, seed);
    }
  }
  return {
    build({ context, prevRandao, deadline, empty }, done) {
      const { epoch, view, parentView, parent, parentSeed } = context;
      const at = known(parent);
      if (at !== undefined && prevRandao !== undefined) learnSeed(parent, at, prevRandao, parentSeed);
      const expired = (): boolean => clock.now() >= deadline;
      const now = Math.floor(clock.wall());
      application
        .propose(parent, { epoch, view, parentView, now, expired, empty })
        .then((block) => done(block && bodyOf(block)))
        .catch(fail);
    },
    verify({ block, facts }, done) {
      learnSeed(facts.parent, facts.height - 1, facts.prevRandao);
      application
        .verify(block)
        .then((verdict) => done(verdictOf(verdict)))
        .catch(fail);
    },
    finalize({ block, facts }, certificate, done) {
      ledger.addBody(block);
      const encoded = certificate && encodeCertificate(certificate);
      application
        .finalize(facts.digest, { certificate: encoded, seed: certificate?.seed })
        .then(done)
        .catch(fail);
    },
    tip() {
      const { header, hash } = ledger.tip();
      return { digest: hash, height: header.number };
    },
    heightOf: known,
    isFinal: (digest) => ledger.isFinal(digest),
    body(digest) {
      const held = ledger.body(digest);
      if (held !== undefined) return bodyOf(held);
      const at = history.heightOf(digest);
      const block = at === undefined || at === 0 ? undefined : history.block(at);
      return block && bodyOf(block);
    },
    certifiedTip(digest, seed) {
      const at = ledger.body(digest)?.header.number;
      if (at === undefined) return;
      if (seed !== undefined) ledger.seeds.insert(digest, at, seedHash(seed), seed);
      ledger.certify(digest);
    },
  };
}
