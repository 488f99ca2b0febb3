import { toSource } from '../../../src/cli/explain/cluster-source.ts';
import type { ClusterSource } from '../../../src/cli/explain/cluster-source.ts';
import { checkTests } from '../../../src/cli/expect/check.ts';
import type { PolicyTest, RawTest } from '../../../src/cli/expect/format.ts';
import type { TestResult } from '../../../src/cli/expect/judge.ts';
import type { JsonObject } from '../../../src/lib/json.ts';

const object = (kind: string, metadata: object, rest: object, apiVersion = 'v1'): JsonObject => ({
  apiVersion,
  kind,
  metadata,
  ...rest,
});

export const namespace = (name: string, labels: Record<string, string> = {}): JsonObject =>
  object('Namespace', { name, labels: { ...labels, 'kubernetes.io/metadata.name': name } }, {});

interface PodFields {
  readonly labels?: Record<string, string>;
  readonly ips?: readonly string[];
  readonly owner?: string;
  readonly ports?: readonly object[];
  readonly phase?: string;
  readonly hostNetwork?: true;
}

/** `key` is `namespace/name`. */
export function pod(
  key: string,
  { labels, ips = [], owner, ports = [], phase = 'Running', hostNetwork }: PodFields,
): JsonObject {
  const [home, name] = key.split('/');
  const owners =
    owner === undefined ? [] : [{ kind: owner.split('/')[0], name: owner.split('/')[1], controller: true }];
  return object(
    'Pod',
    { namespace: home, name, labels, ownerReferences: owners },
    {
      spec: { nodeName: 'n1', containers: [{ name: 'main', ports }], ...(hostNetwork && { hostNetwork }) },
      status: { phase, podIPs: ips.map((ip) => ({ ip })) },
    },
  );
}

export const policy = (key: string, spec: object): JsonObject => {
  const [home, name] = key.split('/');
  return object('NetworkPolicy', { namespace: home, name }, { spec }, 'networking.k8s.io/v1');
};

const host = (name: string, ...addresses: string[]): JsonObject =>
  object('Host', { name }, { spec: { addresses } }, 'lab.postern.dev/v1');

const http = [{ name: 'http', containerPort: 8080, protocol: 'TCP' }];

/** A shop whose API takes connections of namespaces with purpose=production on 8080, and sends to 10.0.0.0/24 but its gateway. */
export const shop: readonly JsonObject[] = [
  object('Node', { name: 'n1' }, { status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] } }),
  namespace('shop'),
  namespace('storefront', { purpose: 'production' }),
  namespace('office'),
  pod('shop/api-0', { labels: { app: 'api' }, ips: ['10.1.0.2', 'fd01::2'], owner: 'Deployment/api', ports: http }),
  pod('shop/api-1', { labels: { app: 'api' }, ips: ['10.1.0.3', 'fd01::3'], owner: 'Deployment/api', ports: http }),
  pod('storefront/web', { labels: { app: 'web' }, ips: ['10.1.0.4', 'fd01::4'] }),
  pod('office/desk', { labels: { app: 'desk' }, ips: ['10.1.0.5', 'fd01::5'] }),
  pod('office/four', { labels: { app: 'four' }, ips: ['10.1.0.6'] }),
  pod('office/job', { labels: { app: 'job' }, ips: ['10.1.0.7'], phase: 'Succeeded' }),
  host('database', '10.0.0.9'),
  policy('shop/api', {
    podSelector: { matchLabels: { app: 'api' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [{ namespaceSelector: { matchLabels: { purpose: 'production' } } }],
        ports: [{ protocol: 'TCP', port: 8080 }],
      },
    ],
    egress: [
      {
        to: [{ ipBlock: { cidr: '10.0.0.0/24', except: ['10.0.0.1/32'] } }],
        ports: [{ protocol: 'TCP', port: 5432 }],
      },
    ],
  }),
];

export const sourceOf = (objects: readonly JsonObject[]): ClusterSource => toSource(objects, new Map(), []);

export const testOf = (raw: RawTest, index = 0): PolicyTest => ({
  ...raw,
  file: 'tests.yaml',
  suite: 'shop',
  path: `tests[${index}]`,
});

export async function check(
  objects: readonly JsonObject[],
  tests: readonly RawTest[],
  most = 1_000_000,
): Promise<readonly TestResult[]> {
  const place = { by: 'policies', source: sourceOf(objects), most } as const;
  return (await checkTests(place, tests.map(testOf))).results;
}
