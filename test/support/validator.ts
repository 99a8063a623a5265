// One validator as it runs, over a real chain, journal, guard and cryptography; only its clock and its network are
// given. The other three members are puppets that say what a test tells them to, with real signatures.
import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { CoreMessage } from "#consensus/events.ts";
import { DEFAULT_TIMING } from "#consensus/state.ts";
import type { Channel, Transport } from "#net/types.ts";
import { type ChainBody, createChainApplication, openChainBody } from "#node/consensus/chain-application.ts";
import type { Driver } from "#node/consensus/driver.ts";
import type { ConsensusEngine, EngineParts } from "#node/engine.ts";
import { createLogger } from "#node/log.ts";
import { createMetrics, type Metrics } from "#node/metrics.ts";
import { channelSpecs } from "#node/validators/channels.ts";
import { createCommittee } from "#node/validators/committee.ts";
import { type OpenClock, validatorEngine } from "#node/validators/engine.ts";
import { createGateway } from "#node/validators/gateway.ts";
import { encodeBlock } from "#types/block.ts";
import type { Header } from "#types/header.ts";
import { type Hash, ZERO_HASH } from "#types/ids.ts";
import { DEFAULT_MAX_BLOCK_BYTES } from "#types/limits.ts";
import { decodeMessage, type Message } from "#types/message.ts";
import type { Subject, Vote, VoteKind } from "#types/vote.ts";
import { openTestChain, type TestChain, testGenesis } from "./chain.ts";
import { openCommittee, type TestCommittee } from "./finality.ts";
import { until } from "./kora.ts";
import { createMemoryNetwork, type MemoryNetwork } from "./memory-transport.ts";
import { createRng } from "./rng.ts";

/** Shares are the same in every run, and so are the leaders of views. */
const KEY_SEED = 4;
/** Seconds of every clock at the start. */
const WALL = 2_000;
const CONSENSUS_CHANNELS: ReadonlySet<string> = new Set(["votes", "certificates", "resolver", "blocks"]);

/** Time that only a test moves. */
export interface ManualClock {
  readonly open: OpenClock;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Moves time and rings the alarm if it is due. */
  advance(ms: number): void;
  /** Whether an alarm is set. */
  readonly armed: () => boolean;
  /** Rings, whether it is set or not. */
  ring(): void;
}

function createManualClock(): ManualClock {
  let now = 0;
  let at = Number.POSITIVE_INFINITY;
  let ring = (): void => {};
  return {
    open: (wake) => {
      ring = wake;
      return {
        now: () => now,
        wall: () => WALL + now / 1000,
        alarm: (when) => {
          at = when;
        },
        [Symbol.dispose]: () => {
          at = Number.POSITIVE_INFINITY;
        },
      };
    },
    now: () => now,
    advance(ms) {
      now += ms;
      if (at > now) return;
      at = Number.POSITIVE_INFINITY;
      ring();
    },
    armed: () => at !== Number.POSITIVE_INFINITY,
    ring: () => ring(),
  };
}

/** A member that a test speaks for. */
export interface Puppet {
  readonly index: number;
  /** What it was sent, bodies and requests for them included, oldest first. */
  readonly heard: readonly Message[];
  say(message: CoreMessage): void;
  /** Signs and sends. */
  vote(subject: Subject): Vote;
  sendBody(body: ChainBody): void;
  /** Asks for a body. */
  ask(digest: Hash): void;
  /** Resolves once the validator has taken all that was said to it on the channel of votes. */
  heeded(): Promise<void>;
}

/** A committee of four on one chain, of which `me` is the validator under test. */
export interface Stage {
  readonly me: number;
  readonly committee: TestCommittee;
  readonly network: MemoryNetwork;
  readonly puppets: readonly Puppet[];
  readonly genesis: Hash;
  /** The block that an honest leader would build; the parent must have been built here too. */
  build(place: {
    readonly view: number;
    readonly parentView?: number;
    readonly parent?: Hash;
    readonly parentSeed?: Uint8Array;
  }): Promise<ChainBody>;
  /** The same block with other header fields, hashed anew. */
  alter(body: ChainBody, change: Partial<Header>): ChainBody;
  close(): Promise<void>;
}

