// Hashing of typed structured data (EIP-712) as eth_signTypedData takes it: JSON in, 32 bytes out. Values are taken
// in the forms that wallets send them. Errors name what is wrong with the request.
import { keccak256 } from "#crypto/hash.ts";
import { bigintToBytes, concatBytes, fromHex, isHex, padLeft, utf8 } from "#lib/bytes.ts";
import { KoraError } from "#lib/error.ts";

interface Field {
  readonly name: string;
  readonly type: string;
}
type Types = ReadonlyMap<string, readonly Field[]>;
type Json = Readonly<Record<string, unknown>>;

/** One request while it is hashed. */
interface Request {
  readonly types: Types;
  /** Hashes of struct types by name. */
  readonly hashes: Map<string, Uint8Array>;
  /** Fields hashed so far. */
  values: number;
}

/** Nesting of structs and arrays: deeper data is refused, since hashing recurses. */
const MAX_DEPTH = 64;
/** Values of one request: a struct of many fields, repeated, asks for far more work than it has bytes. */
const MAX_VALUES = 1_000_000;
/** Characters of a type's name with its dimensions, each of which is looked at in turn. */
const MAX_TYPE_LENGTH = 1_024;
/** Types of one request: each one's encoding names all that it refers to. */
const MAX_TYPES = 1_000;
/** Characters of a wrong value that an error shows. */
const MAX_SHOWN = 80;
const DOMAIN = "EIP712Domain";
/** Fields of a domain in the order of the EIP, for requests that leave the domain's type out. */
const DOMAIN_FIELDS: readonly Field[] = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "chainId", type: "uint256" },
  { name: "verifyingContract", type: "address" },
  { name: "salt", type: "bytes32" },
];

function bad(why: string): KoraError {
  return new KoraError(`invalid typed data: ${why}`, { code: "INVALID_PARAMS" });
}

/** The beginning of a wrong value: clients may send megabytes of it. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(`${what} is no object`);
  return value as Json;
}

function readTypes(value: unknown, domain: Json): Types {
  const types = new Map<string, readonly Field[]>();
  const entries = Object.entries(object(value, "types"));
  if (entries.length > MAX_TYPES) throw bad(`more than ${MAX_TYPES} types`);
  for (const [name, fields] of entries) {
    if (name.length > MAX_TYPE_LENGTH) throw bad("the name of a type is too long");
    if (!Array.isArray(fields)) throw bad(`type ${name} is no list`);
    const read = fields.map((field: unknown): Field => {
      const { name: fieldName, type } = object(field, `a field of ${name}`);
      if (typeof fieldName !== "string" || typeof type !== "string") {
        throw bad(`a field of ${name} lacks name or type`);
      }
      if (type.length > MAX_TYPE_LENGTH) throw bad(`the type of ${name}.${fieldName} is too long`);
      return { name: fieldName, type };
    });
    types.set(name, read);
  }
  if (!types.has(DOMAIN)) {
    types.set(
      DOMAIN,
      DOMAIN_FIELDS.filter(({ name }) => domain[name] !== undefined && domain[name] !== null),
    );
  }
  return types;
}

const ARRAY = /^(.*)\[([0-9]*)\]$/;

function baseOf(type: string): string {
  let base = type;
  for (let match = ARRAY.exec(base); match !== null; match = ARRAY.exec(base)) base = match[1] as string;
  return base;
}

function collect(types: Types, name: string, into: Set<string>): void {
  if (into.has(name)) return;
  const fields = types.get(name);
  if (fields === undefined) return;
  into.add(name);
  for (const { type } of fields) collect(types, baseOf(type), into);
}

/** `Mail(Person from,…)Person(…)`: the struct first, what it refers to in alphabetical order. */
function encodeType(types: Types, name: string): string {
  const referred = new Set<string>();
  collect(types, name, referred);
  referred.delete(name);
  const ordered = [name, ...[...referred].sort()];
  return ordered
    .map((each) => `${each}(${(types.get(each) ?? []).map(({ type, name: n }) => `${type} ${n}`).join(",")})`)
    .join("");
}

