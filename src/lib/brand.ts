// Nominal types over plain values: a brand exists for the compiler only and costs nothing at run time.
// Each branded type has exactly one constructor, in the file that names it.

declare const brand: unique symbol;

/** `T` that can only be obtained through the constructor of `Name`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