export interface StageOptions {
  /** Index of the validator under test; index 1 leads view 1. */
  readonly me: number;
  /** Puppets that answer greetings with "I hold nothing of yours"; all by default. */
  readonly greeting?: readonly number[];
}

const genesisOf = () => testGenesis(10, { dev: false });

/** The puppet's half of a gateway: what it hears, and answers to greetings. */
function listen(heard: Message[], greet: (from: number) => void): Driver<ChainBody> {
  const driver: Partial<Driver<ChainBody>> = {
    message(from, message) {
      heard.push(message);
      if (message.type === "hello") greet(from);
    },
    body: (_from, { bytes }) => void heard.push({ type: "body", body: bytes }),
    bodyRequest: (_from, digest) => void heard.push({ type: "bodyRequest", digest }),
    connected() {},
  };
  return driver as Driver<ChainBody>;
}

/** The other members and what they stand on; the validator joins with `startValidator`, once or after a restart again. */
export async function openStage({ me, greeting = [0, 1, 2, 3] }: StageOptions): Promise<Stage> {
  const chain = openTestChain({ genesis: genesisOf() });
  const committee = await openCommittee(chain.genesisHash, createRng(KEY_SEED).bytes);
  const network = createMemoryNetwork();
  const keys = committee.members.map(({ identity }) => identity.publicKey);
  const specs = channelSpecs(DEFAULT_MAX_BLOCK_BYTES);
  const transports: Transport[] = [];
  const puppets: Puppet[] = [];
  for (const [index, { identity, votes }] of committee.members.entries()) {
    if (index === me) continue;
    const transport = network.join(identity.publicKey);
    transport.allow(keys);
    const gateway = createGateway<ChainBody>({
      transport,
      committee: createCommittee(keys, identity.publicKey),
      specs,
      maxBlockBytes: DEFAULT_MAX_BLOCK_BYTES,
      admit: () => "open",
      decodeBody: (bytes) => openChainBody(chain, bytes),
    });
    const heard: Message[] = [];
    const say = (message: CoreMessage): void => gateway.network.send(me, message);
    const answer = (): void => {
      if (greeting.includes(index)) say({ type: "echo", vote: undefined });
    };
    gateway.attach(listen(heard, answer));
    const echoes = (): number => heard.filter(({ type }) => type === "echo").length;
    puppets.push({
      index,
      heard,
      say,
      vote(subject) {
        let signed: Vote | undefined;
        votes.sign(subject, (vote) => {
          signed = vote;
        });
        if (signed === undefined) throw new Error("a puppet signs at once");
        say({ type: "vote", vote: signed });
        return signed;
      },
      sendBody: (body) => gateway.network.sendBody(me, body),
      ask: (digest) => gateway.network.requestBody(me, digest),
      async heeded() {
        const before = echoes();
        say({ type: "hello", view: 1 });
        await until(`an answer to ${index}`, () => echoes() > before);
      },
    });
    await transport.start();
    transports.push(transport);
  }
  const application = createChainApplication({
    chain,
    clock: { now: () => 0, wall: () => WALL },
    fail: (error) => {
      throw error;
    },
  });
  const { genesisHash: genesis } = chain;
  return {
    me,
    committee,
    network,
    puppets,
    genesis,
    build({ view, parentView = 0, parent = genesis, parentSeed }) {
      const context = { epoch: 0, view, parentView, parent, parentSeed };
      const prevRandao = committee.members[0]?.votes.prevRandao(parentSeed);
      const request = { context, prevRandao, deadline: Number.POSITIVE_INFINITY, empty: false };
      return new Promise((resolve, reject) => {
        application.build(request, (body) => {
          if (body === undefined) reject(new Error("the parent was not built here"));
          else resolve(body);
        });
      });
    },
    alter({ block }, change) {
      const header = { ...block.header, ...change };
      const bytes = encodeBlock({ header, transactions: block.transactions.map(({ raw }) => raw) });
      const opened = openChainBody(chain, bytes);
      if (opened === undefined) throw new Error("an altered header is still one");
      return opened;
    },
    async close() {
      for (const transport of transports) await transport.close();
      chain.close();
    },
  };
}

/** What a vote on a block says; a nullify names its view alone. */
export function subjectOf(kind: VoteKind, view: number, body?: ChainBody): Subject {
  const named = kind !== "nullify" && body !== undefined;
  const place = named ? { parentView: body.facts.parentView, payload: body.facts.digest } : undefined;
  return { kind, epoch: 0, view, ...(place ?? { parentView: 0, payload: ZERO_HASH }) };
}

