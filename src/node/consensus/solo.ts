// Blocks of a committee of one, made by the consensus driver on demand: no timers, nothing written while idle. A
// rollback ends the driver; the next block begins a later epoch whose floor is the block rolled back to (section 12).
import type { Chain } from "#chain/chain.ts";
import { positionOf } from "#chain/header-rules.ts";
import type { BlockRequest, MakeBlock } from "#chain/ports.ts";
import type { JournalRecord } from "#consensus/effects.ts";
import { type CoreConfig, DEFAULT_TIMING, NOTHING_RESTORED, type Restored } from "#consensus/state.ts";
import { keccak256 } from "#crypto/hash.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { assert } from "#lib/assert.ts";
import { concatBytes, utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import type { Metrics } from "#node/metrics.ts";
import type { Block } from "#types/block.ts";
import type { Certificate } from "#types/certificate.ts";
import { bytesOf, type Hash } from "#types/ids.ts";
import { type ChainBody, createChainApplication, journalForm } from "./chain-application.ts";
import { createDriver, type Driver } from "./driver.ts";
import { type ConsensusJournal, openJournal } from "./journal.ts";
import { measureConsensus } from "./measure.ts";
import type { ApplicationPort, ClockPort, JournalPort, NetworkPort } from "./ports.ts";
import { createSoloScheme } from "./solo-scheme.ts";

export interface SoloParts {
  readonly chain: Chain;
  /** consensus.db; undefined for a chain that ends with the process. */
  readonly journal: string | undefined;
  readonly metrics: Metrics;
  /** Gets the failure after which the node must stop. */
  readonly fail: (error: unknown) => void;
}

export interface SoloProducer extends Disposable {
  /** Resolves when the block is durable. Calls must not overlap. */
  readonly makeBlock: MakeBlock;
}

/** Nobody else is there. */
const NO_NETWORK: NetworkPort<ChainBody> = {
  send() {},
  sendBody() {},
  requestBody() {},
  block() {},
};

/** A journal of a chain that ends with the process: what is decided in it binds nobody later. */
const NO_JOURNAL: JournalPort<ChainBody> = {
  load: () => NOTHING_RESTORED,
  append() {},
  reserve() {},
  commit() {},
  body: () => undefined,
  prune() {},
};

/** The block that somebody waits for. */
interface Waiting {
  readonly resolve: (block: Block) => void;
  readonly reject: (error: unknown) => void;
  readonly request: BlockRequest;
  digest: Hash | undefined;
}

/** The key of a node alone follows from its chain. */
function soloIdentity(genesis: Hash): ReturnType<typeof identityFromSeed> {
  return identityFromSeed(keccak256(concatBytes(utf8("kora solo key"), bytesOf(genesis))));
}

class Producer implements SoloProducer {
  readonly #parts: SoloParts;
  readonly #journal: ConsensusJournal<ChainBody> | undefined;
  readonly #scheme: ReturnType<typeof createSoloScheme>;
  readonly #measure: (record: JournalRecord) => void;
  #driver: Driver<ChainBody> | undefined;
  #tip: Hash | undefined;
  #waiting: Waiting | undefined;

  constructor(parts: SoloParts) {
    const { chain, journal, metrics } = parts;
    this.#parts = parts;
    this.#measure = measureConsensus(metrics, () => this.#driver?.core, this.#clock().now);
    this.#scheme = createSoloScheme(soloIdentity(chain.genesisHash), chain.genesisHash);
    if (journal === undefined) return;
    this.#journal = openJournal<ChainBody>({
      path: journal,
      guard: undefined,
      ...journalForm(chain),
      acknowledgedView: () => this.#position().view,
    });
    // What the journal holds above chain.db is delivered before anything new is made.
    this.#driver = this.#open();
    this.#driver.start();
  }

  readonly makeBlock: MakeBlock = (request) => {
    const { promise, resolve, reject } = Promise.withResolvers<Block>();
    assert(this.#waiting === undefined, "one block at a time");
    this.#waiting = { resolve, reject, request, digest: undefined };
    const { chain } = this.#parts;
    if (this.#driver === undefined || this.#tip !== chain.ledger.tip().hash) {
      this.#driver = this.#open();
      this.#driver.start();
    }
    this.#driver.work(true);
    return promise;
  };

  /** The tip's view in the running epoch; a later epoch begins at 0. */
  #position(): { readonly epoch: number; readonly view: number; readonly parentView: number } {
    const { chain } = this.#parts;
    const position = positionOf(chain.ledger.tip().header);
    const epoch = Math.max(chain.epoch(), position.epoch);
    return epoch === position.epoch ? position : { epoch, view: 0, parentView: 0 };
  }

  #open(): Driver<ChainBody> {
    const { chain } = this.#parts;
    const { epoch, view, parentView } = this.#position();
    const payload = chain.ledger.tip().hash;
    this.#tip = payload;
    const config: CoreConfig = {
      epoch,
      n: 1,
      me: 0,
      scheme: "solo",
      genesis: payload,
      timing: DEFAULT_TIMING,
    };
    const floor =
      view === 0 ? undefined : this.#scheme.certify({ kind: "finalize", epoch, view, parentView, payload });
    const restored = withFloor(this.#load(epoch), floor);
    const journal = this.#journal ?? NO_JOURNAL;
    return createDriver<ChainBody>(config, {
      journal: {
        ...journal,
        load: () => restored,
        append: (record, body) => {
          this.#measure(record);
          journal.append(record, body);
        },
      },
      scheme: this.#scheme,
      application: this.#application(),
      network: NO_NETWORK,
      clock: this.#clock(),
      observer: {
        fault() {},
        halted: (why) =>
          this.#fail(new KoraError("consensus stopped", { code: "CONSENSUS_HALTED", kind: "safety", why })),
      },
    });
  }

  /** Replays this epoch; an earlier one is over and is forgotten. */
  #load(epoch: number): Restored {
    const restored = this.#journal?.load() ?? NOTHING_RESTORED;
    const past = restored.votes.some((vote) => vote.epoch < epoch);
    if (!past) return restored;
    this.#journal?.beginEpoch();
    return NOTHING_RESTORED;
  }

  #clock(): ClockPort {
    return {
      now: () => performance.now(),
      wall: () => this.#waiting?.request.now ?? Date.now() / 1000,
      alarm() {},
    };
  }

  #fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#driver = undefined;
    if (waiting === undefined) this.#parts.fail(error);
    else waiting.reject(error);
  }

  #application(): ApplicationPort<ChainBody> {
    const fail = (error: unknown): void => this.#fail(error);
    const { chain } = this.#parts;
    const inner = createChainApplication({ chain, clock: this.#clock(), fail });
    return {
      ...inner,
      build: (request, done) => {
        const deadline = performance.now() + (this.#waiting?.request.buildMs ?? 0);
        inner.build({ ...request, deadline }, (body) => {
          if (body === undefined) {
            fail(new KoraError("no block could be built", { code: "INVARIANT" }));
            return;
          }
          if (this.#waiting !== undefined) this.#waiting.digest = body.facts.digest;
          done(body);
        });
      },
      finalize: (body, certificate, done) => {
        inner.finalize(body, certificate, () => {
          const { digest } = body.facts;
          this.#tip = digest;
          done();
          const waiting = this.#waiting;
          if (waiting?.digest !== digest) return;
          this.#waiting = undefined;
          waiting.resolve(body.block);
        });
      },
    };
  }

  [Symbol.dispose](): void {
    this.#journal?.[Symbol.dispose]();
  }
}

/** What the journal holds, on the floor that chain.db holds. */
function withFloor(journal: Restored, floor: Certificate | undefined): Restored {
  const certificates = floor === undefined ? [] : [{ certificate: floor, lottery: undefined }];
  return {
    ...journal,
    certificates: [...journal.certificates, ...certificates],
    acknowledgedView: floor?.view ?? 0,
  };
}

/** A producer on an open chain. */
export function createSoloProducer(parts: SoloParts): SoloProducer {
  return new Producer(parts);
}
