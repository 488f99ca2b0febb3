import { deepEqual, equal } from 'node:assert/strict';
import { loadYaml } from '@kubernetes/client-node';
import { describe, it } from 'mocha';
import { planAddresses } from '../../src/lab/addressing.ts';
import { listAt, objectAt, textAt } from '../../src/lib/json.ts';
import { assignAddresses } from '../../src/manifests/addresses.ts';
import { applyDefaults } from '../../src/manifests/defaults.ts';
import type { ApiObject } from '../../src/manifests/load.ts';
import { expandWorkloads } from '../../src/manifests/workloads.ts';

const read = (yaml: string): ApiObject[] => loadYaml<ApiObject[]>(yaml);
const ofKind = (objects: readonly ApiObject[], kind: string): ApiObject[] =>
  objects.filter((each) => each['kind'] === kind);
const keyOf = (object: ApiObject): string =>
  `${textAt(object, 'metadata', 'namespace')}/${textAt(object, 'metadata', 'name')}`;

describe('expandWorkloads', () => {
  const template = 'template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c}]}}';
  const rows: readonly (readonly [yaml: string, pods: readonly string[]])[] = [
    [`{kind: Deployment, metadata: {name: w, namespace: x}, spec: {${template}}}`, ['x/w-0']],
    [`{kind: Deployment, metadata: {name: w, namespace: x}, spec: {replicas: 2, ${template}}}`, ['x/w-0', 'x/w-1']],
    [
      `{kind: Deployment, metadata: {name: w, namespace: x}, spec: {replicas: 900, ${template}}}`,
      ['x/w-0', 'x/w-1', 'x/w-2'],
    ],
    [`{kind: ReplicaSet, metadata: {name: w}, spec: {replicas: 0, ${template}}}`, []],
    [`{kind: StatefulSet, metadata: {name: w}, spec: {replicas: 1, ${template}}}`, ['default/w-0']],
    [`{kind: DaemonSet, metadata: {name: w}, spec: {${template}}}`, ['default/w-0']],
    [`{kind: Job, metadata: {name: w}, spec: {parallelism: 2, ${template}}}`, ['default/w-0', 'default/w-1']],
    [`{kind: CronJob, metadata: {name: w}, spec: {jobTemplate: {spec: {${template}}}}}`, ['default/w-0']],
  ];
  for (const [yaml, pods] of rows) {
    it(`${yaml}: ${pods.join(', ') || 'none'}`, () => {
      const expanded = expandWorkloads(read(`[${yaml}]`));
      deepEqual(expanded.map(keyOf), pods);
      for (const pod of expanded) {
        deepEqual(
          [pod['kind'], objectAt(pod, 'metadata', 'labels'), pod['spec']],
          ['Pod', { app: 'a' }, { containers: [{ name: 'c' }] }],
        );
      }
    });
  }

  it('skips a workload if an object that it owns is given', () => {
    const objects = read(`
- {kind: Deployment, metadata: {name: w, namespace: x}, spec: {${template}}}
- {kind: ReplicaSet, metadata: {name: w-1, namespace: x, ownerReferences: [{kind: Deployment, name: w}]}, spec: {${template}}}
- {kind: Pod, metadata: {name: w-1-a, namespace: x, ownerReferences: [{kind: ReplicaSet, name: w-1}]}}
- {kind: Deployment, metadata: {name: w, namespace: y}, spec: {${template}}}
`);
    deepEqual(expandWorkloads(objects).map(keyOf), ['x/w-1-a', 'y/w-0']);
  });
});

