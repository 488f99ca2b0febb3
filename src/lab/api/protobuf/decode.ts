import type { JsonObject } from '../object.ts';
import { formatTime } from '../metadata.ts';
import { messages, type FieldType, type Message } from './messages.ts';
import { ProtobufError, readFields, type WireField } from './wire.ts';

const magic = [0x6b, 0x38, 0x73, 0x00];
const envelope: Message = { 1: ['type', { message: { 1: ['apiVersion', 'text'], 2: ['kind', 'text'] } }] };
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes an `application/vnd.kubernetes.protobuf` body to the equivalent JSON object. Go encodes every field that is not a pointer, so
 * an empty value counts as absent. Throws ProtobufError for messages and fields that messages.ts does not describe.
 */
export function decodeProtobuf(bytes: Uint8Array): JsonObject {
  if (!magic.every((byte, i) => bytes[i] === byte)) throw new ProtobufError('the body does not begin with k8s\\0');
  const outer = [...readFields(bytes.subarray(magic.length))];
  const { type } = decodeMessage(
    envelope,
    outer.filter(({ number }) => number === 1),
    'Unknown',
  );
  const { apiVersion, kind } = (type ?? {}) as JsonObject;
  const name = `${String(apiVersion)}/${String(kind)}`;
  const message = Object.hasOwn(messages, name) ? messages[name] : undefined;
  const raw = outer.find(({ number }) => number === 2)?.value;
  if (!message || !(raw instanceof Uint8Array)) throw new ProtobufError(`${name} is read as JSON only`);
  return { apiVersion, kind, ...decodeMessage(message, readFields(raw), String(kind)) };
}

function decodeMessage(message: Message, fields: Iterable<WireField>, name: string): JsonObject {
  const result: JsonObject = {};
  for (const { number, value } of fields) {
    if (isEmpty(value)) continue;
    const field = message[number];
    if (!field) throw new ProtobufError(`field ${number} of ${name} is read as JSON only`);
    const [key, type] = field;
    if (type === 'ignored') continue;
    if (typeof type === 'object' && 'listOf' in type) {
      const list = (result[key] ??= []) as unknown[];
      list.push(decodeValue(type.listOf, value, key));
    } else if (type === 'text-map') {
      const entry = decodeMessage({ 1: ['key', 'text'], 2: ['value', 'text'] }, readFields(bytesOf(value, key)), key);
      result[key] = { ...(result[key] as JsonObject), [String(entry.key ?? '')]: entry.value ?? '' };
    } else result[key] = decodeValue(type, value, key);
  }
  return result;
}

function decodeValue(
  type: Exclude<FieldType, 'ignored' | 'text-map' | { listOf: unknown }>,
  value: WireField['value'],
  name: string,
): unknown {
  if (typeof type === 'object') return decodeMessage(type.message, readFields(bytesOf(value, name)), name);
  switch (type) {
    case 'text':
      return utf8.decode(bytesOf(value, name));
    case 'flag':
      return numberOf(value, name) !== 0;
    case 'integer':
      return numberOf(value, name);
    case 'time': {
      const { seconds } = decodeMessage({ 1: ['seconds', 'integer'] }, readFields(bytesOf(value, name)), name);
      return formatTime(new Date(Number(seconds ?? 0) * 1000));
    }
    case 'int-or-text': {
      const parts: Message = { 1: ['isText', 'flag'], 2: ['number', 'integer'], 3: ['text', 'text'] };
      const { isText, number = 0, text = '' } = decodeMessage(parts, readFields(bytesOf(value, name)), name);
      return isText ? text : number;
    }
  }
}

function isEmpty(value: WireField['value']): boolean {
  return value instanceof Uint8Array ? value.length === 0 : value === 0n;
}

function bytesOf(value: WireField['value'], name: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new ProtobufError(`${name} is no message or text`);
}

function numberOf(value: WireField['value'], name: string): number {
  if (typeof value === 'bigint') return Number(BigInt.asIntN(64, value));
  throw new ProtobufError(`${name} is no number`);
}
