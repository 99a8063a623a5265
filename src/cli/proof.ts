// kora proof verify: checks an answer of kora_getProof or kora_getFinalization with nothing but the group's public key
// and the chain's genesis hash: certificate, header, state root, values, and that whatever the answer says beside its
// proof is what the proof shows. Asks no node anything.
import { readFileSync, statSync } from "node:fs";
import { openBls } from "#crypto/bls.ts";
import { headerHash } from "#crypto/digest.ts";
import { groupVerifier } from "#crypto/threshold.ts";
import { fromHex, type Hex, isHex, toHex } from "#lib/bytes.ts";
import { KoraError, messageOf } from "#lib/error.ts";
import { createCertificateVerifier } from "#node/validators/votes.ts";
import { decodeProof, verifyState } from "#state/verify.ts";
import { decodeCertificate } from "#types/certificate.ts";
import { decodeHeader, type Header } from "#types/header.ts";
import { address, type Hash, type Height, hash, height } from "#types/ids.ts";
import { hasFlag, textFlag, usageError } from "./args.ts";
import type { Args, CommandContext, CommandRun } from "./command.ts";

const MAX_FILE_BYTES: number = 64 * 1024 * 1024;
const PUBLIC_KEY = /^(?:0x)?([0-9a-fA-F]{96})$/;
const HASH = /^0x[0-9a-fA-F]{64}$/;
const QUANTITY = /^0x(?:0|[1-9a-f][0-9a-f]{0,12})$/i;
/** What JSON-RPC puts around an answer. */
const ENVELOPE: ReadonlySet<string> = new Set(["jsonrpc", "id", "result"]);
/** Letters of a field's name that an error repeats. */
const MAX_NAME = 40;

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;
const quantity = (value: number | bigint): Hex => `0x${value.toString(16)}`;

function wrong(why: string): KoraError {
  return new KoraError("the proof does not hold", {
    code: "PROOF_WRONG",
    why,
    hint: "do not rely on it; ask another node, and check --group-public-key and --genesis-hash",
  });
}

/** Whether `value` is JSON-RPC around an answer. With anything beside it, it is what a node made up to look like it. */
function isEnvelope(value: unknown): value is Json {
  return isObject(value) && "result" in value && Object.keys(value).every((name) => ENVELOPE.has(name));
}

