import { readComponent, writeComponent } from './component.ts';
import type { KeyField } from './netlink-constants.ts';
import type { KeyType } from './ruleset.ts';

/**
 * Writes the canonical text of values in keys. It remembers single values: many elements have the same addresses, protocols and ports. Use one object
 * for each reading of our tables, so that nothing stays in memory.
 */
export class FieldTexts {
  readonly #known = new Map<KeyType, Map<number | string, string | undefined>>();

  /**
   * The text of one field of a key that begins at `first`. In an interval, the key at `last` has the highest values. Returns `undefined` if Postern
   * writes no such value.
   */
  read({ type, at, width, space }: KeyField, bytes: Buffer, first: number, last = first): string | undefined {
    const [from, to] = [first + at, last + at];
    for (let i = width; i < space; i++) if (bytes[from + i] !== 0 || bytes[to + i] !== 0) return undefined;
    if (isSame(bytes, from, to, width)) return this.#single(type, bytes, from, width);
    const interval = { first: valueOf(bytes, from, width), last: valueOf(bytes, to, width) };
    // A range of names has a text that only nft knows: `eth*`.
    return type === 'ifname' || interval.first > interval.last ? undefined : writeComponent(type, interval);
  }

  #single(type: KeyType, bytes: Buffer, at: number, width: number): string | undefined {
    let known = this.#known.get(type);
    if (!known) this.#known.set(type, (known = new Map()));
    const id = width <= 4 ? bytes.readUIntBE(at, width) : bytes.toString('latin1', at, at + width);
    let text = known.get(id);
    if (text === undefined && !known.has(id)) known.set(id, (text = writeSingle(type, valueOf(bytes, at, width))));
    return text;
  }
}

/** `undefined` if the text does not say which value it is, such as that of a device whose name has a zero byte in the middle. */
function writeSingle(type: KeyType, value: bigint): string | undefined {
  const text = writeComponent(type, { first: value, last: value });
  return readComponent(type, text)?.first === value ? text : undefined;
}

function valueOf(bytes: Buffer, at: number, width: number): bigint {
  return BigInt(`0x${bytes.toString('hex', at, at + width)}`);
}

function isSame(bytes: Buffer, a: number, b: number, length: number): boolean {
  if (a === b) return true;
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}
