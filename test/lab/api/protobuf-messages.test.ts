import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { messages } from '../../../src/lab/api/protobuf-messages.ts';
import { ProtobufError } from '../../../src/lib/protobuf/decode-message.ts';
import { decodeObject } from '../../../src/lib/protobuf/decode-object.ts';

const field = (number: number, value: Buffer | string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
};
const number = (at: number, ...varint: number[]): Buffer => Buffer.from([at << 3, ...varint]);
const message = (...fields: Buffer[]): Buffer => Buffer.concat(fields);

function body(apiVersion: string, kind: string, object: Buffer): Buffer {
  return message(Buffer.from('k8s\0'), field(1, message(field(1, apiVersion), field(2, kind))), field(2, object));
}

const decodeProtobuf = (bytes: Uint8Array): Record<string, unknown> => decodeObject(messages, bytes, 'refuse');

const metadata = field(1, field(1, 'a'));

describe('a protobuf body', () => {
  it('is read as the object that kubectl meant, without its empty fields', () => {
    const labels = [
      field(11, message(field(1, 'app'), field(2, 'a'))),
      field(11, message(field(1, 'empty'), field(2, ''))),
    ];
    // creationTimestamp {seconds: 1}
    const meta = field(1, message(field(1, 'a'), field(2, ''), field(8, number(1, 1)), ...labels));
    // spec.ports[0] {port: 443, targetPort: {type: 1, strVal: https}}, ports[1] {port: 80, targetPort: {intVal: 8080}}
    const first = message(
      field(1, ''),
      number(3, 0xbb, 0x03),
      field(4, message(number(1, 1), number(2, 0), field(3, 'https'))),
    );
    const second = message(number(3, 80), field(4, message(number(1, 0), number(2, 0x90, 0x3f))));
    const spec = field(2, message(field(1, first), field(1, second), field(3, '')));
    assert.deepEqual(decodeProtobuf(body('v1', 'Service', message(meta, spec, field(3, 'status')))), {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'a', creationTimestamp: '1970-01-01T00:00:01Z', labels: { app: 'a', empty: '' } },
      spec: {
        ports: [
          { port: 443, targetPort: 'https' },
          { port: 80, targetPort: 8080 },
        ],
      },
    });
  });

  it('reads negative numbers', () => {
    const minusOne = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    const spec = field(2, number(1, ...minusOne));
    assert.deepEqual(decodeProtobuf(body('apps/v1', 'Deployment', spec))['spec'], { replicas: -1 });
  });

  it('keeps a zero that is not the default', () => {
    const spec = field(2, message(number(1, 0), number(5, 0)));
    assert.deepEqual(decodeProtobuf(body('apps/v1', 'Deployment', spec))['spec'], { replicas: 0 });
  });

  const refused = {
    'without the magic': Buffer.from('{}'),
    'of a kind that is not described': body('v1', 'Pod', metadata),
    'with a field that is not described': body('v1', 'Namespace', message(metadata, field(9, 'x'))),
    'with a number where a message belongs': body('v1', 'Namespace', number(1, 1)),
    'with a message where a number belongs': body('v1', 'ConfigMap', field(4, 'x')),
    'cut off inside a field': body('v1', 'Namespace', metadata).subarray(0, -1),
    'cut off inside a number': body('v1', 'Namespace', number(1, 0x80)),
    compressed: message(body('v1', 'Namespace', metadata), field(3, 'gzip')),
    'with another content type inside': message(body('v1', 'Namespace', metadata), field(4, 'application/json')),
    'of a wire type that Kubernetes does not use': body('v1', 'Namespace', Buffer.from([0x0d, 0, 0, 0, 0])),
  };
  for (const [what, bytes] of Object.entries(refused)) {
    it(`${what} is refused`, () => assert.throws(() => decodeProtobuf(bytes), ProtobufError));
  }
});
