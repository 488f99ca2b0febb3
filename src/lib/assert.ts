/** Marks a branch that the types rule out. A new member of a union makes the compiler point here. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}

/** A condition that only a bug of ours can break; bad input never does. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`bug: ${message}`);
}
