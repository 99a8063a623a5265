// kora proof verify: checks an answer of kora_getProof or kora_getFinalization with nothing but the group's public key
// and the chain's genesis hash: certificate, header, state root, values. Asks no node anything.
import { readFileSync, statSync } from "node:fs";
import { openBls } from "#crypto/bls.ts";
import { headerHash } from "#crypto/digest.ts";
import { groupVerifier } from "#crypto/threshold.ts";
import { fromHex, isHex, toHex } from "#lib/bytes.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { createCertificateVerifier } from "#node/validators/votes.ts";
import { decodeProof, verifyState } from "#state/verify.ts";
import { decodeCertificate } from "#types/certificate.ts";
import { decodeHeader, type Header } from "#types/header.ts";
import { address, type Hash, hash } from "#types/ids.ts";
import { hasFlag, textFlag, usageError } from "./args.ts";
import type { Args, CommandContext, CommandRun } from "./command.ts";

const MAX_FILE_BYTES: number = 64 * 1024 * 1024;
const PUBLIC_KEY = /^(?:0x)?([0-9a-fA-F]{96})$/;
const HASH = /^0x[0-9a-fA-F]{64}$/;

type Json = Readonly<Record<string, unknown>>;

function wrong(why: string): KoraError {
  return new KoraError("the proof does not hold", {
    code: "PROOF_WRONG",
    why,
    hint: "do not rely on it; ask another node, and check --group-public-key and --genesis-hash",
  });
}

function readAnswer(path: string): Json {
  try {
    if (statSync(path).size > MAX_FILE_BYTES)
      throw usageError(`${path} is too large`, "no proof is", "name another");
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null) throw wrong("the file holds no object");
    return "result" in value ? (value.result as Json) : (value as Json);
  } catch (thrown) {
    if (thrown instanceof KoraError) throw thrown;
    throw usageError(
      `cannot read ${path}`,
      messageOf(thrown),
      "name a file with the answer of kora_getProof",
    );
  }
}

function bytesIn(of: Json, name: string): Uint8Array {
  const value = of[name];
  if (!isHex(value)) throw wrong(`it has no ${name}`);
  return fromHex(value);
}

interface Trust {
  readonly groupPublicKey: Uint8Array;
  readonly genesis: Hash;
}

function trustOf(args: Args): Trust {
  const key = PUBLIC_KEY.exec(textFlag(args, "group-public-key") ?? "")?.[1];
  const genesis = textFlag(args, "genesis-hash") ?? "";
  if (key === undefined) {
    throw usageError("--group-public-key is missing", "it is 48 bytes of hex", "take it from output.json");
  }
  if (!HASH.test(genesis)) {
    throw usageError(
      "--genesis-hash is missing",
      "it is 32 bytes of 0x-hex",
      "kora genesis hash genesis.json",
    );
  }
  return { groupPublicKey: Uint8Array.fromHex(key), genesis: hash(genesis) };
}

/** The header that `of` anchors in, final by its certificate under the group's key. Throws PROOF_WRONG. */
async function finalHeader(of: Json, { groupPublicKey, genesis }: Trust): Promise<Header> {
  const header = decodeHeader(bytesIn(of, "header"));
  const certificate = decodeCertificate(bytesIn(of, "certificate"));
  if (certificate.kind !== "finalize") throw wrong("its certificate is not a finalization");
  if (certificate.payload !== headerHash(header)) throw wrong("its certificate is of another block");
  const bls = await openBls();
  if (!bls.isPublicKey(groupPublicKey)) {
    throw usageError("--group-public-key is no key", "it is not in the group", "take it from output.json");
  }
  const verifier = createCertificateVerifier(groupVerifier(bls, groupPublicKey), genesis);
  if (verifier.examine([certificate], [undefined])[0]?.valid !== true) {
    throw wrong("its certificate is not signed by the group on this chain");
  }
  return header;
}

interface Proven {
  readonly lines: readonly string[];
  readonly json: Json;
}

/** The values that an answer of kora_getProof proves under `header`. */
function provenValues(answer: Json, header: Header): Proven {
  const at = Number(answer["blockNumber"]);
  // Of later blocks a root says nothing, so whatever is claimed of them would seem to hold.
  if (!(Number.isSafeInteger(at) && at >= 0 && at <= header.number)) {
    throw wrong(`block ${answer["blockNumber"]} is none that block ${header.number} could prove`);
  }
  const of = address(String(answer["address"]));
  if (!Array.isArray(answer["slots"])) throw wrong("it has no slots");
  const keys = (answer["slots"] as readonly Json[]).map((slot) => hash(String(slot?.["key"])));
  const height = at === header.number ? undefined : at;
  const proof = decodeProof(bytesIn(answer, "proof"));
  const { account, slots } = verifyState(header.stateRoot, of, keys, proof, height);
  const values = keys.map((key, index) => ({ key, value: toHex(slots[index] ?? new Uint8Array()) }));
  const facts = account && {
    nonce: String(account.nonce),
    balance: String(account.balance),
    codeHash: account.codeHash,
  };
  return {
    lines: [
      `at block ${at}, account ${of}`,
      account === undefined
        ? "absent"
        : `nonce ${account.nonce}, balance ${account.balance} wei, code ${account.codeHash}`,
      ...values.map(({ key, value }) => `slot ${key} = ${value}`),
    ],
    json: { blockNumber: at, address: of, account: facts ?? null, slots: values },
  };
}

/** `kora proof verify FILE`: exit code 0 when everything holds. */
export const proofVerify: CommandRun = async ({ args, out }: CommandContext) => {
  const trust = trustOf(args);
  const answer = readAnswer(args.operands[0] as string);
  const anchor =
    typeof answer["anchor"] === "object" && answer["anchor"] !== null ? answer["anchor"] : answer;
  try {
    const header = await finalHeader(anchor as Json, trust);
    const proven = "proof" in answer ? provenValues(answer, header) : undefined;
    const final = { number: header.number, hash: headerHash(header), stateRoot: header.stateRoot };
    if (hasFlag(args, "json")) out(JSON.stringify({ final, proven: proven?.json ?? null }));
    else out([`block ${final.number} ${final.hash} is final`, ...(proven?.lines ?? [])].join("\n"));
    return 0;
  } catch (thrown) {
    if (thrown instanceof KoraError && /^BAD_|^PROOF_/.test(thrown.code))
      throw wrong(thrown.why ?? thrown.message);
    throw thrown;
  }
};