export interface TestValidator {
  readonly engine: ConsensusEngine;
  readonly chain: TestChain;
  readonly metrics: Metrics;
  readonly clock: ManualClock;
  /** What it gave to its transport, in that order, by name. */
  readonly said: readonly string[];
  /** Failures after which the node must stop. */
  readonly failures: readonly unknown[];
  /** Another connection to its consensus.db. */
  readonly database: () => Database;
  readonly guard: string;
  stop(): Promise<void>;
}

export interface ValidatorOptions {
  /** Data directory. */
  readonly folder: string;
  /** Path of the guard file; in the data directory unless given. */
  readonly guard?: string;
  readonly guardOverride?: number;
  /** Looks at each consensus message at the moment it leaves. */
  readonly leaving?: (message: Message, disk: Pick<TestValidator, "database" | "guard">) => void;
  /** Between the engine and its chain. */
  readonly around?: (chain: TestChain) => EngineParts["chain"];
  /** Gets each warning as a line of JSON. */
  readonly log?: (line: string) => void;
  /** Instead of the manual clock. */
  readonly systemClock?: boolean;
}

/** What the tests call a message. */
function nameOf(message: Message): string {
  switch (message.type) {
    case "vote":
      return `${message.vote.kind} ${message.vote.view}`;
    case "certificates":
      return message.certificates.map(({ kind, view }) => `certificate ${kind} ${view}`).join(", ");
    default:
      return message.type;
  }
}

function observed(inner: Transport, leaving: (message: Message) => void): Transport {
  return {
    ...inner,
    open(spec, handler): Channel {
      const channel = inner.open(spec, handler);
      if (!CONSENSUS_CHANNELS.has(spec.name)) return channel;
      const look = (frame: Uint8Array): void => leaving(decodeMessage(frame, DEFAULT_MAX_BLOCK_BYTES));
      return {
        ...channel,
        send(to, frame) {
          look(frame);
          return channel.send(to, frame);
        },
        broadcast(frame) {
          look(frame);
          return channel.broadcast(frame);
        },
      };
    },
  };
}

/** Starts the stage's validator; after `stop` it can be started again on the same folder. */
export async function startValidator(stage: Stage, options: ValidatorOptions): Promise<TestValidator> {
  const { folder, guardOverride = 0, leaving, around = (chain) => chain, log } = options;
  const member = stage.committee.members[stage.me];
  if (member === undefined) throw new Error("the committee has four members");
  const chain = openTestChain({ directory: folder, genesis: genesisOf() });
  const clock = createManualClock();
  const guard = options.guard ?? join(folder, "guard");
  const said: string[] = [];
  const failures: unknown[] = [];
  let opened: Database | undefined;
  const database = (): Database => {
    opened ??= new Database(join(folder, "consensus.db"));
    return opened;
  };
  const parts: EngineParts = {
    chain: around(chain),
    state: chain.state,
    logger: createLogger({
      level: log === undefined ? "silent" : "warn",
      format: "json",
      write: log ?? (() => {}),
    }),
    metrics: createMetrics(),
    fail: (error) => failures.push(error),
  };
  const start = validatorEngine({
    identity: member.identity,
    listen: "",
    dialable: undefined,
    peers: [],
    maxBlockBytes: DEFAULT_MAX_BLOCK_BYTES,
    openTransport: ({ identity }) =>
      observed(stage.network.join(identity.publicKey), (message) => {
        said.push(nameOf(message));
        leaving?.(message, { database, guard });
      }),
    scheme: member.scheme,
    timing: DEFAULT_TIMING,
    guardOverride,
    directory: folder,
    guard,
    ...(options.systemClock !== true && { openClock: clock.open }),
  });
  let engine: ConsensusEngine;
  try {
    engine = await start(parts);
  } catch (thrown) {
    chain.close();
    throw thrown;
  }
  let stopped = false;
  return {
    engine,
    chain,
    metrics: parts.metrics,
    clock,
    said,
    failures,
    database,
    guard,
    async stop() {
      if (stopped) return;
      stopped = true;
      await engine[Symbol.asyncDispose]();
      opened?.close();
      chain.close();
    },
  };
}
