import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Pod } from '../../src/model/cluster.ts';
import { isSamePod } from '../../src/model/same-pod.ts';

const port = { name: 'http', protocol: 'TCP', port: 80 } as const;
const web = (): Required<Pod> => ({
  kind: 'Pod',
  namespace: 'x',
  name: 'web',
  uid: 'u1',
  labels: Object.fromEntries([
    ['app', 'web'],
    ['__proto__', 'a'],
  ]),
  nodeName: 'n2',
  hostNetwork: false,
  terminal: false,
  terminating: false,
  addresses: ['10.1.0.1', 'fd00::1'],
  ports: [{ ...port }],
  mirrorOf: 'm1',
});
const changed: { readonly [Field in keyof Required<Pod>]: readonly unknown[] } = {
  kind: ['Node'],
  namespace: ['y'],
  name: ['api'],
  uid: ['u2'],
  labels: [
    {},
    { app: 'web' },
    { ['__proto__']: 'a', app: 'api' },
    Object.fromEntries([
      ['app', 'web'],
      ['__proto__', 'b'],
    ]),
    { ...web().labels, tier: 'front' },
  ],
  nodeName: [undefined, 'n1'],
  hostNetwork: [true],
  terminal: [true],
  terminating: [true],
  addresses: [[], ['10.1.0.1'], ['fd00::1', '10.1.0.1'], ['10.1.0.1', 'fd00::2']],
  ports: [[], [port, port], [{ ...port, name: 'web' }], [{ ...port, protocol: 'UDP' }], [{ ...port, port: 81 }]],
  mirrorOf: [undefined, 'm2'],
};

describe('isSamePod', () => {
  it('is true for a copy', () => {
    assert.equal(isSamePod(web(), web()), true);
  });

  for (const [field, values] of Object.entries(changed)) {
    it(`is false if ${field} differs`, () => {
      for (const value of values) {
        const other = { ...web(), [field]: value } as Pod;
        assert.deepEqual([isSamePod(web(), other), isSamePod(other, web())], [false, false], JSON.stringify(value));
      }
    });
  }
});