function integer(value: unknown, type: string): bigint {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  // Longer ones fit no type, and a million digits take seconds to read.
  if (typeof value === "string" && /^-?(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/.test(value)) {
    return value.startsWith("-") ? -BigInt(value.slice(1)) : BigInt(value);
  }
  throw bad(`${shown(value)} is no ${type}`);
}

function encodeInteger(value: unknown, type: string, bits: number, signed: boolean): Uint8Array {
  const number = integer(value, type);
  const least = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const most = signed ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n;
  if (number < least || number > most) throw bad(`${number} does not fit ${type}`);
  return padLeft(bigintToBytes(BigInt.asUintN(256, number)), 32);
}

function bytesOf(value: unknown, type: string): Uint8Array {
  if (!isHex(value)) throw bad(`${shown(value)} is no ${type}`);
  return fromHex(value);
}

function encodeFixedBytes(value: unknown, type: string, length: number): Uint8Array {
  const bytes = bytesOf(value, type);
  if (bytes.length !== length) throw bad(`${bytes.length} bytes are no ${type}`);
  return concatBytes(bytes, new Uint8Array(32 - length));
}

const SIZED = /^(u?int|bytes)([0-9]+)$/;

/** The 32 bytes of a value of an atomic or dynamic type; undefined for an unknown type. */
function encodeAtom(type: string, value: unknown): Uint8Array | undefined {
  if (type === "string") {
    if (typeof value !== "string") throw bad(`${shown(value)} is no string`);
    return keccak256(utf8(value));
  }
  if (type === "bytes") return keccak256(bytesOf(value, type));
  if (type === "bool") {
    const truth = value === true || value === "true";
    if (!truth && value !== false && value !== "false") throw bad(`${shown(value)} is no bool`);
    return padLeft(Uint8Array.of(truth ? 1 : 0), 32);
  }
  if (type === "address") {
    const bytes = bytesOf(value, type);
    if (bytes.length !== 20) throw bad(`${shown(value)} is no address`);
    return padLeft(bytes, 32);
  }
  const sized = SIZED.exec(type === "uint" || type === "int" ? `${type}256` : type);
  if (sized === null) return undefined;
  const size = Number(sized[2]);
  if (sized[1] === "bytes") {
    return size >= 1 && size <= 32 ? encodeFixedBytes(value, type, size) : undefined;
  }
  return size >= 8 && size <= 256 && size % 8 === 0
    ? encodeInteger(value, type, size, sized[1] === "int")
    : undefined;
}

function encodeValue(request: Request, type: string, value: unknown, depth: number): Uint8Array {
  if (depth > MAX_DEPTH) throw bad(`nested deeper than ${MAX_DEPTH}`);
  const array = ARRAY.exec(type);
  if (array !== null) {
    if (!Array.isArray(value)) throw bad(`${shown(value)} is no ${type}`);
    if (array[2] !== "" && value.length !== Number(array[2]))
      throw bad(`${value.length} items are no ${type}`);
    const items = value.map((item: unknown) => encodeValue(request, array[1] as string, item, depth + 1));
    return keccak256(concatBytes(...items));
  }
  if (request.types.has(type)) {
    // A struct that is left out counts as 32 zero bytes, as MetaMask has it.
    if (value === undefined || value === null) return new Uint8Array(32);
    return hashStruct(request, type, object(value, type), depth + 1);
  }
  const encoded = encodeAtom(type, value);
  if (encoded === undefined) throw bad(`unknown type ${type}`);
  return encoded;
}

/** keccak256 of a struct's type, worked out once per request. */
function typeHash({ types, hashes }: Request, name: string): Uint8Array {
  const known = hashes.get(name) ?? keccak256(utf8(encodeType(types, name)));
  hashes.set(name, known);
  return known;
}

function hashStruct(request: Request, name: string, value: Json, depth: number): Uint8Array {
  const { types } = request;
  const fields = types.get(name);
  if (fields === undefined) throw bad(`unknown type ${name}`);
  request.values += fields.length;
  if (request.values > MAX_VALUES) throw bad(`more than ${MAX_VALUES} values`);
  const parts = fields.map((field) => {
    if (value[field.name] === undefined && !types.has(field.type))
      throw bad(`${name}.${field.name} is missing`);
    return encodeValue(request, field.type, value[field.name], depth);
  });
  return keccak256(concatBytes(typeHash(request, name), ...parts));
}

/** The digest to sign: keccak256(0x19 01 ‖ domain separator ‖ struct hash). Takes an object or its JSON text. */
export function typedDataDigest(input: unknown): Uint8Array {
  let parsed = input;
  if (typeof input === "string") {
    try {
      parsed = JSON.parse(input);
    } catch {
      throw bad("not JSON");
    }
  }
  const fields = object(parsed, "the request");
  const domain = object(fields["domain"] ?? {}, "domain");
  const request: Request = { types: readTypes(fields["types"], domain), hashes: new Map(), values: 0 };
  const { primaryType } = fields as { primaryType?: unknown };
  if (typeof primaryType !== "string") throw bad("primaryType is missing");
  const separator = hashStruct(request, DOMAIN, domain, 0);
  const prefix = Uint8Array.of(0x19, 0x01);
  if (primaryType === DOMAIN) return keccak256(concatBytes(prefix, separator));
  const message = hashStruct(request, primaryType, object(fields["message"], "message"), 0);
  return keccak256(concatBytes(prefix, separator, message));
}
