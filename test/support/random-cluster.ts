import fc from 'fast-check';
import { defaultLimits, withSharedGroups, type ShapeLimits } from '../../src/compile/shape-limits.ts';
import { modeAnnotation, type PolicyId } from '../../src/model/policy.ts';
import type { ApiObject } from './pipeline.ts';

/** Small on purpose: few names, so that selectors, ports and blocks meet each other often. */
/** Includes low limits, so that small clusters also test the layouts that production uses only at scale. */
export const shapeLimits = fc.constantFrom<ShapeLimits>(
  defaultLimits,
  { ...defaultLimits, maxTuples: 1 },
  { ...defaultLimits, maxClassTuples: 2, maxLookupsOfPort: 2 },
  { ...defaultLimits, maxTuples: 0, maxSharedLookups: 1 },
  { ...defaultLimits, maxTuples: 3, maxSharedLookups: 0 },
  withSharedGroups({ ...defaultLimits, maxTuples: 8 }),
);

export const nodeNames = ['n1', 'n2'];
const namespaces = ['x', 'y', 'z'];
const labelKeys = ['app', 'env', 'tier'];
const labelValues = ['a', 'b', ''];
const portNames = ['web', 'api', 'dns'];
const portNumbers = [53, 79, 80, 81, 443, 8080];
const protocolNames = ['TCP', 'UDP', 'SCTP'];

const outsideAddresses = {
  ipv4: ['10.0.0.1', '10.0.0.2', '10.0.1.9', '203.0.113.5', '255.255.255.255', '0.0.0.1'],
  ipv6: ['fd00::1', 'fd00::2', 'fd00:0:0:1::9', '2001:db8::5', 'ffff::1'],
} as const;

const nodeAddresses: Record<string, string[]> = {
  n1: ['192.0.2.1', '2001:db8:ffff::1'],
  n2: ['192.0.2.2', '2001:db8:ffff::2'],
};

/** Addresses inside 10.1.0.0/24 and fd01::/120, so that blocks of several sizes contain some of them. */
function podAddresses(index: number): string[] {
  return [`10.1.0.${index * 3 + 2}`, `fd01::${(index * 3 + 2).toString(16)}`];
}

const labels = fc.dictionary(fc.constantFrom(...labelKeys), fc.constantFrom(...labelValues), { maxKeys: 3 });

const requirement = fc.record({
  key: fc.constantFrom(...labelKeys),
  operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
  values: fc.array(fc.constantFrom(...labelValues, '!'), { maxLength: 2 }),
});

const readableSelector = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  { weight: 4, arbitrary: fc.record({ matchLabels: labels }) },
  { weight: 3, arbitrary: fc.record({ matchExpressions: fc.array(requirement, { minLength: 1, maxLength: 2 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ matchLabels: labels, matchExpressions: fc.array(requirement, { maxLength: 1 }) }),
  },
);

const unreadableSelector = fc.constant({ matchExpressions: [{ key: 'app', operator: 'Near', values: ['a'] }] });

const selector = fc.oneof({ weight: 10, arbitrary: readableSelector }, { weight: 1, arbitrary: unreadableSelector });

/** A rule that cannot be read denies everything, so few of them leave something to compare. */
const clusterSelector = fc.oneof(
  { weight: 20, arbitrary: fc.constant({}) },
  { weight: 40, arbitrary: readableSelector },
  { weight: 1, arbitrary: unreadableSelector },
);

const ipBlock = fc.oneof(
  fc.record({
    cidr: fc.constantFrom(
      '0.0.0.0/0',
      '10.0.0.0/8',
      '10.1.0.0/24',
      '10.1.0.8/29',
      '10.1.0.9/24',
      '10.0.0.0/31',
      '192.0.2.0/24',
      '010.1.0.5/32',
    ),
    except: fc.array(fc.constantFrom('10.1.0.0/28', '10.1.0.4/30', '10.0.0.1/32', '10.1.0.5/32', '10.1.0.0/25'), {
      maxLength: 2,
    }),
  }),
  fc.record({
    cidr: fc.constantFrom(
      '::/0',
      'fd01::/16',
      'fd01::/120',
      'FD01::8/125',
      'fd00::/127',
      '2001:db8:ffff::/64',
      '::ffff:10.1.0.0/120',
    ),
    except: fc.array(fc.constantFrom('fd01::/124', 'fd01::4/126', 'fd00::1/128', 'fd01::5/128'), { maxLength: 2 }),
  }),
  fc.constant({ cidr: '10.1.0.0/33' }),
  fc.constant({ cidr: '10.1.0.0/24', except: ['nonsense'] }),
);

const peer = fc.oneof(
  { weight: 3, arbitrary: fc.record({ podSelector: selector }) },
  { weight: 2, arbitrary: fc.record({ namespaceSelector: selector }) },
  { weight: 3, arbitrary: fc.record({ podSelector: selector, namespaceSelector: selector }) },
  { weight: 4, arbitrary: fc.record({ ipBlock }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      {},
      { podSelector: {}, newSelector: {} },
      { ipBlock: { cidr: '0.0.0.0/0' }, podSelector: {} },
    ),
  },
);

const port = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ port: fc.constantFrom(...portNumbers), protocol: fc.constantFrom(...protocolNames) }),
  },
  { weight: 1, arbitrary: fc.record({ port: fc.constantFrom(...portNumbers) }) },
  {
    weight: 6,
    arbitrary: fc.record({ port: fc.constantFrom(...portNames), protocol: fc.constantFrom(...protocolNames) }),
  },
  { weight: 2, arbitrary: fc.record({ protocol: fc.constantFrom(...protocolNames) }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 53, 79, 80), fc.constantFrom(80, 81, 443, 65535), fc.constantFrom(...protocolNames))
      .map(([first, last, protocol]) => ({ port: first, endPort: last, protocol })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { port: 0 },
      { port: 80, protocol: 'tcp' },
      { port: 80, endPort: 79 },
      { port: 'no--name' },
      {},
    ),
  },
);

