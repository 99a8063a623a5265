// The methods that only a local chain has: mining, its unlocked accounts and who it says it is. JSON in, JSON-ready
// data out; bad parameters are KoraErrors that the RPC server knows (INVALID_PARAMS, INVALID_INPUT).
import type { Chain } from "#chain/chain.ts";
import type { Submission } from "#chain/service.ts";
import { type Hex, toHex } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";
import { createQueue, type Queue } from "#lib/queue.ts";
import type { Notes } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import type { Address } from "#types/ids.ts";
import { decodeTransaction, type SignedTransaction } from "#types/transaction.ts";
import { type DevAccounts, personalDigest } from "./accounts.ts";
import type { LocalChain } from "./local-chain.ts";
import { MAX_INTERVAL_MS } from "./miner.ts";
import { addressAt, count, flag, invalidParams, messageAt, optionalQuantity } from "./parameters.ts";
import { settable } from "./time.ts";
import { typedDataDigest } from "./typed-data.ts";

/** A method: decoded JSON parameters in, JSON-ready data out. */
export type DevMethod = (parameters: readonly unknown[]) => unknown;
export type DevMethods = Readonly<Record<string, DevMethod>>;

export interface DevMethodParts {
  readonly chain: Chain;
  readonly local: LocalChain;
  readonly accounts: DevAccounts;
  readonly identity: DevIdentity;
  /**
   * Completes what a client left out of a transaction, as eth_fillTransaction does; answers the wire form with an
   * empty signature.
   */
  readonly fill: (request: Readonly<Record<string, unknown>>) => Promise<Uint8Array>;
}

export interface DevIdentity {
  /** `anvil/kora-v…`: hardhat's and foundry's helpers ask for a name that begins so. */
  readonly clientVersion: string;
  readonly version: string;
  readonly commit: string;
  /** 32 bytes, the same for the life of a data directory. */
  readonly instanceId: Hex;
}

const INSTANCE_NOTE = "instance-id";

/** The instance id noted in a data directory; a fresh one from `random` (32 bytes) is noted where there is none. */
export function instanceIdOf(notes: Notes, random: () => Uint8Array): Hex {
  const noted = notes.get(INSTANCE_NOTE) ?? random();
  notes.set(INSTANCE_NOTE, noted);
  return toHex(noted);
}

/** Blocks that one call may mine: more would keep the node busy for minutes. */
export const MAX_MINED_BLOCKS = 1_000_000;

const quantity = (value: number | bigint): Hex => `0x${value.toString(16)}`;

function mineParameters(parameters: readonly unknown[]): { timestamp: number | undefined; blocks: number } {
  const [first] = parameters;
  if (typeof first === "object" && first !== null) {
    const { timestamp, blocks } = first as { timestamp?: unknown; blocks?: unknown };
    const seconds = optionalQuantity([timestamp], 0);
    return { timestamp: seconds === undefined ? undefined : Number(seconds), blocks: count([blocks], 0, 1) };
  }
  const seconds = optionalQuantity(parameters, 0);
  return { timestamp: seconds === undefined ? undefined : Number(seconds), blocks: 1 };
}

function checkCount(blocks: number): number {
  if (blocks > MAX_MINED_BLOCKS) throw invalidParams(`at most ${MAX_MINED_BLOCKS} blocks in one call`);
  return blocks;
}

function checkTimestamp(chain: Chain, timestamp: number): void {
  const tip = chain.ledger.tip().header.timestamp;
  if (settable(timestamp) > tip) return;
  throw new KoraError(`Timestamp error: ${timestamp} is lower than or equal to previous block's timestamp`, {
    code: "INVALID_PARAMS",
    why: `the last block's is ${tip}`,
  });
}

function miningMethods({ chain, local }: DevMethodParts): DevMethods {
  const { miner, clock } = local;
  const evmMine = (parameters: readonly unknown[]): Promise<readonly Block[]> => {
    const { timestamp, blocks } = mineParameters(parameters);
    return miner.mine(checkCount(blocks), (index) => {
      if (timestamp === undefined || index > 0) return;
      checkTimestamp(chain, timestamp);
      chain.inputs.set({ timestamp });
    });
  };
  const mine = async (parameters: readonly unknown[]): Promise<null> => {
    const interval = count(parameters, 1, 0);
    await miner.mine(checkCount(count(parameters, 0, 1)), () => {
      if (interval > 0) clock.increase(interval);
    });
    return null;
  };
  const getAutomine = (): boolean => miner.mode.automine;
  const setAutomine = (parameters: readonly unknown[]): boolean => {
    const automine = flag(parameters, 0);
    // As anvil has it: automine replaces an interval, and switching off what is not on changes nothing.
    if (automine) miner.setMode({ automine, interval: undefined });
    else if (miner.mode.automine) miner.setMode({ ...miner.mode, automine });
    return true;
  };
  const setInterval = (parameters: readonly unknown[]): boolean => {
    const seconds = count(parameters, 0);
    if (seconds * 1000 > MAX_INTERVAL_MS) {
      throw invalidParams(`an interval of ${seconds} seconds is too long, at most ${MAX_INTERVAL_MS / 1000}`);
    }
    miner.setMode({ automine: false, interval: seconds === 0 ? undefined : seconds * 1000 });
    return true;
  };
  return {
    evm_mine: async (parameters) => {
      await evmMine(parameters);
      return "0x0";
    },
    anvil_mine: mine,
    hardhat_mine: mine,
    evm_setAutomine: setAutomine,
    anvil_setAutomine: setAutomine,
    anvil_getAutomine: getAutomine,
    hardhat_getAutomine: getAutomine,
    evm_setIntervalMining: setInterval,
    anvil_setIntervalMining: setInterval,
    anvil_getIntervalMining: () => {
      const { interval } = miner.mode;
      return interval === undefined ? null : interval / 1000;
    },
  };
}

