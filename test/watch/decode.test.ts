import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Pod } from '../../src/model/cluster.ts';
import { decodeNamespace, decodeNode, decodePod, readIdentity, type Decoded } from '../../src/watch/decode.ts';

function decode(pod: { metadata?: object; spec?: unknown; status?: unknown }): Decoded<Pod> {
  const raw = {
    ...pod,
    metadata: { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '7', ...pod.metadata },
  };
  return decodePod(raw, readIdentity(raw)!);
}

function containers(...ports: unknown[]): { containers: unknown[] } {
  return { containers: [{ ports }] };
}

describe('decoding a pod', () => {
  it('keeps what we use', () => {
    const { value, issues } = decode({
      metadata: { labels: { app: 'web' }, annotations: { a: 'b' } },
      spec: { nodeName: 'n1', containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }] },
      status: { phase: 'Running', podIPs: [{ ip: '10.0.0.7' }, { ip: 'FD00:0::7' }] },
    });
    assert.deepEqual(value, {
      kind: 'Pod',
      namespace: 'shop',
      name: 'web',
      uid: 'u1',
      labels: { app: 'web' },
      nodeName: 'n1',
      hostNetwork: false,
      terminal: false,
      terminating: false,
      addresses: ['10.0.0.7', 'fd00::7'],
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    });
    assert.deepEqual(issues, []);
  });

  it('does not read status.podIP (S1.8)', () => {
    assert.deepEqual(decode({ status: { podIP: '10.0.0.7' } }).value.addresses, []);
  });

  it('leaves out addresses that are none, and second ones of a family, with an issue each', () => {
    const { value, issues } = decode({
      status: { podIPs: [{ ip: '10.0.0.256' }, { ip: '10.0.0.7' }, { ip: '10.0.0.8' }, {}, null, { ip: 'fd00::1' }] },
    });
    assert.deepEqual(value.addresses, ['10.0.0.7', 'fd00::1']);
    assert.deepEqual(
      issues.map(({ code, path }) => `${code} ${path}`),
      [0, 2, 3, 4].map((index) => `invalid-address status.podIPs[${index}].ip`),
    );
  });

  for (const [phase, terminal] of [
    ['Pending', false],
    ['Running', false],
    ['Unknown', false],
    ['Succeeded', true],
    ['Failed', true],
  ] as const) {
    it(`${phase} is ${terminal ? '' : 'not '}terminal (S1.4)`, () => {
      assert.equal(decode({ status: { phase } }).value.terminal, terminal);
    });
  }

  it('sees deletion and the host network', () => {
    const { value } = decode({
      metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' },
      spec: { hostNetwork: true },
    });
    assert.equal(value.terminating && value.hostNetwork, true);
  });

  it('knows a static pod by the annotation that the kubelet writes, and no other', () => {
    const mirror = (annotations: unknown) => decode({ metadata: { annotations } }).value;
    assert.equal(
      mirror({ 'kubernetes.io/config.mirror': 'hash', 'kubernetes.io/config.hash': 'other' }).mirrorOf,
      'hash',
    );
    for (const annotations of [
      undefined,
      'text',
      {},
      { 'kubernetes.io/config.mirror': '' },
      { 'kubernetes.io/config.mirror': 7 },
    ]) {
      assert.equal('mirrorOf' in mirror(annotations), false);
    }
  });

  it('has no node before it is scheduled', () => {
    assert.equal(decode({ spec: { nodeName: '' } }).value.nodeName, undefined);
  });

  it('takes ports of containers and of init containers that keep running (S4.10)', () => {
    const port = (name: string): object => ({ ports: [{ name, containerPort: 80, protocol: 'UDP' }] });
    const { value } = decode({
      spec: {
        containers: [port('app'), {}],
        initContainers: [{ ...port('once') }, { ...port('sidecar'), restartPolicy: 'Always' }],
        ephemeralContainers: [port('debug')],
      },
    });
    assert.deepEqual(
      value.ports.map(({ name }) => name),
      ['app', 'sidecar'],
    );
  });

  it('keeps all numbers of a name, each once (S4.11), and no port without a name', () => {
    const { value } = decode({
      spec: containers(
        { name: 'web', containerPort: 80 },
        { name: 'web', containerPort: 80, protocol: 'TCP' },
        { name: 'web', containerPort: 81 },
        { name: 'web', containerPort: 80, protocol: 'SCTP' },
        { containerPort: 9 },
      ),
    });
    assert.deepEqual(
      value.ports.map(({ name, protocol, port }) => `${name} ${protocol} ${port}`),
      ['web TCP 80', 'web TCP 81', 'web SCTP 80'],
    );
  });

  for (const [port, issue] of [
    [{ name: 'x', containerPort: 0 }, 'invalid-port spec.containers[0].ports[0].containerPort'],
    [{ name: 'x', containerPort: 65536 }, 'invalid-port spec.containers[0].ports[0].containerPort'],
    [{ name: 'x', containerPort: 8.5 }, 'invalid-port spec.containers[0].ports[0].containerPort'],
    [{ name: 'x', containerPort: '80' }, 'invalid-port spec.containers[0].ports[0].containerPort'],
    [{ name: 'x' }, 'invalid-port spec.containers[0].ports[0].containerPort'],
    [{ name: 'x', containerPort: 80, protocol: 'tcp' }, 'invalid-protocol spec.containers[0].ports[0].protocol'],
    [{ name: 'x', containerPort: 80, protocol: 6 }, 'invalid-protocol spec.containers[0].ports[0].protocol'],
  ] as const) {
    it(`leaves out the port ${JSON.stringify(port)}`, () => {
      const { value, issues } = decode({ spec: containers(port) });
      assert.deepEqual(value.ports, []);
      assert.deepEqual(
        issues.map(({ code, path }) => `${code} ${path}`),
        [issue],
      );
    });
  }

  for (const [spec, status, labels] of [
    [null, null, null],
    ['text', 7, []],
    [{ containers: {} }, { podIPs: {} }, 'text'],
    [{ containers: [null, 1, { ports: 'x' }] }, { podIPs: 'text', phase: 7 }, { a: 1, b: null }],
  ] as const) {
    it(`survives spec ${JSON.stringify(spec)} and status ${JSON.stringify(status)}`, () => {
      const { value } = decode({ metadata: { labels }, spec, status });
      assert.deepEqual([value.addresses, value.ports, value.labels, value.terminal], [[], [], {}, false]);
    });
  }
});

