import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { messageOf } from '../message-of.ts';
import type { Field, Message, ValueType } from './message.ts';

/** Invalid protobuf, or a message or a field that is not described. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

/** What happens to fields that the description of a message does not have. The decoder skips them by their length. */
export type UnknownFields = 'skip' | 'refuse';

export type Fields = Record<string, unknown>;

/**
 * Decodes a message to the equivalent JSON object. Throws only ProtobufError. The nesting of the description bounds the recursion, and the length of
 * `bytes` bounds the memory.
 */
export function decodeMessage(message: Message, bytes: Uint8Array, unknownFields: UnknownFields, name: string): Fields {
  try {
    return new Decoder(bytes, unknownFields === 'refuse').read(message, bytes.length, name);
  } catch (cause) {
    if (cause instanceof ProtobufError) throw cause;
    // BinaryReader throws errors of several classes.
    throw new ProtobufError(`${name}: ${messageOf(cause)}`, { cause });
  }
}

const mapEntry: Message = { 1: ['key', 'text'], 2: ['value', 'bytes'] };
const time: Message = { 1: ['seconds', 'integer'] };
const intOrText: Message = { 1: ['isText', 'flag'], 2: ['number', 'integer'], 3: ['text', 'text'] };

/** By number. */
const wireTypes: readonly WireType[] = [
  WireType.Varint,
  WireType.Bit64,
  WireType.LengthDelimited,
  WireType.StartGroup,
  WireType.EndGroup,
  WireType.Bit32,
];

class Decoder {
  readonly #reader: BinaryReader;
  readonly #bytes: Buffer;
  readonly #refusesUnknown: boolean;

  constructor(bytes: Uint8Array, refusesUnknown: boolean) {
    this.#reader = new BinaryReader(bytes);
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#refusesUnknown = refusesUnknown;
  }

  /** Reads a message that ends at `end`. */
  read(message: Message, end: number, name: string): Fields {
    const reader = this.#reader;
    const fields: Fields = {};
    while (reader.pos < end) {
      const tag = this.#readTag();
      const number = tag >>> 3;
      const wireType = wireTypes[tag & 7]!;
      const field = message[number];
      if (wireType === WireType.LengthDelimited) {
        const length = reader.uint32();
        const next = reader.pos + length;
        if (field) this.#addBytes(fields, field, next);
        else if (length > 0) this.#refuseUnknown(number, name);
        reader.pos = next;
      } else if (wireType === WireType.Varint) {
        const value = Number(reader.int64());
        if (field) addNumber(fields, field, value);
        else if (value !== 0) this.#refuseUnknown(number, name);
      } else {
        if (field) throw new ProtobufError(`field ${number} of ${name} has wire type ${wireType}`);
        this.#refuseUnknown(number, name);
        // The reader bounds the nesting of groups.
        reader.skip(wireType, number);
      }
    }
    // The last field, or a part of it, has gone on after the end.
    if (reader.pos > end) throw new ProtobufError(`${name} is cut off`);
    return fields;
  }

  /** Reads most tags without `reader.tag()`, which allocates a pair for each. */
  #readTag(): number {
    const reader = this.#reader;
    const first = this.#bytes[reader.pos]!;
    // One byte, and a field number above 0.
    if (first > 7 && first < 0x80) {
      reader.pos++;
      return first;
    }
    const [number, wireType] = reader.tag();
    return (number << 3) | wireType;
  }

  #refuseUnknown(number: number, name: string): void {
    if (this.#refusesUnknown) throw new ProtobufError(`field ${number} of ${name} is read as JSON only`);
  }

  /** Adds a field whose bytes end at `end`. */
  #addBytes(fields: Fields, [name, type]: Field, end: number): void {
    if (type === 'ignored') return;
    if (type === 'text-map') return this.#addEntry(fields, name, end);
    if (typeof type === 'object' && !('message' in type)) {
      if ('entries' in type) return this.#addEntry(fields, name, end, type.entries);
      if ('kept' in type) fields[name] = this.#valueOf(type.kept, end, name);
      else ((fields[name] ??= []) as unknown[]).push(this.#valueOf(type.listOf, end, name));
    } else if (this.#reader.pos < end) fields[name] = this.#valueOf(type, end, name);
  }

  #addEntry(fields: Fields, name: string, end: number, wanted?: readonly string[]): void {
    const { key = '', value } = this.read(mapEntry, end, name) as { key?: string; value?: Buffer };
    const map = (fields[name] ??= {}) as Record<string, string>;
    if (wanted && !wanted.includes(key)) return;
    const text = value?.toString() ?? '';
    if (key !== '__proto__') map[key] = text;
    // An assignment would add no key.
    else Object.defineProperty(map, key, { value: text, enumerable: true, writable: true, configurable: true });
  }

  #valueOf(type: ValueType, end: number, name: string): unknown {
    if (typeof type === 'object') return this.read(type.message, end, name);
    switch (type) {
      case 'text':
        return this.#bytes.toString('utf8', this.#reader.pos, end);
      case 'bytes':
        return this.#bytes.subarray(this.#reader.pos, end);
      case 'time': {
        const { seconds = 0 } = this.read(time, end, name);
        return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`;
      }
      case 'int-or-text': {
        const { isText, number = 0, text = '' } = this.read(intOrText, end, name);
        return isText === true ? text : number;
      }
      case 'integer':
      case 'flag':
        throw new ProtobufError(`${name} is not a number`);
    }
  }
}

function addNumber(fields: Fields, [name, type]: Field, value: number): void {
  if (type === 'ignored') return;
  const isKept = typeof type === 'object' && 'kept' in type;
  const wanted = isKept ? type.kept : type;
  if (wanted !== 'integer' && wanted !== 'flag') throw new ProtobufError(`${name} is a number`);
  if (value !== 0 || isKept) fields[name] = wanted === 'flag' ? value !== 0 : value;
}
