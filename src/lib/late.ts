// A value that is loaded asynchronously at first use and can be had synchronously ever after.
import { KoraError } from "./error.ts";

export interface Late<T> {
  readonly loaded: boolean;
  /** The value; throws NOT_LOADED before `load` is done. */
  readonly value: T;
  /** Loads it, once: those who ask meanwhile wait for the same. A failed load is tried again when asked again. */
  load(): Promise<T>;
}

/** Nothing is loaded before it is asked for. */
export function late<T>(make: () => Promise<T>): Late<T> {
  let made: { readonly value: T } | undefined;
  let making: Promise<T> | undefined;
  const run = async (): Promise<T> => {
    try {
      const value = await make();
      made = { value };
      return value;
    } finally {
      making = undefined;
    }
  };
  return {
    get loaded() {
      return made !== undefined;
    },
    get value() {
      if (made === undefined) throw new KoraError("used before it was loaded", { code: "NOT_LOADED" });
      return made.value;
    },
    async load() {
      if (made !== undefined) return made.value;
      making ??= run();
      return making;
    },
  };
}
