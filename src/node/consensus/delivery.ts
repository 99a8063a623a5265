// S11: final blocks reach the application by height, without gaps, each acknowledged once it is durable. Walks back
// from a finalization by parent digest; what a crash interrupted starts again from the application's tip.
import { assert } from "#lib/assert.ts";
import type { Certificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Bodies } from "./bodies.ts";
import type { ApplicationPort, Body, DriverPorts } from "./ports.ts";
import { FOR_EVER, type Verifier } from "./verifier.ts";

/** Blocks that are walked back one by one; beyond, runs of them are fetched. */
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
  /** Digests still to deliver, newest first. */
  let path: Hash[] = [];
  let busy = false;

  function walk(digest: Hash): void {
    if (digest === last) {
      deliverNext();
      return;
    }
    bodies.need(digest, FOR_EVER, (body) => {
      const { height, parent } = body.facts;
      const missing = height - application.tip().height;
      if (missing <= 0) {
        ports.halt(`final block ${digest} is not on the chain that chain.db holds`);
        return;
      }
      if (missing > MAX_WALK && ports.catchUp !== undefined) {
        catchUp(ports.catchUp, height);
        return;
      }
      path.push(digest);
      walk(parent);
    });
  }
  /** Too far behind to walk back body by body. */
  function catchUp(by: NonNullable<DeliveryPorts["catchUp"]>, height: number): void {
    const certificate = walkingTo as Certificate;
    by(height, () => {
      last = application.tip().digest;
      busy = false;
      ports.acknowledged(certificate.view);
      begin();
    });
  }
  function begin(): void {
    if (busy || target === undefined || application.isFinal(target.payload)) return;
    busy = true;
    walkingTo = target;
    path = [];
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
