import type { FieldTexts } from './field-texts.ts';
import { isName } from './name.ts';
import { NetlinkBytes } from './netlink-bytes.ts';
import {
  catchAllFlag,
  dataAttributes,
  elementAttributes,
  familyNumbers,
  generationAttribute,
  keyFields,
  listAttributes,
  listItem,
  messageFlags,
  messageTypes,
  verdictAttributes,
  verdictCodes,
  type KeyField,
} from './netlink-constants.ts';
import {
  attributeEnd,
  attributesOf,
  attributeType,
  attributeValue,
  messagesIn,
  nextAttribute,
} from './netlink-messages.ts';
import type { Element, ElementVerdict, NftSet, TableFamily, VerdictMap } from './ruleset.ts';
import { catchAll, tableName } from './ruleset.ts';

/** The kernel answers with the number of the current generation: each transaction begins another. */
export function encodeGenerationRequest(sequence: number): Uint8Array {
  const bytes = new NetlinkBytes();
  const { request } = messageFlags;
  bytes.message({ type: messageTypes.getGeneration, flags: request, sequence, family: 0, resource: 0 });
  return bytes.take();
}

/** Throws if the datagram is not the answer. */
export function readGeneration(datagram: Buffer, sequence: number): number {
  for (const message of messagesIn(datagram, sequence)) {
    if (message.type !== messageTypes.generation) break;
    for (let at = attributesOf(message); at < message.to; at = nextAttribute(datagram, at, message.to))
      if (attributeType(datagram, at) === generationAttribute) return datagram.readUInt32BE(attributeValue(at));
  }
  throw new Error('the kernel did not say which generation it has');
}

/** The kernel answers with all elements of the set or map, in one datagram after the other (a dump). */
export function encodeDumpRequest(family: TableFamily, name: string, sequence: number): Uint8Array {
  const bytes = new NetlinkBytes();
  const flags = messageFlags.request | messageFlags.dump;
  const header = { type: messageTypes.getElements, flags, sequence, family: familyNumbers[family], resource: 0 };
  bytes.message(header, () => {
    bytes.text(listAttributes.table, tableName);
    bytes.text(listAttributes.set, name);
  });
  return bytes.take();
}

/**
 * Whether a dump of the set or map can be read here. nft reads foreign sets, sets that packets fill, and intervals of a single field, whose dumps have
 * another form.
 */
export function isDumped(object: NftSet | VerdictMap): boolean {
  const { key, interval } = object;
  return key.length > (interval ? 1 : 0) && !('records' in object) && keyFields(key) !== undefined;
}

/**
 * The set or map with its elements. `odd`: an element has something that Postern does not write, such as a comment. `changed`: our tables have changed
 * meanwhile.
 */
export type DumpOutcome<T> = T | 'odd' | 'changed';

/** Reads the datagrams of one dump. */
export class ElementDump<T extends NftSet | VerdictMap> {
  readonly #object: T;
  readonly #sequence: number;
  readonly #texts: FieldTexts;
  readonly #fields: readonly KeyField[];
  /** Bytes of a key. */
  readonly #width: number;
  readonly #elements = new Set<Element>();
  /** `undefined` if the object is a set. */
  readonly #verdicts: Map<Element, ElementVerdict> | undefined;
  #failure: 'odd' | 'changed' | undefined;

  /** @param object a set or map of which `isDumped` is true; its elements do not matter */
  constructor(object: T, sequence: number, texts: FieldTexts) {
    this.#object = object;
    this.#sequence = sequence;
    this.#texts = texts;
    this.#fields = keyFields(object.key)!;
    this.#width = this.#fields.reduce((sum, { space }) => sum + space, 0);
    this.#verdicts = object.elements instanceof Map ? new Map() : undefined;
  }

