// Agreement on the logs through the consensus core: what has to survive when everybody is killed at once, between a
// certified proposal and its finalization.
import { expect, test } from "bun:test";
import type { Ceremony } from "#crypto/dkg/ceremony.ts";
import { toHex } from "#lib/bytes.ts";
import { type CeremonyInfo, MAX_LOG_SET_BYTES } from "#types/ceremony.ts";
import { hash } from "#types/ids.ts";
import { decodeMessage } from "#types/message.ts";
import { createRng } from "../support/rng.ts";
import { createSimulatedAgreement, type SimulatedAgreement } from "./core.ts";
import { standinCeremonies, standinKeys } from "./standin.ts";

/** Four ceremonies whose logs are closed and known to all. */
function readyCeremonies(): Ceremony[] {
  const rng = createRng(11);
  const keys = standinKeys(4, rng.bytes);
  const info: CeremonyInfo = {
    chain: hash(rng.bytes(32)),
    round: 1,
    dealers: keys,
    players: keys,
    previous: undefined,
  };
  const nodes = standinCeremonies(info, rng.bytes);
  const queue: { from: number; to: number; bytes: Uint8Array }[] = [];
  const run = (from: number, effects: ReturnType<Ceremony["step"]>): void => {
    for (const effect of effects)
      if (effect.kind === "send") queue.push({ from, to: effect.to, bytes: effect.bytes });
  };
  for (const [i, node] of nodes.entries()) run(i, node.step({ kind: "start" }));
  for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
    run(
      frame.to,
      (nodes[frame.to] as Ceremony).step({ kind: "message", from: frame.from, bytes: frame.bytes }),
    );
  }
  return nodes;
}

test("certified proposals that were not final when everybody was killed are built upon, and become final", () => {
  const ceremonies = readyCeremonies();
  const disks = ceremonies.map((): Uint8Array[] => []);
  const agreed = new Set<string>();
  let now = 0;
  let highest = 0;
  /** Finalize votes of views up to this one never arrive. */
  let lostUpTo = Number.POSITIVE_INFINITY;
  let queue: { from: number; to: number; bytes: Uint8Array }[] = [];
  const boot = (): SimulatedAgreement[] =>
    ceremonies.map((ceremony, from) =>
      createSimulatedAgreement(ceremony, disks[from] as Uint8Array[], {
        now: () => now,
        hasty: false,
        send: (dealer, bytes) => {
          for (const to of dealer < 0 ? [0, 1, 2, 3] : [dealer])
            if (to !== from) queue.push({ from, to, bytes });
        },
        agreed: (set) => agreed.add(toHex(set)),
        halted: (reason) => {
          throw new Error(reason);
        },
      }),
    );
  const isLost = (bytes: Uint8Array): boolean => {
    const message = decodeMessage(bytes, MAX_LOG_SET_BYTES);
    if (message.type !== "vote") return false;
    highest = Math.max(highest, message.vote.view);
    return message.vote.kind === "finalize" && message.vote.view <= lostUpTo;
  };
  const pass = (nodes: readonly SimulatedAgreement[], until: () => boolean): void => {
    for (const end = now + 400; now < end && !until(); now++) {
      const frames = queue;
      queue = [];
      for (const { from, to, bytes } of frames) if (!isLost(bytes)) nodes[to]?.message(from, bytes);
      for (const node of nodes) node.poll();
    }
    expect(until()).toBe(true);
  };

  const first = boot();
  for (const node of first) node.candidate();
  pass(first, () => highest >= 4);
  expect(agreed.size).toBe(0);
  queue = [];
  lostUpTo = highest;
  const second = boot();
  pass(second, () => agreed.size > 0);
  expect(agreed.size).toBe(1);
});
