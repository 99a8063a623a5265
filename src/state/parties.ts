// Whom token transfers concern: what their index by address is built from. Knows the shape of Transfer logs (ERC-20,
// ERC-721, ERC-1155), not what was moved: amounts are in the receipts.
import type { TokenKind } from "./types.ts";

const ADDRESS_BYTES = 20;
const WORD_BYTES = 32;

/** Transfer(address,address,uint256), of ERC-20 and ERC-721. */
const TRANSFER = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
/** TransferSingle(address,address,address,uint256,uint256) of ERC-1155. */
const TRANSFER_SINGLE = "c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62";
/** TransferBatch(address,address,address,uint256[],uint256[]) of ERC-1155. */
const TRANSFER_BATCH = "4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb";

/** The 20-byte addresses of `list` one after the other, each once. */
function distinct(list: readonly Uint8Array[]): readonly Uint8Array[] {
  const seen = new Map(list.map((bytes) => [bytes.toHex(), bytes]));
  return [...seen.values()];
}

/** The kind of token that a log with these topics (32 bytes each, joined) moves; undefined if it moves none. */
export function transferKind(topics: Uint8Array): TokenKind | undefined {
  const count = topics.length / WORD_BYTES;
  if (count < 3) return undefined;
  const event = topics.subarray(0, WORD_BYTES).toHex();
  if (event === TRANSFER) return count === 3 ? "erc20" : "erc721";
  return count === 4 && (event === TRANSFER_SINGLE || event === TRANSFER_BATCH) ? "erc1155" : undefined;
}

/** Who gave and who received by a log with these topics, each address once; none if it moves no token. */
export function holdersOf(topics: Uint8Array): readonly Uint8Array[] {
  const kind = transferKind(topics);
  if (kind === undefined) return [];
  // An ERC-1155 log names the operator first.
  const from = (kind === "erc1155" ? 2 : 1) * WORD_BYTES;
  const addressIn = (word: number): Uint8Array =>
    topics.slice(word + WORD_BYTES - ADDRESS_BYTES, word + WORD_BYTES);
  return distinct([addressIn(from), addressIn(from + WORD_BYTES)]);
}