  /** Returns whether the dump ends here. Throws if the datagram is no answer to the request. */
  read(datagram: Buffer): boolean {
    for (const message of messagesIn(datagram, this.#sequence)) {
      const { type, flags, from, to } = message;
      if ((flags & messageFlags.interrupted) !== 0) this.#failure = 'changed';
      if (type === messageTypes.error || type === messageTypes.done) {
        // The number of an error is 0 after a complete dump. An error comes if the set is gone.
        if (type === messageTypes.error || datagram.readInt32LE(from) !== 0) this.#failure = 'changed';
        return true;
      }
      if (type !== messageTypes.addElements) throw new Error(`the kernel sent a message of type ${type}`);
      for (let at = attributesOf(message); at < to; at = nextAttribute(datagram, at, to))
        if (attributeType(datagram, at) === listAttributes.elements)
          this.#readList(datagram, attributeValue(at), attributeEnd(datagram, at, to));
    }
    return false;
  }

  get outcome(): DumpOutcome<T> {
    return this.#failure ?? { ...this.#object, elements: this.#verdicts ?? this.#elements };
  }

  #readList(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at < to; at = nextAttribute(bytes, at, to)) {
      const isOurs =
        attributeType(bytes, at) === listItem && this.#add(bytes, attributeValue(at), attributeEnd(bytes, at, to));
      if (!isOurs) this.#failure ??= 'odd';
    }
  }

  /** Returns whether Postern could have written the element. */
  #add(bytes: Buffer, from: number, to: number): boolean {
    let key = none;
    let keyEnd = none;
    let verdict: ElementVerdict | undefined;
    let isOther = false;
    for (let at = from; at < to; at = nextAttribute(bytes, at, to)) {
      const value = attributeValue(at);
      const end = attributeEnd(bytes, at, to);
      switch (attributeType(bytes, at)) {
        case elementAttributes.key:
          if ((key = this.#keyIn(bytes, value, end)) === none) return false;
          break;
        case elementAttributes.keyEnd:
          if (!this.#object.interval || (keyEnd = this.#keyIn(bytes, value, end)) === none) return false;
          break;
        case elementAttributes.data:
          if (!this.#verdicts || !(verdict = verdictIn(bytes, value, end))) return false;
          break;
        case elementAttributes.flags:
          if (bytes.readUInt32BE(value) !== catchAllFlag) return false;
          isOther = true;
          break;
        // A comment, a time, a counter, or what a newer kernel has.
        default:
          return false;
      }
    }
    const element = isOther ? this.#otherElement(key) : this.#elementOf(bytes, key, keyEnd);
    if (element === undefined) return false;
    if (!this.#verdicts) this.#elements.add(element);
    else if (verdict) this.#verdicts.set(element, verdict);
    else return false;
    return true;
  }

  /** The catch-all element has no key. Postern writes it in maps without intervals. */
  #otherElement(key: number): Element | undefined {
    return key === none && this.#verdicts && !this.#object.interval ? catchAll : undefined;
  }

  #elementOf(bytes: Buffer, key: number, keyEnd: number): Element | undefined {
    if (key === none || (this.#object.interval && keyEnd === none)) return undefined;
    const last = keyEnd === none ? key : keyEnd;
    const texts: string[] = [];
    for (const field of this.#fields) {
      const text = this.#texts.read(field, bytes, key, last);
      if (text === undefined) return undefined;
      texts.push(text);
    }
    return texts.join(' . ');
  }

  /** Where the key begins in an attribute that holds it. */
  #keyIn(bytes: Buffer, at: number, to: number): number {
    const value = attributeValue(at);
    const isValue = attributeType(bytes, at) === dataAttributes.value && nextAttribute(bytes, at, to) === to;
    return isValue && attributeEnd(bytes, at, to) - value === this.#width ? value : none;
  }
}

/** No position. */
const none = -1;

const verdictKinds: ReadonlyMap<number, ElementVerdict['kind']> = new Map(
  (Object.entries(verdictCodes) as [ElementVerdict['kind'], number][]).map(([kind, code]) => [code, kind]),
);

/** `undefined` if Postern writes no such verdict. */
function verdictIn(bytes: Buffer, at: number, to: number): ElementVerdict | undefined {
  if (attributeType(bytes, at) !== dataAttributes.verdict || nextAttribute(bytes, at, to) !== to) return undefined;
  let kind: ElementVerdict['kind'] | undefined;
  let chain: string | undefined;
  for (let each = attributeValue(at); each < to; each = nextAttribute(bytes, each, to)) {
    const type = attributeType(bytes, each);
    if (type === verdictAttributes.code) kind = verdictKinds.get(bytes.readInt32BE(attributeValue(each)));
    else if (type === verdictAttributes.chain)
      // Without the zero byte at its end.
      chain = bytes.toString('latin1', attributeValue(each), attributeEnd(bytes, each, to) - 1);
    else return undefined;
  }
  if (kind === undefined) return undefined;
  if (kind !== 'jump' && kind !== 'goto') return chain === undefined ? { kind } : undefined;
  return chain !== undefined && isName(chain) ? { kind, chain } : undefined;
}