describe('applyDefaults', () => {
  const policyTypes: readonly (readonly [spec: string, types: unknown])[] = [
    ['{}', ['Ingress']],
    ['{egress: []}', ['Ingress']],
    ['{egress: null, policyTypes: []}', ['Ingress']],
    ['{egress: [{}]}', ['Ingress', 'Egress']],
    ['{egress: [{}], policyTypes: null}', ['Ingress', 'Egress']],
    ['{egress: [{}], policyTypes: [Ingress]}', ['Ingress']],
    ['{policyTypes: Ingress}', 'Ingress'],
  ];
  for (const [spec, types] of policyTypes) {
    it(`S2.1: policyTypes of ${spec}`, () => {
      const { objects } = applyDefaults(read(`[{kind: NetworkPolicy, metadata: {name: p}, spec: ${spec}}]`));
      deepEqual(objectAt(ofKind(objects, 'NetworkPolicy')[0], 'spec')['policyTypes'], types);
    });
  }

  it('adds only missing protocols, in policies and pods, and keeps unreadable values', () => {
    const { objects } = applyDefaults(
      read(`
- {kind: NetworkPolicy, metadata: {name: p}, spec: {policyTypes: [Egress], ingress: 7, egress: [{ports: [{port: 80}, {protocol: null}, {protocol: tcp}, 5]}, null]}}
- {kind: Pod, metadata: {name: a}, spec: {containers: [{ports: [{containerPort: 1}, {containerPort: 2, protocol: UDP}]}], initContainers: [{ports: [{containerPort: 3}]}]}}
`),
    );
    deepEqual(ofKind(objects, 'NetworkPolicy')[0]!['spec'], {
      policyTypes: ['Egress'],
      ingress: 7,
      egress: [{ ports: [{ port: 80, protocol: 'TCP' }, { protocol: 'TCP' }, { protocol: 'tcp' }, 5] }, null],
    });
    deepEqual(ofKind(objects, 'Pod')[0]!['spec'], {
      containers: [
        {
          ports: [
            { containerPort: 1, protocol: 'TCP' },
            { containerPort: 2, protocol: 'UDP' },
          ],
        },
      ],
      initContainers: [{ ports: [{ containerPort: 3, protocol: 'TCP' }] }],
    });
  });

  it('S3.3: labels every namespace with its name, overwrites other values, and adds namespaces that are only used', () => {
    const { objects, notes } = applyDefaults(
      read(`
- {kind: Namespace, metadata: {name: x, labels: {a: b, kubernetes.io/metadata.name: lie}}}
- {kind: Pod, metadata: {name: a, namespace: x}}
- {kind: Pod, metadata: {name: a, namespace: y}}
- {kind: Pod, metadata: {name: a}}
- {kind: Node, metadata: {name: n}}
- {apiVersion: lab.postern.dev/v1, kind: Host, metadata: {name: h}}
`),
    );
    deepEqual(
      ofKind(objects, 'Namespace').map((each) => [
        textAt(each, 'metadata', 'name'),
        objectAt(each, 'metadata', 'labels'),
      ]),
      [
        ['default', { 'kubernetes.io/metadata.name': 'default' }],
        ['y', { 'kubernetes.io/metadata.name': 'y' }],
        ['x', { a: 'b', 'kubernetes.io/metadata.name': 'x' }],
      ],
    );
    deepEqual(ofKind(objects, 'Pod').map(keyOf), ['x/a', 'y/a', 'default/a']);
    deepEqual(notes, ['namespace y is not in the manifests: assuming that it exists without labels']);
  });
});

