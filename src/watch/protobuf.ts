import { decodeMessage, ProtobufError } from '../lib/protobuf/decode-message.ts';
import { decodeObject, protobufType } from '../lib/protobuf/decode-object.ts';
import type { Message } from '../lib/protobuf/message.ts';
import { ApiError } from './api-error.ts';
import { mirrorAnnotation } from './decode.ts';

/*
 * The fields that the decoders of this room read, with the numbers of generated.proto in k8s.io/api/core/v1 and k8s.io/apimachinery/pkg/apis/meta/v1.
 * The reader skips all others by their length, above all managedFields.
 */

const objectMeta: Message = {
  1: ['name', 'text'],
  3: ['namespace', 'text'],
  5: ['uid', 'text'],
  6: ['resourceVersion', 'text'],
  7: ['generation', 'integer'],
  9: ['deletionTimestamp', 'time'],
  11: ['labels', 'text-map'],
  12: ['annotations', { entries: [mirrorAnnotation] }],
};

const container: Message = {
  6: [
    'ports',
    {
      listOf: { message: { 1: ['name', 'text'], 3: ['containerPort', { kept: 'integer' }], 4: ['protocol', 'text'] } },
    },
  ],
  24: ['restartPolicy', 'text'],
};

const pod: Message = {
  1: ['metadata', { message: objectMeta }],
  2: [
    'spec',
    {
      message: {
        2: ['containers', { listOf: { message: container } }],
        10: ['nodeName', 'text'],
        11: ['hostNetwork', 'flag'],
        20: ['initContainers', { listOf: { message: container } }],
      },
    },
  ],
  3: [
    'status',
    { message: { 1: ['phase', 'text'], 12: ['podIPs', { listOf: { message: { 1: ['ip', { kept: 'text' }] } } }] } },
  ],
};

const podList: Message = {
  1: ['metadata', { message: { 2: ['resourceVersion', 'text'], 3: ['continue', 'text'] } }],
  2: ['items', { listOf: { message: pod } }],
};

const status: Message = {
  3: ['message', 'text'],
  4: ['reason', 'text'],
  5: ['details', { message: { 4: ['causes', { listOf: { message: { 1: ['reason', 'text'] } } }] } }],
  6: ['code', 'integer'],
};

/** metav1.WatchEvent. Its object is a RawExtension. */
const watchEvent: Message = { 1: ['type', 'text'], 2: ['object', { message: { 1: ['raw', 'bytes'] } }] };

const lists = { 'v1/PodList': podList };
const statuses = { 'v1/Status': status };
const watched = { 'v1/Pod': pod, ...statuses };

/** Whether the `Content-Type` of a response is Kubernetes' protobuf. */
export function isProtobuf(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]!.trim().toLowerCase() === protobufType;
}

/** Decodes a list of pods to its JSON object, with the fields that this room reads. Throws an ApiError. */
export function decodeList(bytes: Uint8Array): unknown {
  // Protobuf omits an empty list. Any other kind is refused, so it cannot pass for one.
  return orMalformed(() => ({ items: [], ...decodeObject(lists, bytes, 'skip') }));
}

/** Decodes the Status of a refusal to its JSON object. Throws an ApiError. */
export function decodeStatus(bytes: Uint8Array): unknown {
  return orMalformed(() => decodeObject(statuses, bytes, 'skip'));
}

/** Decodes a frame of a watch of pods to the JSON object of a line. Throws an ApiError. */
export function decodeEvent(frame: Uint8Array): unknown {
  return orMalformed(() => {
    const { type, object } = decodeMessage(watchEvent, frame, 'skip', 'WatchEvent') as WatchEvent;
    if (type === undefined) throw new ProtobufError('an event has no type');
    return { type, object: object?.raw && decodeObject(watched, object.raw, 'skip') };
  });
}

interface WatchEvent {
  readonly type?: string;
  readonly object?: { readonly raw?: Uint8Array };
}

/** Whether the server refuses the media types of the request, or sent protobuf that this room cannot decode. */
export function refusesProtobuf(error: ApiError): boolean {
  return error.cause instanceof ProtobufError || error.status === 406 || error.status === 415;
}

export function invalidProtobuf(cause: ProtobufError): ApiError {
  return new ApiError('malformed', `invalid protobuf: ${cause.message}`, { cause });
}

function orMalformed<Value>(decode: () => Value): Value {
  try {
    return decode();
  } catch (error) {
    throw error instanceof ProtobufError ? invalidProtobuf(error) : error;
  }
}
