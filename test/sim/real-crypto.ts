// The real thing behind the simulator: dealt threshold keys over BLS12-381 and ed25519 identities, through the very scheme
// that validators use. Slow, so views are few; what it adds is that adversaries' bytes are real points or none.
import type { Bls } from "#crypto/bls.ts";
import { deal } from "#crypto/deal.ts";
import { keccakHash, sha256 } from "#crypto/hash.ts";
import { identityFromSeed } from "#crypto/identity.ts";
import { createThresholdScheme } from "#crypto/threshold.ts";
import { concatBytes, utf8 } from "#lib/bytes.ts";
import { Writer } from "#lib/codec.ts";
import { createThresholdVotes } from "#node/validators/votes.ts";
import type { Certificate } from "#types/certificate.ts";
import { bytesOf } from "#types/ids.ts";
import { encodeUnsealed, type Subject, type Vote } from "#types/vote.ts";
import { createRng } from "../support/rng.ts";
import { GENESIS } from "./chain.ts";
import type { StandIn } from "./stand-in.ts";

/** A committee of n whose keys follow from `seed`. */
export function createRealCrypto(bls: Bls, n: number, seed: number): StandIn {
  const rng = createRng(seed);
  const identities = Array.from({ length: n }, () => identityFromSeed(rng.bytes(32))).sort((a, b) =>
    a.publicKey < b.publicKey ? -1 : 1,
  );
  const { key, shares } = deal(
    bls,
    identities.map(({ publicKey }) => publicKey),
    (length) => rng.bytes(length),
  );
  const ports = shares.map((share, index) =>
    createThresholdVotes(createThresholdScheme(bls, key, share), identities[index], GENESIS),
  );
  const anyone = createThresholdVotes(createThresholdScheme(bls, key), undefined, GENESIS);
  // Written down a second time on purpose: R14's envelope domain, length-prefixed purpose and genesis.
  const envelopeDomain = sha256(new Writer().bytes(utf8("KORA_ENVELOPE")).raw(bytesOf(GENESIS)).finish());
  const certificates = new Map<string, Certificate>();
  const lotteries = new Map<string, Uint8Array>();

  function vote(signer: number, subject: Subject): Vote {
    let made: Vote | undefined;
    ports[signer]!.sign(subject, (signed) => {
      made = signed;
    });
    return made!;
  }
  function certificate({ kind, epoch, view, parentView, payload }: Subject): Certificate {
    const subject = { kind, epoch, view, parentView, payload };
    const name = `${kind}/${epoch}/${view}/${parentView}/${payload}`;
    const known = certificates.get(name);
    if (known !== undefined) return known;
    const votes = Array.from({ length: key.threshold }, (_, signer) => vote(signer, subject));
    let made: Certificate | undefined;
    anyone.recover(subject, votes, ({ result }) => {
      made = result?.certificate;
      if (result?.lottery !== undefined) lotteries.set(result.certificate.seed.toHex(), result.lottery);
    });
    certificates.set(name, made!);
    return made!;
  }
  let examined = false;
  return {
    vote,
    seal: (unsealed) => {
      const { signer } = unsealed;
      const envelope = identities[signer]!.sign(concatBytes(envelopeDomain, encodeUnsealed(unsealed)));
      return { ...unsealed, envelope };
    },
    authentic: anyone.authenticate,
    partialGood(given) {
      anyone.examinePartial(given, (valid) => {
        examined = valid;
      });
      return examined;
    },
    certificateGood(given) {
      anyone.examine([given], [undefined], ([result]) => {
        examined = result?.valid === true;
      });
      return examined;
    },
    certificate,
    lottery: (given) => lotteries.get(given.toHex())!,
    randao: (given) => keccakHash(given ?? bytesOf(GENESIS)),
    port(signer, onCertificate) {
      const base = signer === undefined ? anyone : ports[signer]!;
      return {
        ...base,
        recover: (subject, votes, done) =>
          base.recover(subject, votes, (recovery) => {
            if (recovery.result !== undefined) onCertificate(votes, subject);
            done(recovery);
          }),
      };
    },
  };
}
