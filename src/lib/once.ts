/** Calls `make` at the first call, and returns its value at each call. */
export function once<T extends number | object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
