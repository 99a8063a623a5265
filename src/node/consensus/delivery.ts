// S11: final blocks reach the application by height, without gaps, each acknowledged once it is durable. Walks back
// from a finalization by parent digest; what a crash interrupted starts again from the application's tip.
import type { BlockFacts } from "#consensus/header.ts";
import { assert } from "#lib/assert.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Bodies } from "./bodies.ts";
import type { ApplicationPort, Body, DriverPorts } from "./ports.ts";
import { FOR_EVER, type Verifier } from "./verifier.ts";

/** Blocks that are walked back one by one; beyond, runs of them are fetched, and as many again where nobody has runs. */
const MAX_WALK = 64;

export interface Delivery {
  /** A finalization is durable in the journal. Later ones replace earlier ones that are still being walked. */
  finalized(certificate: Certificate): void;
}

interface DeliveryPorts {
  /** The block of `view` is durable in chain.db. */
  acknowledged(view: number): void;
  halt(reason: string): void;
  readonly catchUp: DriverPorts<Body>["catchUp"];
  /** R15; off only in the simulator's mutation. */
  readonly afterDurable: boolean;
}

/** Delivers from the application's tip on. */
export function createDelivery<B extends Body>(
  application: ApplicationPort<B>,
  bodies: Bodies<B>,
  verifier: Verifier<B>,
  ports: DeliveryPorts,
): Delivery {
  let last = application.tip().digest;
  let target: Certificate | undefined;
  let walkingTo: Certificate | undefined;
  /** Digests still to deliver, newest first: of final blocks alone, 32 bytes each, as many as are missing. */
  let path: Hash[] = [];
  /** How many may still be walked before runs are asked for. */
  let leg = 0;
  let busy = false;

  function walk(digest: Hash): void {
    if (digest === last) {
      deliverNext();
      return;
    }
    bodies.need(digest, FOR_EVER, (body) => {
      const { facts } = body;
      const missing = facts.height - application.tip().height;
      if (missing <= 0) {
        ports.halt(`final block ${digest} is not on the chain that chain.db holds`);
        return;
      }
      if (missing > MAX_WALK && leg === 0 && ports.catchUp !== undefined) {
        catchUp(ports.catchUp, facts);
        return;
      }
      leg = Math.max(0, leg - 1);
      path.push(digest);
      walk(facts.parent);
    });
  }
  /**
   * Too far behind to walk back body by body. Unless nobody has runs: when the disks of all were slow before all were
   * killed, final blocks lie in the journals alone.
   */
  function catchUp(by: NonNullable<DeliveryPorts["catchUp"]>, { digest, height, view }: BlockFacts): void {
    const before = application.tip().height;
    by(height, () => {
      const tip = application.tip();
      if (tip.height === before) {
        leg = MAX_WALK;
        walk(digest);
        return;
      }
      last = tip.digest;
      busy = false;
      if (tip.height >= height) ports.acknowledged(view);
      begin();
    });
  }
  function begin(): void {
    if (busy || target === undefined || application.isFinal(target.payload)) return;
    busy = true;
    walkingTo = target;
    path = [];
    leg = 0;
    walk(target.payload);
  }
  function deliverNext(): void {
    const digest = path.pop();
    if (digest === undefined) {
      busy = false;
      begin();
      return;
    }
    bodies.need(digest, FOR_EVER, (body) => {
      verifier.execute(body, FOR_EVER, (valid) => {
        if (!valid) ports.halt(`final block ${digest} fails execution`);
        else deliver(body);
      });
    });
  }
  function deliver(body: B): void {
    const { digest, parent, view } = body.facts;
    assert(parent === last, "final blocks are delivered without gaps");
    const certificate = walkingTo?.payload === digest ? walkingTo : undefined;
    if (!ports.afterDurable) ports.acknowledged(view);
    application.finalize(body, certificate, () => {
      last = digest;
      if (ports.afterDurable) ports.acknowledged(view);
      deliverNext();
    });
  }
  return {
    finalized(certificate) {
      target = certificate;
      begin();
    },
  };
}