const rule = (peersName: 'from' | 'to') =>
  fc.record(
    {
      [peersName]: fc.oneof(fc.array(peer, { maxLength: 3 }), fc.constant(null)),
      ports: fc.oneof(fc.array(port, { maxLength: 3 }), fc.constant(null)),
    },
    { requiredKeys: [] },
  );

const policySpec = fc.record(
  {
    podSelector: selector,
    policyTypes: fc.constantFrom(
      ['Ingress'],
      ['Egress'],
      ['Ingress', 'Egress'],
      ['Ingress', 'Sideways'],
      ['Sideways'],
      [],
      null,
    ),
    ingress: fc.oneof(fc.array(rule('from'), { maxLength: 3 }), fc.constant(null)),
    egress: fc.oneof(fc.array(rule('to'), { maxLength: 3 }), fc.constant(null)),
  },
  { requiredKeys: ['podSelector'] },
);

/** What is no mode enforces (S13.1). */
const mode = fc.constantFrom(
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  'audit',
  'audit',
  'enforce',
  'Audit',
);

const networkPolicies = fc
  .array(fc.record({ namespace: fc.constantFrom(...namespaces), mode, spec: policySpec }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((policies) =>
    policies.map(({ namespace, mode: given, spec }, index): ApiObject => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {
        namespace,
        name: `p${index}`,
        uid: `policy-${index}`,
        resourceVersion: '1',
        ...(given !== undefined && { annotations: { [modeAnnotation]: given } }),
      },
      spec,
    })),
  );

const clusterPeer = (direction: 'ingress' | 'egress') =>
  fc.oneof(
    { weight: 12, arbitrary: fc.record({ namespaces: clusterSelector }) },
    {
      weight: 15,
      arbitrary: fc.record({ pods: fc.record({ podSelector: clusterSelector, namespaceSelector: clusterSelector }) }),
    },
    { weight: 5, arbitrary: fc.record({ pods: fc.record({ podSelector: clusterSelector }) }) },
    ...(direction === 'ingress'
      ? []
      : [
          { weight: 10, arbitrary: fc.record({ networks: fc.array(network, { minLength: 1, maxLength: 2 }) }) },
          { weight: 8, arbitrary: fc.record({ nodes: clusterSelector }) },
        ]),
    { weight: 1, arbitrary: fc.constantFrom({}, { domainNames: ['example.org'] }, { pods: {}, namespaces: {} }) },
  );

const network = fc.constantFrom(
  ...['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/24', '10.1.0.8/29', '10.1.0.9/28', '192.0.2.0/24', '10.1.0.5/32'],
  ...['::/0', 'fd01::/120', 'fd01::8/125', '2001:db8:ffff::/64'],
);

