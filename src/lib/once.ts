/** Calls `make` when somebody first asks for the value. */
export function once<T extends number | object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
