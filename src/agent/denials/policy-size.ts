import type { JsonObject } from '../../lib/json.ts';

/** Number of values in the objects, at all depths. To evaluate one denial by these objects costs about 0.4 µs for each. */
export function sizeOfObjects(objects: readonly JsonObject[]): number {
  let size = 0;
  const waiting: unknown[] = [...objects];
  while (waiting.length > 0) {
    const value = waiting.pop();
    size++;
    if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) waiting.push(each);
  }
  return size;
}
