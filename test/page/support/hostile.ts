import { ownerLabels } from '../../../src/flows/owner-labels.ts';
import type { PageData } from '../../../src/map/page-data.ts';
import { ClusterData } from './cluster-data.ts';

const bidi = '\u202Etxt.exe\u2066';
const long = 'x'.repeat(63);

/** What an object could hold if an API server did not check it. */
export const hostileTexts = [
  '</script><script>globalThis.attacked=1</script>',
  '<!--<script>',
  '<img src=x onerror="globalThis.attacked=1">',
  bidi,
  '\u2028\u2029',
] as const;

export function hostile(): PageData {
  const cluster = new ClusterData().node('n1').node('n2');
  const [script, comment, image] = hostileTexts;
  const all: Record<string, string> = {
    script,
    comment,
    image,
    bidi: `a${bidi}b`,
    long,
    lines: 'a\u2028b\nc',
    proto: '__proto__',
  };
  for (const [key, name] of Object.entries(all)) {
    cluster.namespace(`${key}-${name}`);
    cluster.workload([`${key}-${name}`, name], 1, { http: 8080 }, { app: name, [name]: key });
    cluster.policy([`${key}-${name}`, name], {
      podSelector: { matchLabels: { app: name } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { [name]: name } } }] }],
    });
  }
  const ends = Object.entries(all).map(([key, name]) => ({
    ...({ kind: 'workload', namespace: `${key}-${name}`, labels: ownerLabels({ app: name, [name]: key }) } as const),
  }));
  for (const [index, to] of ends.entries()) {
    const from = ends[(index + 1) % ends.length]!;
    cluster.flowBetween(from, to, 'TCP/8080', 'denied', [1, 2]);
    // Without what was allowed, there is no suggestion. These come last in the list of edges.
    cluster.flowBetween(from, { kind: 'block', cidr: '203.0.113.1/32' }, 'TCP/443', 'allowed', [1]);
  }
  return cluster.build({
    source: { kind: 'cluster', name: hostileTexts.join(' ') },
    notes: [...hostileTexts],
    findings: [
      {
        ...{ check: 'x', severity: 'error', subject: script, problem: image, effect: bidi, remedy: comment },
        ...{ pods: [], policies: [] },
      },
    ],
  });
}
