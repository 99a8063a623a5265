// Final blocks with certificates of a real committee of four, for whatever fetches, checks or announces them.

import { parseGenesis } from "#chain/genesis-file.ts";
import { positionOf } from "#chain/header-rules.ts";
import { openBls } from "#crypto/bls.ts";
import { deal, type RandomSource } from "#crypto/deal.ts";
import { type Identity, identityFromSeed } from "#crypto/identity.ts";
import { createThresholdScheme, type ThresholdScheme } from "#crypto/threshold.ts";
import type { SchemePort } from "#node/consensus/ports.ts";
import {
  type CertificateVerifier,
  createCertificateVerifier,
  createThresholdVotes,
} from "#node/validators/votes.ts";
import type { Archive } from "#state/types.ts";
import type { Block } from "#types/block.ts";
import { type Certificate, encodeCertificate } from "#types/certificate.ts";
import type { Hash } from "#types/ids.ts";
import type { Subject, Vote, VoteKind } from "#types/vote.ts";
import { openTestChain, type TestChain, testSeed } from "./chain.ts";

export const COMMITTEE: readonly Identity[] = [1, 2, 3, 4].map((i) =>
  identityFromSeed(new Uint8Array(32).fill(i)),
);

export interface FinalChain {
  readonly chain: TestChain;
  readonly blocks: readonly Block[];
  /** The chain's archive, with a certificate at every `every`-th height. */
  readonly archive: Archive;
  readonly verifier: CertificateVerifier;
  certify(block: Block, kind?: VoteKind): Certificate;
}

/** One member of the committee, with its share. */
export interface TestMember {
  readonly identity: Identity;
  readonly scheme: ThresholdScheme;
  readonly votes: SchemePort;
}

/** A signer and a verifier of certificates of one chain. */
export interface TestCommittee extends Pick<FinalChain, "verifier"> {
  /** Compressed, hex without 0x. */
  readonly groupPublicKey: string;
  /** By index. */
  readonly members: readonly TestMember[];
  /** The certificate of any subject. */
  sign(subject: Subject): Certificate;
  certify(block: Block, kind?: VoteKind): Certificate;
}

/** A committee of the chain that begins with `genesis`, each time another unless `random` says what its key is made of. */
export async function openCommittee(genesis: Hash, random?: RandomSource): Promise<TestCommittee> {
  const bls = await openBls();
  const { key, shares } = deal(
    bls,
    COMMITTEE.map(({ publicKey }) => publicKey),
    random,
  );
  const members = shares.map((share): TestMember => {
    const identity = COMMITTEE.find(({ publicKey }) => publicKey === key.participants[share.index]);
    if (identity === undefined) throw new Error("every share is a member's");
    const scheme = createThresholdScheme(bls, key, share);
    return { identity, scheme, votes: createThresholdVotes(scheme, identity, genesis) };
  });
  function sign(subject: Subject): Certificate {
    const votes: Vote[] = [];
    for (const member of members.slice(0, key.threshold))
      member.votes.sign(subject, (vote) => votes.push(vote));
    let certificate: Certificate | undefined;
    members[0]?.votes.recover(subject, votes, ({ result }) => {
      certificate = result?.certificate;
    });
    if (certificate === undefined) throw new Error("the committee's votes make no certificate");
    return certificate;
  }
  return {
    groupPublicKey: createThresholdScheme(bls, key).groupPublicKey.toHex(),
    members,
    verifier: createCertificateVerifier(createThresholdScheme(bls, key), genesis),
    sign,
    certify({ header, hash }, kind = "finalize") {
      const { epoch, view, parentView } = positionOf(header);
      return sign({ kind, epoch, view, parentView, payload: hash });
    },
  };
}

/** `count` empty blocks on a chain of their own. */
export async function makeFinalChain(count: number, every: number): Promise<FinalChain> {
  const chain = openTestChain();
  const committee = await openCommittee(chain.genesisHash);
  const blocks: Block[] = [];
  const certificates = new Map<number, Uint8Array>();
  for (let height = 1; height <= count; height++) {
    const block = await chain.produce();
    blocks.push(block);
    if (height % every === 0) certificates.set(height, encodeCertificate(committee.certify(block)));
  }
  const { archive } = chain.state;
  return {
    chain,
    blocks,
    ...committee,
    archive: {
      ...archive,
      block(height) {
        const stored = archive.block(height);
        return stored && { ...stored, certificate: certificates.get(height) };
      },
    },
  };
}

export interface StoredChainOptions {
  /** Becomes a data directory. */
  readonly directory: string;
  /** In the form of a genesis file. */
  readonly genesis: Record<string, unknown>;
  readonly blocks: number;
  /** Blocks between two finalizations that are kept. */
  readonly every: number;
  /** Wire forms of what the block at a height takes. */
  readonly transactions?: (height: number) => readonly Uint8Array[];
}

export interface StoredChain {
  readonly groupPublicKey: string;
  readonly genesisHash: Hash;
  readonly blocks: readonly Block[];
  certify(block: Block): Certificate;
}

/** A chain of a committee in a data directory, as a node would have left it there. */
export async function makeStoredChain(options: StoredChainOptions): Promise<StoredChain> {
  const { directory, blocks: count, every } = options;
  const chain = openTestChain({ directory, genesis: parseGenesis(options.genesis) });
  const { application, ledger, service } = chain;
  const committee = await openCommittee(chain.genesisHash);
  const blocks: Block[] = [];
  const start = ledger.tip().header.timestamp;
  for (let view = 1; view <= count; view++) {
    for (const raw of options.transactions?.(view) ?? []) {
      const submission = service.submit(raw, "peer");
      if (submission.kind === "rejected") throw new Error(submission.message);
    }
    const context = { epoch: 0, view, parentView: view - 1, now: start + view, expired: () => false };
    const block = await application.propose(ledger.tip().hash, context);
    if (block === undefined) throw new Error("the tip can always be built on");
    blocks.push(block);
    const certificate = view % every === 0 || view === count ? committee.certify(block) : undefined;
    await application.finalize(block.hash, {
      certificate: certificate && encodeCertificate(certificate),
      seed: certificate?.seed ?? testSeed(0, view),
    });
  }
  chain.close();
  const { groupPublicKey, certify } = committee;
  return { groupPublicKey, genesisHash: chain.genesisHash, blocks, certify };
}