function readAnswer(path: string): Json {
  try {
    if (statSync(path).size > MAX_FILE_BYTES)
      throw usageError(`${path} is too large`, "no proof is", "name another");
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    const answer = isEnvelope(value) ? value["result"] : value;
    if (!isObject(answer)) throw wrong("the file holds no object");
    return answer;
  } catch (thrown) {
    if (thrown instanceof KoraError) throw thrown;
    throw usageError(
      `cannot read ${path}`,
      messageOf(thrown),
      "name a file with the answer of kora_getProof or kora_getFinalization",
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

function unusable(args: Args, flag: string, form: string, hint: string): KoraError {
  const given = textFlag(args, flag);
  const what = given === undefined ? "is missing" : `cannot be "${given.slice(0, MAX_NAME)}"`;
  return usageError(`--${flag} ${what}`, form, hint);
}

function trustOf(args: Args): Trust {
  const key = PUBLIC_KEY.exec(textFlag(args, "group-public-key") ?? "")?.[1];
  const genesis = textFlag(args, "genesis-hash") ?? "";
  if (key === undefined) {
    throw unusable(args, "group-public-key", "it is 48 bytes of hex", "take it from output.json");
  }
  if (!HASH.test(genesis)) {
    throw unusable(args, "genesis-hash", "it is 32 bytes of 0x-hex", "kora genesis hash genesis.json");
  }
  return { groupPublicKey: Uint8Array.fromHex(key), genesis: hash(genesis) };
}

/** The first field of `claimed` that does not say what `proven` does, as an operator reads it. */
export function contradiction(claimed: unknown, proven: unknown, path = ""): string | undefined {
  if (proven === undefined)
    return `it says ${JSON.stringify(path.slice(-MAX_NAME))}, of which nothing is proven`;
  // An empty list has no field that could be wrong, and is still no object.
  if (isObject(claimed) && isObject(proven) && Array.isArray(claimed) === Array.isArray(proven)) {
    for (const [name, value] of Object.entries(claimed)) {
      const known = Object.hasOwn(proven, name) ? proven[name] : undefined;
      const found = contradiction(value, known, path === "" ? name : `${path}.${name}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const same = typeof claimed === "string" ? claimed.toLowerCase() === proven : claimed === proven;
  if (same) return undefined;
  return `its ${path} is not what is proven${isObject(proven) ? "" : `: ${proven}`}`;
}

/** Throws PROOF_WRONG unless each field of `claimed` says what `proven` does. It may leave fields out. */
function requireClaims(claimed: Json, proven: Json): void {
  const found = contradiction(claimed, proven);
  if (found !== undefined) throw wrong(found);
}

/** A final block, and the fields of an answer that its certificate proves. */
interface Final {
  readonly header: Header;
  readonly fields: {
    readonly number: Hex;
    readonly hash: Hash;
    readonly stateRoot: Hash;
    readonly header: Hex;
    readonly certificate: Hex;
  };
}

/** The block that `of` is about, final by its certificate under the group's key. Throws PROOF_WRONG. */
async function finalBlock(of: Json, { groupPublicKey, genesis }: Trust): Promise<Final> {
  const bytes = { header: bytesIn(of, "header"), certificate: bytesIn(of, "certificate") };
  const header = decodeHeader(bytes.header);
  const certificate = decodeCertificate(bytes.certificate);
  const own = headerHash(header);
  if (certificate.kind !== "finalize") throw wrong("its certificate is not a finalization");
  if (certificate.payload !== own) throw wrong("its certificate is of another block");
  const bls = await openBls();
  if (!bls.isPublicKey(groupPublicKey)) {
    throw usageError("--group-public-key is no key", "it is not in the group", "take it from output.json");
  }
  const verifier = createCertificateVerifier(groupVerifier(bls, groupPublicKey), genesis);
  if (verifier.examine([certificate], [undefined])[0]?.valid !== true) {
    throw wrong("its certificate is not signed by the group on this chain");
  }
  return {
    header,
    fields: {
      number: quantity(header.number),
      hash: own,
      stateRoot: header.stateRoot,
      header: toHex(bytes.header),
      certificate: toHex(bytes.certificate),
    },
  };
}

interface Proven {
  readonly lines: readonly string[];
  readonly json: Json;
}

/** The block that `answer` is about. Of blocks after `last` a root says nothing, so any claim would seem to hold. */
function heightIn(answer: Json, last: number): Height {
  const claimed = answer["blockNumber"];
  if (typeof claimed === "string" && QUANTITY.test(claimed) && Number(claimed) <= last)
    return height(Number(claimed));
  throw wrong(`its blockNumber is none that block ${last} could prove`);
}

/** The keys of the slots that `answer` is about, in its order. */
function slotKeysIn(answer: Json): Hash[] {
  const { slots } = answer;
  if (!Array.isArray(slots)) throw wrong("it has no slots");
  return slots.map((slot: unknown) => hash(String(isObject(slot) ? slot["key"] : undefined)));
}

/** The values that an answer of kora_getProof proves under the root of `final`. Throws PROOF_WRONG. */
function provenValues(answer: Json, { header, fields }: Final): Proven {
  const at = heightIn(answer, header.number);
  const of = address(String(answer["address"]));
  const keys = slotKeysIn(answer);
  const bytes = bytesIn(answer, "proof");
  const earlier = at === header.number ? undefined : at;
  const { account, slots } = verifyState(header.stateRoot, of, keys, decodeProof(bytes), earlier);
  const values = keys.map((key, index) => ({ key, value: toHex(slots[index] ?? new Uint8Array()) }));
  requireClaims(answer, {
    address: of,
    blockNumber: quantity(at),
    account: account
      ? { nonce: quantity(account.nonce), balance: quantity(account.balance), codeHash: account.codeHash }
      : null,
    slots: values,
    proof: toHex(bytes),
    anchor: fields,
  });
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

/** Checks an answer of either method; the values are of kora_getProof alone. Throws PROOF_WRONG. */
async function check(
  answer: Json,
  trust: Trust,
): Promise<{ readonly final: Final; readonly proven?: Proven }> {
  if (!("proof" in answer || "anchor" in answer)) {
    const final = await finalBlock(answer, trust);
    requireClaims(answer, final.fields);
    return { final };
  }
  const { anchor } = answer;
  if (!isObject(anchor)) throw wrong("it has no anchor");
  const final = await finalBlock(anchor, trust);
  return { final, proven: provenValues(answer, final) };
}

/** `kora proof verify FILE`: exit code 0 when everything holds. */
export const proofVerify: CommandRun = async ({ args, out }: CommandContext) => {
  const trust = trustOf(args);
  const answer = readAnswer(args.operands[0] as string);
  try {
    const { final, proven } = await check(answer, trust);
    const { number } = final.header;
    const { hash: own, stateRoot } = final.fields;
    if (hasFlag(args, "json"))
      out(JSON.stringify({ final: { number, hash: own, stateRoot }, proven: proven?.json ?? null }));
    else out([`block ${number} ${own} is final`, ...(proven?.lines ?? [])].join("\n"));
    return 0;
  } catch (thrown) {
    if (thrown instanceof KoraError && /^BAD_|^PROOF_/.test(thrown.code))
      throw wrong(thrown.why ?? thrown.message);
    throw thrown;
  }
};