const clusterProtocol = fc.oneof(
  {
    weight: 15,
    arbitrary: fc
      .tuple(fc.constantFrom('tcp', 'tcp', 'udp', 'sctp'), fc.constantFrom(...portNumbers))
      .map(([protocol, number]) => ({ [protocol]: { destinationPort: { number } } })),
  },
  {
    weight: 9,
    arbitrary: fc
      .tuple(fc.constantFrom('tcp', 'udp'), fc.constantFrom(1, 53, 79), fc.constantFrom(80, 443, 65535))
      .map(([protocol, start, end]) => ({ [protocol]: { destinationPort: { range: { start, end } } } })),
  },
  { weight: 12, arbitrary: fc.record({ destinationNamedPort: fc.constantFrom(...portNames) }) },
  { weight: 1, arbitrary: fc.constantFrom({ tcp: {} }, { gre: {} }, { tcp: { destinationPort: { number: 0 } } }) },
);

const clusterRule = (direction: 'ingress' | 'egress') =>
  fc.record(
    {
      action: fc.oneof(
        { weight: 30, arbitrary: fc.constantFrom('Accept', 'Accept', 'Deny', 'Deny', 'Deny', 'Pass', 'Pass') },
        { weight: 1, arbitrary: fc.constant('Log') },
      ),
      [direction === 'ingress' ? 'from' : 'to']: fc.array(clusterPeer(direction), { minLength: 1, maxLength: 2 }),
      protocols: fc.array(clusterProtocol, { minLength: 1, maxLength: 4 }),
      name: fc.constantFrom('first', 'a "quoted" name'),
    },
    { requiredKeys: ['action', direction === 'ingress' ? 'from' : 'to'] },
  );

const clusterPolicySpec = fc.record(
  {
    tier: fc.constantFrom('Admin', 'Admin', 'Baseline', 'Baseline', 'Baseline', 'Platform'),
    priority: fc.constantFrom(0, 1, 1, 1000),
    subject: fc.oneof(
      { weight: 3, arbitrary: fc.record({ namespaces: clusterSelector }) },
      {
        weight: 3,
        arbitrary: fc.record({ pods: fc.record({ podSelector: clusterSelector, namespaceSelector: clusterSelector }) }),
      },
      { weight: 6, arbitrary: fc.constant({ namespaces: {} }) },
    ),
    ingress: fc.array(clusterRule('ingress'), { minLength: 1, maxLength: 4 }),
    egress: fc.array(clusterRule('egress'), { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: ['tier', 'priority', 'subject'] },
);

const clusterPolicies = fc.array(clusterPolicySpec, { minLength: 1, maxLength: 5 }).map((specs) =>
  specs.map((spec, index): ApiObject => ({
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: `c${index}`, uid: `cluster-policy-${index}`, resourceVersion: '1' },
    spec,
  })),
);

const containerPort = fc.record({
  name: fc.constantFrom(...portNames),
  containerPort: fc.constantFrom(...portNumbers),
  protocol: fc.constantFrom(...protocolNames, undefined),
});

/** One pod per index. Some are finished, on the host network, terminating, or claim another pod's address. */
const pod = (index: number) =>
  fc
    .record({
      namespace: fc.constantFrom(...namespaces),
      labels,
      node: fc.constantFrom(...nodeNames),
      ports: fc.array(containerPort, { minLength: 1, maxLength: 3 }),
      sidecarPorts: fc.array(containerPort, { maxLength: 1 }),
      initPorts: fc.array(containerPort, { maxLength: 1 }),
      phase: fc.constantFrom('Running', 'Running', 'Running', 'Running', 'Pending', 'Unknown', 'Succeeded', 'Failed'),
      hostNetwork: fc.constantFrom(false, false, false, false, false, true),
      leaving: fc.constantFrom(false, false, false, true),
      families: fc.constantFrom([0, 1], [0, 1], [0], [1]),
      twinOf: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 0),
    })
    .map((each): ApiObject => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        namespace: each.namespace,
        name: `pod-${index}`,
        uid: `pod-${index}`,
        resourceVersion: '1',
        labels: each.labels,
        ...(each.leaving ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      },
      spec: {
        nodeName: each.node,
        ...(each.hostNetwork ? { hostNetwork: true } : {}),
        containers: [{ name: 'main', ports: each.ports }],
        initContainers: [
          { name: 'sidecar', restartPolicy: 'Always', ports: each.sidecarPorts },
          { name: 'init', ports: each.initPorts },
        ],
      },
      status: {
        phase: each.phase,
        podIPs: each.hostNetwork
          ? nodeAddresses[each.node]!.map((ip) => ({ ip }))
          : each.families.map((family) => ({ ip: podAddresses(each.twinOf ?? index)[family]! })),
      },
    }));