function answer(submission: Submission): string {
  if (submission.kind === "accepted") return submission.hash;
  throw new KoraError(submission.message, { code: "INVALID_INPUT" });
}

function senderOf(parts: DevMethodParts, request: Readonly<Record<string, unknown>>): Address {
  if (request["from"] !== undefined && request["from"] !== null) return addressAt([request["from"]], 0);
  const [first] = parts.accounts.addresses;
  if (first === undefined) throw new KoraError("unknown account", { code: "INVALID_INPUT" });
  return first;
}

/** What an account is asked to send or to sign. */
interface Requested {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly from: Address;
  /** Of this account's sends. */
  readonly queue: Queue;
}

/** Sending and signing with unlocked accounts. Sends of one follow one another, so that each gets its own nonce. */
function accountMethods(parts: DevMethodParts): DevMethods {
  const { accounts, local } = parts;
  const queues = new Map(accounts.addresses.map((at) => [at, createQueue()] as const));
  const requested = (parameters: readonly unknown[]): Requested => {
    const [request] = parameters;
    if (typeof request !== "object" || request === null)
      throw invalidParams("missing value for required argument 0");
    const fields = request as Readonly<Record<string, unknown>>;
    const from = senderOf(parts, fields);
    const queue = queues.get(from);
    if (queue === undefined) throw new KoraError("unknown account", { code: "INVALID_INPUT" });
    return { fields, from, queue };
  };
  const signed = async ({ fields, from }: Requested): Promise<SignedTransaction> =>
    accounts.signTransaction(from, decodeTransaction(await parts.fill({ ...fields, from })));
  const send = async (parameters: readonly unknown[]): Promise<string> => {
    const request = requested(parameters);
    // Only filling and pooling have to be one step; what is mined afterwards may overlap.
    const { submission } = await request.queue(async () => ({
      submission: local.submitOpened(await signed(request)),
    }));
    return answer(await submission);
  };
  const list = (): readonly Address[] => accounts.addresses;
  const signMessage = (at: Address, message: Uint8Array): Hex =>
    toHex(accounts.sign(at, personalDigest(message)));
  const signTyped = (parameters: readonly unknown[]): Hex =>
    toHex(accounts.sign(addressAt(parameters, 0), typedDataDigest(parameters[1])));
  return {
    eth_accounts: list,
    eth_requestAccounts: list,
    eth_sendTransaction: send,
    eth_signTransaction: async (parameters) => toHex((await signed(requested(parameters))).raw),
    eth_sign: (parameters) => signMessage(addressAt(parameters, 0), messageAt(parameters, 1)),
    personal_sign: (parameters) => signMessage(addressAt(parameters, 1), messageAt(parameters, 0)),
    eth_signTypedData: signTyped,
    eth_signTypedData_v3: signTyped,
    eth_signTypedData_v4: signTyped,
  };
}

function identityMethods({ chain, identity }: DevMethodParts): DevMethods {
  const metadata = (): unknown => {
    const { header, hash } = chain.ledger.tip();
    return {
      clientVersion: identity.clientVersion,
      clientSemver: identity.version,
      clientCommitSha: identity.commit,
      chainId: Number(chain.rules.chain.chainId),
      latestBlockHash: hash,
      latestBlockNumber: header.number,
      instanceId: identity.instanceId,
      forkedNetwork: null,
      snapshots: {},
    };
  };
  return {
    anvil_nodeInfo: () => {
      const { header, hash } = chain.ledger.tip();
      const { baseFeePerGas: baseFee = 0n } = header;
      return {
        currentBlockNumber: quantity(header.number),
        currentBlockTimestamp: header.timestamp,
        currentBlockHash: hash,
        hardFork: chain.rules.chain.hardforkAt(header.number, header.timestamp),
        transactionOrder: "fees",
        environment: {
          baseFee: quantity(baseFee),
          chainId: Number(chain.rules.chain.chainId),
          gasLimit: quantity(header.gasLimit),
          gasPrice: quantity(baseFee + 1_000_000_000n),
        },
        forkConfig: { forkUrl: null, forkBlockNumber: null, forkRetryBackoff: null },
        network: null,
      };
    },
    anvil_metadata: metadata,
    hardhat_metadata: metadata,
  };
}

/** Every method of a local chain by its full name. */
export function createDevMethods(parts: DevMethodParts): DevMethods {
  return { ...miningMethods(parts), ...accountMethods(parts), ...identityMethods(parts) };
}