describe('decoding the others', () => {
  it('keeps the labels of a namespace', () => {
    const raw = { metadata: { name: 'shop', labels: { team: 'a' } } };
    const { value } = decodeNamespace(raw, readIdentity(raw)!);
    assert.deepEqual(value, { kind: 'Namespace', name: 'shop', labels: { team: 'a' } });
  });

  it('keeps every address of a node that is one, canonical and once', () => {
    const addresses = ['192.0.2.1', 'node-1.example', 'FD00::1', '192.0.2.1', undefined].map((address) => ({
      address,
    }));
    const raw = { metadata: { name: 'n1' }, status: { addresses: [...addresses, null] } };
    const { value } = decodeNode(raw, readIdentity(raw)!);
    assert.deepEqual(value, { kind: 'Node', name: 'n1', addresses: ['192.0.2.1', 'fd00::1'] });
  });

  for (const [spec, podCidrs, issues] of [
    [{ podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'FD00:1::/64'] }, ['10.244.1.0/24', 'fd00:1::/64'], []],
    [{ podCIDRs: ['10.244.1.7/24', '10.244.1.0/24'] }, ['10.244.1.0/24'], []],
    [{ podCIDR: '10.244.1.0/24' }, ['10.244.1.0/24'], []],
    [{ podCIDR: '', podCIDRs: [] }, undefined, []],
    [{ podCIDR: 7 }, undefined, ['invalid-cidr spec.podCIDR']],
    [
      { podCIDRs: ['10.244.1.0/24', '10.244.1.0', null] },
      ['10.244.1.0/24'],
      ['invalid-cidr spec.podCIDRs[1]', 'invalid-cidr spec.podCIDRs[2]'],
    ],
    ['text', undefined, []],
  ] as const) {
    it(`of a node with ${JSON.stringify(spec)} takes the ranges ${JSON.stringify(podCidrs)}`, () => {
      const raw = { metadata: { name: 'n1' }, spec };
      const node = decodeNode(raw, readIdentity(raw)!);
      assert.deepEqual(node.value.podCidrs, podCidrs);
      assert.deepEqual(
        node.issues.map(({ code, path }) => `${code} ${path}`),
        issues,
      );
    });
  }

  it('finds no identity in what has no name', () => {
    for (const raw of [null, 'text', [], {}, { metadata: [] }, { metadata: { name: 3 } }]) {
      assert.equal(readIdentity(raw), undefined);
    }
  });
});
