import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { isHost, readHost } from '../../src/lab/host.ts';
import { host, pod } from './objects.ts';

describe('lab: hosts outside', () => {
  it('reads addresses and ports', () => {
    const object = host('db', ['10.0.0.1', 'FD00:0::1'], [{ port: 5432 }, { port: 53, protocol: 'UDP' }]);
    assert.ok(isHost(object));
    assert.deepEqual(readHost(object), {
      name: 'db',
      addresses: ['10.0.0.1', 'fd00::1'],
      ports: [
        { protocol: 'TCP', port: 5432 },
        { protocol: 'UDP', port: 53 },
      ],
    });
    assert.ok(!isHost(pod('x', 'a', [])));
  });

  const refused: readonly [string, ReturnType<typeof host>][] = [
    ['metadata.name', host('Data Base', ['10.0.0.1'], [])],
    ['spec.addresses', host('db', [], [])],
    ['spec.addresses[1]', host('db', ['10.0.0.1', '10.0.0.256'], [])],
    ['spec.addresses[0]', host('db', ['fd00:10:244:7::1'], [])],
    ['spec.ports[0].port', host('db', ['10.0.0.1'], [{ port: 0 }])],
    ['spec.ports[0].port', host('db', ['10.0.0.1'], [{ port: '80' }])],
    ['spec.ports[1].protocol', host('db', ['10.0.0.1'], [{ port: 80 }, { port: 80, protocol: 'tcp' }])],
  ];
  for (const [field, object] of refused) {
    it(`names ${field} of ${JSON.stringify(object['spec'])}`, () => {
      assert.throws(
        () => readHost(object),
        (error: Error & { code: string }) => error.code === 'input' && error.message.includes(`${field}: `),
      );
    });
  }
});
