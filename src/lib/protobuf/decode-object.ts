import { decodeMessage, ProtobufError, type Fields, type UnknownFields } from './decode-message.ts';
import type { Message } from './message.ts';

/** The media type of Kubernetes objects in protobuf. */
export const protobufType = 'application/vnd.kubernetes.protobuf';

const magic = Buffer.from('k8s\0');
/** `runtime.Unknown` of k8s.io/apimachinery, the envelope of each object. */
const envelope: Message = {
  1: ['type', { message: { 1: ['apiVersion', 'text'], 2: ['kind', 'text'] } }],
  2: ['raw', 'bytes'],
  3: ['contentEncoding', 'text'],
  4: ['contentType', 'text'],
};

interface Envelope {
  readonly type?: { readonly apiVersion?: string; readonly kind?: string };
  readonly raw?: Uint8Array;
  readonly contentEncoding?: string;
  readonly contentType?: string;
}

/**
 * Decodes a Kubernetes object of the media type `protobufType` to the equivalent JSON object. Throws ProtobufError if it is invalid, or if its type is
 * not in `messages`.
 * @param messages by `apiVersion/kind`
 */
export function decodeObject(
  messages: Readonly<Record<string, Message>>,
  bytes: Uint8Array,
  unknownFields: UnknownFields,
): Fields {
  if (!magic.every((byte, index) => bytes[index] === byte)) {
    throw new ProtobufError('an object does not begin with k8s\\0');
  }
  const opened: Envelope = decodeMessage(envelope, bytes.subarray(magic.length), unknownFields, 'Unknown');
  const { type: { apiVersion = '', kind = '' } = {}, raw, contentEncoding, contentType = protobufType } = opened;
  if (contentEncoding !== undefined || contentType !== protobufType) {
    throw new ProtobufError(
      `an object has the content type ${contentType} and the encoding ${contentEncoding ?? 'none'}`,
    );
  }
  const name = `${apiVersion}/${kind}`;
  const message = Object.hasOwn(messages, name) ? messages[name] : undefined;
  if (!message) throw new ProtobufError(`${name} is read as JSON only`);
  return { apiVersion, kind, ...decodeMessage(message, raw ?? new Uint8Array(), unknownFields, kind) };
}
