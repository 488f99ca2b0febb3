import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * How a field of Go's JSON is written. An absent `text` is written too, as Go writes it; an absent `pointer` is not. `inline`: the fields of the message
 * are fields of the JSON object itself.
 */
export type Type =
  | 'text'
  | 'pointer'
  | 'bytes'
  | 'integer'
  | 'flag'
  | 'time'
  | 'json'
  | 'quantity'
  | 'int-or-text'
  | { readonly message: Message }
  | { readonly inline: Message }
  | { readonly listOf: Type }
  | { readonly mapOf: Type };

/** The fields of a message by number, with their JSON names. */
export type Message = Readonly<Record<number, readonly [name: string, type: Type]>>;

const envelope: Message = {
  1: ['type', { message: { 1: ['apiVersion', 'text'], 2: ['kind', 'text'] } }],
  2: ['raw', 'bytes'],
  3: ['contentEncoding', 'text'],
  4: ['contentType', 'text'],
};

/** An API object as kube-apiserver sends it with the media type `application/vnd.kubernetes.protobuf`. */
export function encodeObject(apiVersion: string, kind: string, message: Message, object: object): Uint8Array {
  const writer = new BinaryWriter().raw(Buffer.from('k8s\0'));
  const raw = encodeMessage(message, object);
  return write(writer, envelope, { type: { apiVersion, kind }, raw }).finish();
}

export function encodeMessage(message: Message, object: object): Uint8Array {
  return write(new BinaryWriter(), message, object).finish();
}

function write(writer: BinaryWriter, message: Message, object: object): BinaryWriter {
  for (const [number, name, type] of fieldsOf(message)) {
    const isInline = typeof type === 'object' && 'inline' in type;
    writeField(writer, number, type, isInline ? object : (object as Record<string, unknown>)[name]);
  }
  return writer;
}

const fields = new WeakMap<Message, (readonly [number: number, name: string, type: Type])[]>();

/** `Object.entries` of a message, made once. */
function fieldsOf(message: Message) {
  let known = fields.get(message);
  if (!known) {
    known = Object.entries(message).map(([number, [name, type]]) => [Number(number), name, type] as const);
    fields.set(message, known);
  }
  return known;
}

const entries = new Map<Type, Message>();

function entryOf(type: Type): Message {
  const known = entries.get(type) ?? { 1: ['key', 'text'], 2: ['value', type] };
  entries.set(type, known);
  return known;
}

const time: Message = { 1: ['seconds', 'integer'], 2: ['nanos', 'integer'] };
const json: Message = { 1: ['raw', 'text'] };
const quantity: Message = { 1: ['string', 'text'] };
const intOrText: Message = { 1: ['type', 'integer'], 2: ['number', 'integer'], 3: ['text', 'text'] };

function writeField(writer: BinaryWriter, number: number, type: Type, value: unknown): void {
  if (value === undefined || value === null) {
    if (type === 'text') writer.tag(number, WireType.LengthDelimited).string('');
  } else if (typeof type === 'object' && 'listOf' in type) {
    for (const each of value as unknown[]) writeField(writer, number, type.listOf, each);
  } else if (typeof type === 'object' && 'mapOf' in type) {
    for (const [key, each] of Object.entries(value)) {
      const entry = encodeMessage(entryOf(type.mapOf), { key, value: each });
      writer.tag(number, WireType.LengthDelimited).bytes(entry);
    }
  } else if (type === 'integer') writer.tag(number, WireType.Varint).int64(value as number);
  else if (type === 'flag') writer.tag(number, WireType.Varint).bool(value as boolean);
  else writer.tag(number, WireType.LengthDelimited).bytes(bytesOf(type, value));
}

function bytesOf(
  type: Exclude<Type, 'integer' | 'flag' | { listOf: Type } | { mapOf: Type }>,
  value: unknown,
): Uint8Array {
  if (typeof type === 'object') return encodeMessage('inline' in type ? type.inline : type.message, value as object);
  switch (type) {
    case 'bytes':
      return value as Uint8Array;
    case 'text':
    case 'pointer':
      return Buffer.from(value as string);
    case 'time':
      return encodeMessage(time, { seconds: Date.parse(value as string) / 1000, nanos: 0 });
    case 'json':
      return encodeMessage(json, { raw: JSON.stringify(value) });
    case 'quantity':
      return encodeMessage(quantity, { string: value });
    case 'int-or-text': {
      const parts = typeof value === 'number' ? { type: 0, number: value } : { type: 1, number: 0, text: value };
      return encodeMessage(intOrText, parts);
    }
  }
}
