// Situations that every consensus must survive, chosen instead of drawn: each is a schedule, run under several seeds.
import { createRng } from "../support/rng.ts";
import { calmOptions, type Options, SLOW_DISK_MS, type Step } from "./options.ts";

export interface Scenario {
  readonly name: string;
  options(seed: number): Options;
}

function scenario(name: string, n: number, change: (seed: number) => Partial<Options>): Scenario {
  return { name, options: (seed) => ({ ...calmOptions(seed, n, 40), phaseOneMs: 1_500, ...change(seed) }) };
}

const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Each of n nodes killed `times` times, at random moments. */
function storm(seed: number, n: number, times: number, within: number): Step[] {
  const rng = createRng(seed);
  return all(n).flatMap((slot) =>
    Array.from({ length: times }, () => ({ at: rng.below(within), do: "kill" as const, slot })),
  );
}

/** The whole cluster killed at once, `times` times. */
function blackouts(seed: number, n: number, times: number, within: number): Step[] {
  const rng = createRng(seed);
  return Array.from({ length: times }, () => rng.below(within)).flatMap((at) =>
    all(n).map((slot) => ({ at, do: "kill" as const, slot })),
  );
}

/** Two of four come back from copies older than their guards: with what they must not sign, nobody else goes on. */
export const MANY_RESTORED: Pick<Options, "script"> = {
  script: [1, 2].flatMap((slot) => [
    { at: 200, do: "backup" as const, slot },
    { at: 260, do: "kill" as const, slot },
    { at: 700, do: "restore" as const, slot },
  ]),
};

export const SCENARIOS: readonly Scenario[] = [
  scenario("all online", 4, () => ({})),
  scenario("a follower beside them", 4, () => ({ follower: true })),
  scenario("the whole cluster shut down uncleanly, again and again", 4, (seed) => ({
    script: blackouts(seed, 4, 12, 1_400),
  })),
  scenario("slow disks everywhere, and all killed far behind what is final", 4, (seed) => ({
    finalizeTime: SLOW_DISK_MS,
    catchUp: true,
    script: blackouts(seed, 4, 2, 1_400),
  })),
  scenario("late joiner", 4, () => ({ absent: new Set([3]), phaseOneMs: 3_000 })),
  scenario("one never online", 4, () => ({ absent: new Set([2]), absentForever: true })),
  scenario("one slow verifier", 4, () => ({ verifyTime: 8, slow: { slot: 1, factor: 6 } })),
  scenario("all links cut and restored", 5, () => ({
    script: [
      { at: 200, do: "cut", groups: [] },
      { at: 900, do: "heal" },
    ],
  })),
  scenario("all crash once nullify is durable, one absent", 4, () => ({
    absent: new Set([1]),
    absentForever: true,
    killOn: "nullify",
  })),
  scenario("all crash once notarize is durable", 4, () => ({ killOn: "notarize" })),
  scenario("all crash after certifying", 4, () => ({ killOn: "verdict" })),
  scenario("5/5 partition of ten", 10, () => ({
    script: [
      {
        at: 150,
        do: "cut",
        groups: [
          [0, 1, 2, 3, 4],
          [5, 6, 7, 8, 9],
        ],
      },
      { at: 1_200, do: "heal" },
    ],
  })),
  scenario("200 ms, 150 ms of jitter, half of it lost", 4, () => ({
    delay: 200,
    spread: 300,
    loss: 0.5,
    phaseOneMs: 8_000,
  })),
  scenario("certificates learned from the network", 4, () => ({ voteless: 2 })),
  scenario("burst: everything twice and at once", 7, () => ({ delay: 0, spread: 0, duplication: 1 })),
  scenario("a thousand views", 4, () => ({ views: 1_000 })),
  scenario("split views with nullify-only nodes", 7, () => ({
    byzantine: new Map([
      [1, "nullifyOnly"],
      [4, "nullifyOnly"],
    ]),
    loss: 0.2,
  })),
  scenario("some hold a certified view that others nullified", 4, () => ({
    verifyTime: 60,
    slow: { slot: 0, factor: 2 },
    spread: 40,
    loss: 0.1,
  })),
  scenario("joiner from a finalization floor", 4, () => ({ absent: new Set([0]), joinAtFloor: true })),
  scenario("certification refused", 4, () => ({
    careless: true,
    byzantine: new Map([[1, "badProposer"]]),
    phaseOneMs: 4_000,
  })),
  scenario("quiet chain, long empty intervals, a laggard", 4, () => ({
    busy: false,
    blockTime: 25,
    emptyInterval: 3_000,
    views: 12,
    drift: 0.02,
    script: [
      { at: 3_500, do: "cut", groups: [[0, 1, 2]] },
      { at: 7_000, do: "heal" },
    ],
    phaseOneMs: 10_000,
  })),
  scenario("blocks that take longer than the timers", 4, () => ({
    verifyTime: 150,
    buildTime: 100,
    phaseOneMs: 3_000,
  })),
  scenario("restored backup of the same run", 4, () => ({
    script: [
      { at: 300, do: "backup", slot: 2 },
      { at: 700, do: "restore", slot: 2 },
    ],
  })),
  scenario("more than f restored at once, and an operator who lifts the bar", 4, () => ({
    ...MANY_RESTORED,
    guardOverride: 1_024,
  })),
  scenario("shutdown storm: five nodes, ten times each", 5, (seed) => ({
    script: storm(seed, 5, 10, 1_400),
  })),
];
