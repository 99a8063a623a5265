// What the network of a campaign stands on, and what can go wrong with its links: relays of our own on one loopback
// (cuts that both ends notice, delay and jitter of each connection and direction by itself, so that connections overtake
// one another), or machines of their own on a bridge (packets lost by a firewall).
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeNetwork, type TestNetwork } from "../../../support/network.ts";
import { type Arrivals, createArrivals, type Relay, startRelay } from "../../../support/relay.ts";
import type { Rng } from "../../../support/rng.ts";
import { insideSandbox, makeHosts, mountDisk, unmountDisk } from "../../../support/sandbox.ts";

/** Bad links, until they are healed. */
export interface BadLinks {
  /** Connections, packets or pieces that they have hit. */
  hits(): number;
  heal(): void;
  /** Who is without all others; a half that is apart leaves nobody a quorum. */
  readonly apart: ReadonlySet<number>;
}

export type LinkFault = (rng: Rng) => BadLinks;

export interface Ground extends AsyncDisposable {
  readonly network: TestNetwork;
  readonly linkFaults: Readonly<Record<string, LinkFault>>;
  /** What bad links hit here. */
  readonly hit: string;
  /** Whether each node's data is on a disk of its own. */
  readonly disks: boolean;
  /** What relays delivered to each node; empty where there are none. */
  readonly arrivals: readonly Arrivals[];
}

export type GroundName = "relays" | "namespaces";

export interface GroundOptions {
  readonly name: GroundName;
  readonly validators: number;
  readonly rng: Rng;
  readonly flags: readonly string[];
}

const BLOCK_TIME_SECONDS = 0.1;
const DISK_MEGABYTES = 128;

function sides(count: number, apart: number, rng: Rng): ReadonlySet<number> {
  return new Set(rng.shuffle(Array.from({ length: count }, (_, index) => index)).slice(0, apart));
}

/** Puts a relay into every link: the configurations then name relays instead of nodes. */
async function insertRelays(
  network: TestNetwork,
  rng: Rng,
  arrivals: readonly Arrivals[],
): Promise<ReadonlyMap<string, Relay>> {
  const tomls = network.nodes.map(({ folder }) => readFileSync(join(folder, "node.toml"), "utf8"));
  const listens = tomls.map((toml) => Number(/listen_addr = "127\.0\.0\.1:(\d+)"/.exec(toml)?.[1]));
  const relays = new Map<string, Relay>();
  for (const [from, node] of network.nodes.entries()) {
    let toml = tomls[from] as string;
    for (const [to, port] of listens.entries()) {
      if (to === from) continue;
      const ends = { target: arrivals[to] as Arrivals, dialer: arrivals[from] as Arrivals };
      const relay = await startRelay(port, rng.fork(), ends);
      relays.set(`${from}>${to}`, relay);
      toml = toml.replace(`@127.0.0.1:${port}"`, `@127.0.0.1:${relay.port}"`);
    }
    writeFileSync(join(node.folder, "node.toml"), toml);
  }
  return relays;
}

type LinkChange = (state: Relay["state"], from: number, to: number) => void;

const NOBODY: ReadonlySet<number> = new Set();

function relayFaults(
  relays: ReadonlyMap<string, Relay>,
  arrivals: readonly Arrivals[],
): Ground["linkFaults"] {
  const count = arrivals.length;
  const sum = <T>(all: Iterable<T>, of: (one: T) => number): number =>
    [...all].reduce((total, one) => total + of(one), 0);
  function change(act: LinkChange): void {
    for (const [name, relay] of relays) {
      const [from, to] = name.split(">").map(Number) as [number, number];
      act(relay.state, from, to);
      relay.apply();
    }
  }
  const begin = (
    act: LinkChange,
    apart: ReadonlySet<number>,
    hitsOf: () => number,
  ): ReturnType<LinkFault> => {
    const before = hitsOf();
    change(act);
    return {
      apart,
      hits: () => hitsOf() - before,
      heal: () => change((state) => Object.assign(state, { cut: false, delay: 0, jitter: 0 })),
    };
  };
  const separate = (side: ReadonlySet<number>): BadLinks =>
    begin(
      (state, from, to) => {
        state.cut = side.has(from) !== side.has(to);
      },
      side,
      () => sum(relays.values(), (relay) => relay.cuts()),
    );
  return {
    isolateOne: (rng) => separate(sides(count, 1, rng)),
    halves: (rng) => separate(sides(count, count >> 1, rng)),
    // What it is for is that some overtake others.
    slowLinks: (rng) =>
      begin(
        (state) => Object.assign(state, { delay: rng.unit() * 200, jitter: 150 }),
        NOBODY,
        () => sum(arrivals, ({ overtaken }) => overtaken),
      ),
  };
}

async function onRelays({ validators, flags, rng }: GroundOptions): Promise<Ground> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(makeNetwork({ validators, blockTime: BLOCK_TIME_SECONDS, flags }));
  if (insideSandbox) mountDisks(network, stack);
  const arrivals = network.nodes.map(createArrivals);
  const relays = await insertRelays(network, rng, arrivals);
  for (const relay of relays.values()) stack.defer(() => relay.close());
  const owned = stack.move();
  return {
    network,
    hit: "connections cut or pieces overtaken",
    linkFaults: relayFaults(relays, arrivals),
    disks: insideSandbox,
    arrivals,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function mountDisks({ nodes }: TestNetwork, stack: AsyncDisposableStack): void {
  for (const { folder } of nodes) {
    const data = join(folder, "data");
    mkdirSync(data, { recursive: true });
    mountDisk(data, DISK_MEGABYTES);
    stack.defer(() => unmountDisk(data));
  }
}

function onNamespaces({ validators, flags }: GroundOptions): Ground {
  using stack = new DisposableStack();
  const machines = stack.use(makeHosts(validators));
  const { hosts, block, lose, heal, dropped: hits } = machines;
  const owned = new AsyncDisposableStack();
  owned.use(stack.move());
  const network = owned.use(makeNetwork({ validators, blockTime: BLOCK_TIME_SECONDS, flags, hosts }));
  mountDisks(network, owned);
  const all = Array.from({ length: validators }, (_, index) => index);
  const separate = (side: ReadonlySet<number>): BadLinks => {
    for (const from of all) {
      for (const to of all) if (side.has(from) !== side.has(to)) block(from, to);
    }
    return { hits, heal, apart: side };
  };
  return {
    network,
    disks: true,
    arrivals: [],
    hit: "packets dropped",
    linkFaults: {
      partitionOne: (rng) => separate(sides(validators, 1, rng)),
      partitionHalves: (rng) => separate(sides(validators, validators >> 1, rng)),
      longPartition: (rng) => separate(sides(validators, validators >> 1, rng)),
      oneWay(rng) {
        const [from, to] = rng.shuffle([...all]) as [number, number];
        block(from, to);
        return { hits, heal, apart: NOBODY };
      },
      deaf(rng) {
        const to = rng.pick(all);
        for (const from of all) if (from !== to) block(from, to);
        return { hits, heal, apart: new Set([to]) };
      },
      loss(rng) {
        for (const to of all) lose(to, 1 + rng.below(25));
        return { hits, heal, apart: NOBODY };
      },
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A network with its configurations, disks and links; no node runs yet. */
export async function makeGround(options: GroundOptions): Promise<Ground> {
  return options.name === "relays" ? await onRelays(options) : onNamespaces(options);
}