const pods = fc
  .integer({ min: 2, max: 7 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => pod(index))));

/** A Namespace object may be missing (S3.4). */
const namespaceObjects = fc.tuple(...namespaces.map(() => fc.option(labels, { freq: 6, nil: undefined }))).map((all) =>
  all.flatMap((each, index): ApiObject[] =>
    each
      ? [
          {
            apiVersion: 'v1',
            kind: 'Namespace',
            metadata: {
              name: namespaces[index]!,
              uid: `namespace-${index}`,
              resourceVersion: '1',
              labels: { ...each, 'kubernetes.io/metadata.name': namespaces[index]! },
            },
          },
        ]
      : [],
  ),
);

const nodeObjects: ApiObject[] = nodeNames.map((name) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: name, resourceVersion: '1', labels: { app: name === 'n1' ? 'a' : 'b', env: 'a' } },
  status: { addresses: nodeAddresses[name]!.map((address) => ({ type: 'InternalIP', address })) },
}));

export const clusters = fc
  .tuple(namespaceObjects, pods, networkPolicies)
  .map(([spaces, podList, policies]): ApiObject[] => [...nodeObjects, ...spaces, ...podList, ...policies]);

/** With policies of all three tiers, and as many pods that no NetworkPolicy isolates. */
export const tieredClusters = fc
  .tuple(clusters, clusterPolicies, fc.boolean())
  .map(([objects, policies, hasOthers]): ApiObject[] => [
    ...objects.filter(({ kind }, index) => kind !== 'NetworkPolicy' || (hasOthers && index % 2 === 0)),
    ...policies,
  ]);

export interface RandomFlow {
  readonly family: 'ipv4' | 'ipv6';
  readonly source: number;
  readonly destination: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 47;
  readonly destinationPort: number;
}

/** Ends are indices into `flowAddresses`. */
export const flows = fc.record({
  family: fc.constantFrom('ipv4', 'ipv6'),
  source: fc.nat(),
  destination: fc.nat(),
  protocol: fc.constantFrom('TCP', 'TCP', 'TCP', 'UDP', 'UDP', 'SCTP', 'ICMP', 47),
  destinationPort: fc.constantFrom(...portNumbers, ...portNumbers, 52, 444, 65535),
}) as fc.Arbitrary<RandomFlow>;

/** Possible ends of flows: mostly pods. */
export function flowAddresses(objects: readonly ApiObject[], family: 'ipv4' | 'ipv6'): string[] {
  const isFamily = (address: string): boolean => address.includes(':') === (family === 'ipv6');
  const ofPods = objects
    .filter((object) => object.kind === 'Pod')
    .flatMap((object) => (object['status'] as { podIPs: { ip: string }[] }).podIPs.map(({ ip }) => ip))
    .filter(isFamily);
  return [
    ...ofPods,
    ...ofPods,
    ...ofPods,
    ...Object.values(nodeAddresses).flat().filter(isFamily),
    ...outsideAddresses[family],
  ];
}

export function nodeOfAddress(address: string): string | undefined {
  return nodeNames.find((name) => nodeAddresses[name]!.includes(address));
}

/** What `choosePolicies` takes: at most three policies of a cluster. */
export const choices = fc.array(fc.nat(), { maxLength: 3 });

export function choosePolicies(objects: readonly ApiObject[], chosen: readonly number[]): ReadonlySet<PolicyId> {
  const ids = objects.flatMap(({ kind, metadata: { namespace = 'default', name } }) =>
    kind === 'ClusterNetworkPolicy' ? `/${name}` : kind === 'NetworkPolicy' ? `${namespace}/${name}` : [],
  );
  return new Set(ids.length === 0 ? [] : chosen.map((each) => ids[each % ids.length]!));
}
