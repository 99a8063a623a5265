// Sorting by number without a comparison function: the write path sorts tens of thousands of keys a block.

/** Bits of the integers that a number holds exactly. */
const EXACT_BITS = 53;

/**
 * The places of `values` (safe integers, none negative) in ascending order. As many leading bits decide as leave room
 * for a place beside them: all of them if (number of values) · (greatest value) < 2^52. What is the same in these keeps its
 * order.
 */
export function orderOf(values: Float64Array): Uint32Array {
  let greatest = 0;
  for (let i = 0; i < values.length; i++) greatest = Math.max(greatest, values[i] as number);
  const placeBits = Math.ceil(Math.log2(values.length + 1));
  const dropped = 2 ** Math.max(0, Math.ceil(Math.log2(greatest + 1)) + placeBits - EXACT_BITS);
  const places = 2 ** placeBits;
  const packed = new Float64Array(values.length);
  for (let i = 0; i < packed.length; i++) {
    packed[i] = Math.floor((values[i] as number) / dropped) * places + i;
  }
  packed.sort();
  const order = new Uint32Array(packed.length);
  for (let i = 0; i < order.length; i++) order[i] = (packed[i] as number) % places;
  return order;
}