describe('assignAddresses', () => {
  const placeOf = (pod: ApiObject): unknown => [
    keyOf(pod),
    textAt(pod, 'spec', 'nodeName'),
    objectAt(pod, 'status')['podIPs'],
  ];

  it('assigns nodes and addresses to pods, creates Node objects, and keeps given values', () => {
    const { objects, assumed } = assignAddresses(
      read(`
- {kind: Pod, metadata: {name: a, namespace: x}}
- {kind: Pod, metadata: {name: b, namespace: x}, status: {podIPs: [{ip: 10.244.1.2}]}}
- {kind: Pod, metadata: {name: c, namespace: x}, spec: {nodeName: mine}, status: {podIP: "fd00::c"}}
- {kind: Pod, metadata: {name: d, namespace: x}, spec: {hostNetwork: true, nodeName: mine}}
- {kind: Pod, metadata: {name: e, namespace: x}}
- {kind: Pod, metadata: {name: f, namespace: x}}
- {kind: Pod, metadata: {name: g, namespace: x}, spec: {nodeName: mine}}
`),
    );
    deepEqual(ofKind(objects, 'Pod').map(placeOf), [
      ['x/a', 'n1', [{ ip: '10.244.1.3' }, { ip: 'fd00:10:244:1::3' }]],
      ['x/b', 'n2', [{ ip: '10.244.1.2' }]],
      ['x/c', 'mine', [{ ip: 'fd00::c' }]],
      ['x/d', 'mine', [{ ip: '172.30.0.4' }, { ip: 'fd00:172:30::4' }]],
      ['x/e', 'n1', [{ ip: '10.244.1.4' }, { ip: 'fd00:10:244:1::4' }]],
      ['x/f', 'n2', [{ ip: '10.244.2.2' }, { ip: 'fd00:10:244:2::2' }]],
      ['x/g', 'mine', [{ ip: '10.244.3.2' }, { ip: 'fd00:10:244:3::2' }]],
    ]);
    deepEqual(
      ofKind(objects, 'Node').map((node) => textAt(node, 'metadata', 'name')),
      ['n1', 'n2', 'mine'],
    );
    deepEqual(Object.fromEntries(assumed), {
      'x/a': 'n1, 10.244.1.3, fd00:10:244:1::3',
      'x/b': 'n2',
      'x/d': '172.30.0.4, fd00:172:30::4',
      'x/e': 'n1, 10.244.1.4, fd00:10:244:1::4',
      'x/f': 'n2, 10.244.2.2, fd00:10:244:2::2',
      'x/g': '10.244.3.2, fd00:10:244:3::2',
    });
  });

  it('uses the given nodes with their addresses', () => {
    const { objects } = assignAddresses(
      read(`
- {kind: Node, metadata: {name: k1}, status: {addresses: [{type: Hostname, address: k1}, {type: InternalIP, address: 10.0.0.9}]}}
- {kind: Node, metadata: {name: k2}, status: {addresses: [{type: Hostname, address: k2}]}}
- {kind: Pod, metadata: {name: a, namespace: x}, spec: {hostNetwork: true}}
- {kind: Pod, metadata: {name: b, namespace: x}, spec: {hostNetwork: true}}
`),
    );
    deepEqual(ofKind(objects, 'Pod').map(placeOf), [
      ['x/a', 'k1', [{ ip: '10.0.0.9' }]],
      ['x/b', 'k2', [{ ip: '172.30.0.2' }, { ip: 'fd00:172:30::2' }]],
    ]);
    equal(ofKind(objects, 'Node').length, 2);
  });

  it('assigns the same nodes and addresses as the lab', () => {
    const { nodes } = planAddresses(2, 'dual');
    const { objects } = assignAddresses(
      read('[{kind: Pod, metadata: {name: a}}, {kind: Pod, metadata: {name: b}}, {kind: Pod, metadata: {name: c}}]'),
    );
    const pods = ofKind(objects, 'Pod');
    for (const { name, addresses, podCidrs } of nodes) {
      const node = ofKind(objects, 'Node').find((each) => textAt(each, 'metadata', 'name') === name);
      deepEqual(
        listAt(node, 'status', 'addresses').map((each) => textAt(each, 'address')),
        addresses,
      );
      const first = pods.find((each) => textAt(each, 'spec', 'nodeName') === name);
      const second = podCidrs.map((cidr) => cidr.replace(/(0|::)\/[0-9]+$/, (_, end) => (end === '0' ? '2' : '::2')));
      deepEqual(
        listAt(first, 'status', 'podIPs').map((each) => textAt(each, 'ip')),
        second,
      );
    }
  });

  it('adds ranges to a full node, and assigns no address twice', () => {
    const pods = Array.from({ length: 600 }, (_, index) => ({
      kind: 'Pod',
      metadata: { name: `a${index}` },
    }));
    const { objects } = assignAddresses(pods);
    const given = ofKind(objects, 'Pod').flatMap((pod) =>
      listAt(pod, 'status', 'podIPs').map((each) => textAt(each, 'ip')),
    );
    equal(new Set(given).size, 1200);
    deepEqual(
      given.filter((ip) => /\.(0|1|255)$/.test(ip!)),
      [],
    );
    deepEqual(given.slice(-2), ['10.244.4.48', 'fd00:10:244:4::30']);
  });

  it('changes nothing if everything is given', () => {
    const objects = read(`
- {kind: Node, metadata: {name: k1}, status: {addresses: [{type: InternalIP, address: 10.0.0.9}]}}
- {kind: Pod, metadata: {name: a, namespace: x}, spec: {nodeName: k1}, status: {podIPs: [{ip: 10.9.9.9}]}}
`);
    deepEqual(assignAddresses(objects), { objects, assumed: new Map() });
  });
});
