import type { JsonObject } from '../../../src/lib/json.ts';
import type { PageData } from '../../../src/map/page-data.ts';
import { ClusterData } from './cluster-data.ts';

const web = { podSelector: { matchLabels: { app: 'web' } } };
const namespaceWith = (labels: Readonly<Record<string, string>>): JsonObject => ({
  namespaceSelector: { matchLabels: labels },
});
const dns = {
  to: [{ ...namespaceWith({ 'kubernetes.io/metadata.name': 'kube-system' }) }],
  ports: [
    { protocol: 'UDP', port: 53 },
    { protocol: 'TCP', port: 53 },
  ],
};

/** Counts of a quarter of an hour that look like traffic. */
const wave = (size: number): number[] =>
  Array.from({ length: 15 }, (_, index) => Math.round(size * (1 + 0.4 * Math.sin(index / 2))));
const late = (size: number): number[] => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, size, size + 1, size, size * 2, size];

/** A shop whose policies let some through and deny some; office/desk must not reach the API. */
export function shop(): PageData {
  return new ClusterData()
    .node('n1')
    .node('n2')
    .namespace('shop', { purpose: 'production' })
    .namespace('storefront', { purpose: 'production' })
    .namespace('office')
    .namespace('monitoring', { purpose: 'watch' })
    .namespace('kube-system')
    .workload('shop/api', 3, { http: 8080, metrics: 9090 })
    .workload('shop/db', 1, { postgres: 5432 })
    .workload('shop/cache', 2, { redis: 6379 })
    .workload('shop/worker', 2)
    .workload('storefront/web', 4, { http: 8080 })
    .workload('storefront/search', 2, { http: 9200 })
    .workload('office/desk', 1)
    .workload('office/reports', 1, { http: 8000 })
    .workload('monitoring/prometheus', 1, { web: 9090 })
    .workload('monitoring/grafana', 1, { web: 3000 })
    .workload('kube-system/coredns', 2, { dns: 53 })
    .policy('shop/default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
    .policy('shop/api-allow', {
      podSelector: { matchLabels: { app: 'api' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [namespaceWith({ purpose: 'production' })], ports: [{ protocol: 'TCP', port: 'http' }] },
        { from: [namespaceWith({ purpose: 'watch' })], ports: [{ protocol: 'TCP', port: 'metrics' }] },
      ],
      egress: [
        { to: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ port: 5432 }] },
        { to: [{ podSelector: { matchLabels: { app: 'cache' } } }], ports: [{ port: 6379 }] },
        { to: [{ ipBlock: { cidr: '198.51.100.0/24' } }], ports: [{ port: 443 }] },
        dns,
      ],
    })
    .policy('shop/data', {
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['db', 'cache'] }] },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'api' } } }] }],
    })
    .policy('shop/worker', {
      podSelector: { matchLabels: { app: 'worker' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'cache' } } }] }, dns],
    })
    .policy('storefront/search', {
      podSelector: { matchLabels: { app: 'search' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [web] }],
    })
    .policy('office/old', { podSelector: { matchLabels: { app: 'gone' } }, policyTypes: ['Ingress'] })
    .flow('0.0.0.0/0', 'storefront/web', 'TCP/8080', 'allowed', wave(40))
    .flow('storefront/web', 'shop/api', 'TCP/8080', 'allowed', wave(30))
    .flow('storefront/web', 'storefront/search', 'TCP/9200', 'allowed', wave(12))
    .flow('shop/api', 'shop/db', 'TCP/5432', 'allowed', wave(6))
    .flow('shop/api', 'shop/cache', 'TCP/6379', 'allowed', wave(25))
    .flow('shop/api', '198.51.100.0/24', 'TCP/443', 'allowed', wave(2))
    .flow('shop/worker', 'shop/cache', 'TCP/6379', 'denied', late(4))
    .flow('shop/worker', 'shop/db', 'TCP/5432', 'denied', late(1))
    .flow('office/desk', 'shop/api', 'TCP/8080', 'denied', late(3))
    .flow('office/desk', 'office/reports', 'TCP/8000', 'allowed', wave(1))
    .flow('office/reports', '203.0.113.0/24', 'TCP/443', 'allowed', wave(1))
    .flow('monitoring/prometheus', 'shop/api', 'TCP/9090', 'allowed', wave(4))
    .flow('monitoring/prometheus', 'storefront/web', 'TCP/8080', 'allowed', wave(4))
    .flow('monitoring/grafana', 'monitoring/prometheus', 'TCP/9090', 'allowed', wave(3))
    .flow('node n1', 'storefront/web', 'TCP/8080', 'allowed', wave(3))
    .flow('shop/api', 'kube-system/coredns', 'UDP/53', 'allowed', wave(9))
    .flow('storefront/web', 'kube-system/coredns', 'UDP/53', 'allowed', wave(9))
    .flow('storefront/search', 'kube-system/coredns', 'UDP/53', 'allowed', wave(2))
    .flow('office/desk', 'kube-system/coredns', 'UDP/53', 'allowed', wave(1))
    .build();
}
