// R8 and R9: which block to build on, and whether a proposed parent may be voted for.
import type { Want } from "#types/message.ts";
import { type Core, isNullified, parentPayload, type Round } from "./state.ts";

/** A parent, or the certificates that are missing to choose one. */
export type ParentChoice =
  | { readonly kind: "parent"; readonly view: number }
  | { readonly kind: "gap"; readonly missing: readonly Want[] };

/** Certificates listed as missing at once. */
const MAX_MISSING = 64;

/** R8: the highest view below `view` that may be built on, with a nullification for every view above it. */
export function selectParent(core: Core, view: number): ParentChoice {
  const missing: Want[] = [];
  for (let at = view - 1; at >= core.finalizedView; at--) {
    if (parentPayload(core, at) !== undefined) {
      return missing.length === 0 ? { kind: "parent", view: at } : { kind: "gap", missing };
    }
    if (missing.length >= MAX_MISSING) break;
    if (!isNullified(core, at) && core.rules.r8Nullifications) {
      missing.push({ view: at, kind: "nullify" }, { view: at, kind: "notarize" });
    }
  }
  return { kind: "gap", missing };
}

/** R9: what is wrong with building `view` on `parentView`. */
export type ParentCheck =
  | { readonly kind: "fine" }
  /** Nothing that arrives later can make it right. */
  | { readonly kind: "permanent" }
  | { readonly kind: "missing"; readonly missing: readonly Want[] };

const FINE: ParentCheck = { kind: "fine" };
const PERMANENT: ParentCheck = { kind: "permanent" };

/** R3, R9: the parent is final or certified by me, and every view strictly between is nullified. */
export function checkParent(core: Core, view: number, parentView: number): ParentCheck {
  const buried = parentView < core.finalizedView && core.rules.r3ParentFloor;
  if (parentView >= view || buried) return PERMANENT;
  const parent: Round | undefined = core.rounds.get(parentView);
  const final = parentView === core.finalizedView;
  if (!final && parent?.certification === "refused") return PERMANENT;
  const missing: Want[] = [];
  if (core.rules.r3Nullifications) {
    for (let at = parentView + 1; at < view && missing.length < MAX_MISSING; at++) {
      if (!isNullified(core, at)) missing.push({ view: at, kind: "nullify" });
    }
  }
  if (!final && parent?.certificates.notarize === undefined)
    missing.push({ view: parentView, kind: "notarize" });
  if (missing.length > 0) return { kind: "missing", missing };
  return parentPayload(core, parentView) === undefined ? { kind: "missing", missing } : FINE;
}
