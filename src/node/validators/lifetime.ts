// The life of a validator's driver: whoever calls it need not know that it may fail or have ended. A failure inside it
// stops the node (R16), and after the end nothing goes in or comes back.
import type { Driver } from "#node/consensus/driver.ts";
import type { ApplicationPort, Body } from "#node/consensus/ports.ts";

export interface Lifetime {
  readonly stopped: AbortSignal;
  /** Gets the failure after which the node must stop. */
  readonly fail: (error: unknown) => void;
}

/** The driver for everybody outside. What it throws is its own fault, and never that of the peer it listened to. */
export function guardedDriver<B extends Body>(driver: Driver<B>, { stopped, fail }: Lifetime): Driver<B> {
  const guarded =
    <A extends unknown[]>(method: (...args: A) => void) =>
    (...args: A): void => {
      if (stopped.aborted) return;
      try {
        method(...args);
      } catch (thrown) {
        fail(thrown);
      }
    };
  return {
    start: guarded(() => driver.start()),
    message: guarded((from, message) => driver.message(from, message)),
    body: guarded((from, body) => driver.body(from, body)),
    bodyRequest: guarded((from, digest) => driver.bodyRequest(from, digest)),
    bodyState: (digest) => driver.bodyState(digest),
    connected: guarded((peer) => driver.connected(peer)),
    work: guarded((pending) => driver.work(pending)),
    wake: guarded(() => driver.wake()),
    core: driver.core,
    get halted() {
      return driver.halted;
    },
  };
}

/** The application for the driver: its answers are dropped once the node stops. */
export function mortalApplication<B extends Body>(
  application: ApplicationPort<B>,
  stopped: AbortSignal,
): ApplicationPort<B> {
  const alive =
    <A extends unknown[]>(done: (...args: A) => void) =>
    (...args: A): void => {
      if (!stopped.aborted) done(...args);
    };
  return {
    ...application,
    build: (request, done) => application.build(request, alive(done)),
    verify: (body, done) => application.verify(body, alive(done)),
    finalize: (body, certificate, done) => application.finalize(body, certificate, alive(done)),
  };
}
