import { isDeepStrictEqual } from 'node:util';

/** Whether two values are equal, with all that they contain: objects, arrays, Maps and Sets too. */
export function isSameDeep(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}
