import { VersionedMap } from '../../src/lib/versioned-map.ts';
import { ElementSet } from '../../src/nftables/element-set.ts';

/** Methods that visit all keys. */
const methods = ['entries', 'keys', 'values', 'forEach', 'copyOf', Symbol.iterator] as const;

/** Runs something, and counts the keys that it visits in sets of elements and in maps of sets, as it reads or copies a whole one. */
export function countWholeReads<T>(run: () => T): {
  readonly result: T;
  readonly elements: number;
  readonly sets: number;
} {
  const count = { elements: 0, sets: 0 };
  const values = Reflect.get(VersionedMap.prototype, 'values') as (this: object) => Iterable<unknown>;
  const holdsSets = (map: object): boolean => {
    const [first] = values.call(map);
    return typeof first === 'object' && first !== null && 'elements' in first;
  };
  const restore = [
    ...watch(ElementSet.prototype, count, 'elements', () => true),
    ...watch(VersionedMap.prototype, count, 'sets', holdsSets),
  ];
  try {
    return { result: run(), ...count };
  } finally {
    for (const each of restore) each();
  }
}

function watch<Name extends string>(
  prototype: object,
  count: Record<Name, number>,
  name: Name,
  isCounted: (table: object) => boolean,
): (() => void)[] {
  const owner = prototype as Record<string | symbol, unknown>;
  return methods.flatMap((method) => {
    const original = owner[method] as ((this: { readonly size: number }, ...given: unknown[]) => unknown) | undefined;
    if (!original) return [];
    owner[method] = function counted(this: { readonly size: number }, ...given: unknown[]) {
      if (isCounted(this)) count[name] += this.size;
      return original.apply(this, given);
    };
    return [() => void (owner[method] = original)];
  });
}
