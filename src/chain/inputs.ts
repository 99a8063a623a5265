// Inputs of a block from outside its transactions, on a local chain only: state writes and header fields set by
// hand. They belong to the next block, are stored with it, and are what re-execution needs. Byte format included.
import type { StateInput } from "#execution/types.ts";
import { bigintToBytes, bytesToBigint } from "#lib/bytes.ts";
import { Reader, Writer } from "#lib/codec.ts";
import { type Address, address, bytesOf, type Hash, hash } from "#types/ids.ts";

/** Everything set by hand for one block; an absent field follows the rules. */
export interface BlockInputs {
  /** Applied in order before the first transaction. */
  readonly state: readonly StateInput[];
  /** Seconds. */
  readonly timestamp?: number;
  readonly prevRandao?: Hash;
  readonly coinbase?: Address;
  /** Wei per gas. */
  readonly baseFeePerGas?: bigint;
  readonly gasLimit?: bigint;
}

/** State writes that one block's inputs may hold. */
export const MAX_STATE_INPUTS = 100_000;
/** Slots that one state write may hold. */
export const MAX_INPUT_SLOTS = 100_000;
/** Bytes of code that one state write may set: anvil's users set code above the EIP-170 limit. */
export const MAX_INPUT_CODE_BYTES: number = 16 * 1024 * 1024;
const FORMAT = 1;

function writeOptional(writer: Writer, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) writer.u8(0);
  else writer.u8(1).bytes(bytes);
}

function readOptional(reader: Reader, max: number): Uint8Array | undefined {
  return reader.u8() === 0 ? undefined : reader.bytes(max);
}

const wordBytes = (value: bigint | undefined): Uint8Array | undefined =>
  value === undefined ? undefined : bigintToBytes(value);
const wordOf = (bytes: Uint8Array | undefined): bigint | undefined =>
  bytes === undefined ? undefined : bytesToBigint(bytes);
const idBytes = (id: Hash | Address | undefined): Uint8Array | undefined =>
  id === undefined ? undefined : bytesOf(id);

function writeStateInput(writer: Writer, input: StateInput): void {
  writer.raw(bytesOf(input.address));
  writeOptional(writer, wordBytes(input.balance));
  writeOptional(writer, wordBytes(input.nonce));
  writeOptional(writer, input.code);
  const slots = [...(input.storage ?? [])];
  writer.u32(slots.length);
  for (const [slot, value] of slots) writer.raw(bytesOf(slot)).bytes(value);
}

function readStateInput(reader: Reader): StateInput {
  const at = address(reader.raw(20));
  const balance = wordOf(readOptional(reader, 32));
  const nonce = wordOf(readOptional(reader, 8));
  const code = readOptional(reader, MAX_INPUT_CODE_BYTES);
  const storage = new Map<Hash, Uint8Array>();
  for (let left = reader.count(MAX_INPUT_SLOTS); left > 0; left--) {
    const slot = hash(reader.raw(32));
    storage.set(slot, reader.bytes(32));
  }
  return {
    address: at,
    ...(balance !== undefined && { balance }),
    ...(nonce !== undefined && { nonce }),
    ...(code !== undefined && { code }),
    ...(storage.size > 0 && { storage }),
  };
}

/** Byte form in which inputs are stored with their block. */
export function encodeInputs(inputs: BlockInputs): Uint8Array {
  const writer = new Writer().u8(FORMAT);
  writeOptional(writer, inputs.timestamp === undefined ? undefined : bigintToBytes(BigInt(inputs.timestamp)));
  writeOptional(writer, idBytes(inputs.prevRandao));
  writeOptional(writer, idBytes(inputs.coinbase));
  writeOptional(writer, wordBytes(inputs.baseFeePerGas));
  writeOptional(writer, wordBytes(inputs.gasLimit));
  writer.u32(inputs.state.length);
  for (const input of inputs.state) writeStateInput(writer, input);
  return writer.finish();
}

/** Inverse of `encodeInputs`; throws BAD_ENCODING. */
export function decodeInputs(bytes: Uint8Array): BlockInputs {
  const reader = new Reader(bytes);
  reader.u8();
  const timestamp = wordOf(readOptional(reader, 8));
  const prevRandao = readOptional(reader, 32);
  const coinbase = readOptional(reader, 20);
  const baseFeePerGas = wordOf(readOptional(reader, 32));
  const gasLimit = wordOf(readOptional(reader, 8));
  const state: StateInput[] = [];
  for (let left = reader.count(MAX_STATE_INPUTS); left > 0; left--) state.push(readStateInput(reader));
  reader.end();
  return {
    state,
    ...(timestamp !== undefined && { timestamp: Number(timestamp) }),
    ...(prevRandao !== undefined && { prevRandao: hash(prevRandao) }),
    ...(coinbase !== undefined && { coinbase: address(coinbase) }),
    ...(baseFeePerGas !== undefined && { baseFeePerGas }),
    ...(gasLimit !== undefined && { gasLimit }),
  };
}

/** Whether nothing is set. */
export function isEmptyInputs(inputs: BlockInputs): boolean {
  return inputs.state.length === 0 && Object.keys(inputs).length === 1;
}
