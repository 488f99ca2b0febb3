/** Marks a branch that the types rule out. A new member of a union makes tsc report this call. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}

/** Throws if `condition` is false. Only a bug may cause that; bad input never does. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`bug: ${message}`);
}
