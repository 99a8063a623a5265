// A value made at first use and kept: for what costs too much to make in every command.

/** A function that calls `make` once and answers its result ever after; a throwing `make` is tried again. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
