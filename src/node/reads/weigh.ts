// What a call takes before and between the steps that are counted while it runs: told by its size, so that a large one
// never begins between two blocks.
import { MAX_INITCODE_BYTES } from "#execution/rules.ts";
import type { AccountOverride } from "#execution/types.ts";
import type { CallTask } from "#rpc/ports.ts";

/** Units of an account or slot that is read and of a recovered signature; bytes that are hashed or priced in one. */
const READ_UNITS = 4;
const RECOVERY_UNITS = 100;
const BYTES_PER_UNIT = 512;
/** Instructions that run in a unit when none of them is counted: code may be that many bytes of them. */
const STEPS_PER_UNIT = 6;

/** Code no longer than any chain has it runs from end to end within a few milliseconds. */
function codeUnits(bytes: number): number {
  return bytes / BYTES_PER_UNIT + (bytes > MAX_INITCODE_BYTES ? bytes / STEPS_PER_UNIT : 0);
}

function overrideUnits({ state, stateDiff, code }: AccountOverride): number {
  const slots = (state?.size ?? 0) + (stateDiff?.size ?? 0);
  return READ_UNITS * (1 + slots) + codeUnits(code?.length ?? 0);
}

/** Work units, about a microsecond each, that the call takes beside those that its meter counts. */
export function unitsOf({ request, stateOverrides }: Pick<CallTask, "request" | "stateOverrides">): number {
  const { to, data, accessList = [], authorizationList = [] } = request;
  let units = RECOVERY_UNITS * authorizationList.length;
  units += to === undefined ? codeUnits(data.length) : data.length / BYTES_PER_UNIT;
  for (const { storageKeys } of accessList) units += READ_UNITS * (1 + storageKeys.length);
  for (const override of stateOverrides?.values() ?? []) units += overrideUnits(override);
  return units;
}
