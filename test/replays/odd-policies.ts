import fc from 'fast-check';
import { namespace, pod, policy } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';
import type { Question } from './compare.ts';

/** Every field that a NetworkPolicy can have, each more than once where it is a list. */
const whole = {
  podSelector: {
    matchLabels: { app: 'web' },
    matchExpressions: [{ key: 'app', operator: 'Exists', values: [] }],
  },
  policyTypes: ['Ingress', 'Egress'],
  ingress: [
    {
      from: [
        { podSelector: { matchLabels: { app: 'client' } }, namespaceSelector: { matchLabels: { team: 'a' } } },
        { ipBlock: { cidr: '10.9.0.0/16', except: ['10.9.1.0/24'] } },
      ],
      ports: [
        { protocol: 'TCP', port: 80, endPort: 90 },
        { protocol: 'UDP', port: 'dns' },
      ],
    },
    { from: [{ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['b'] }] } }] },
  ],
  egress: [
    { to: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ protocol: 'UDP' }, { port: 443 }] },
    { to: [{ ipBlock: { cidr: 'fd00::/16', except: ['fd00:1::/32'] } }] },
  ],
};

/** As long as the API server takes them; the labels are none that it takes today, but that an old object may have. */
const longNames = ['n'.repeat(253), 'a.b-c', '0', 'drop', `${'x-.'.repeat(84)}x`];
const oddLabels = ['étiquette', '日本', '🙂', 'a b', '"', '}', '; drop', `comment "${'c'.repeat(128)}"`, ''];

/** Absent, `null` or empty, or kept, for each field and item of the spec in turn. */
const wanting = fc.array(fc.constantFrom('keep', 'keep', 'keep', 'keep', 'absent', 'null', 'empty'), {
  minLength: 80,
  maxLength: 80,
});

/** One of the fields that are there becomes `UDP` without a port, and so on: what the reports had. */
const odds = fc.record({
  name: fc.constantFrom(...longNames),
  label: fc.constantFrom(...oddLabels),
  choices: wanting,
});

/** A policy with what is optional absent, and names and labels as odd as can be. */
export const oddPolicies = odds.map(({ name, label, choices }): ApiObject => {
  const left = [...choices];
  const spec = strip({ ...whole, ...labelled(label) }, () => left.pop() ?? 'keep');
  return policy(`x/${name}`, spec);
});

function labelled(label: string): object {
  const { ingress } = whole;
  const peer = { podSelector: { matchLabels: { app: label, [`k${label}`]: label } } };
  return { ingress: [...ingress, { from: [peer], ports: [{ port: 8080 }] }] };
}

/** Only what is inside of the value may be missing. */
function strip(value: unknown, choose: () => string): unknown {
  if (Array.isArray(value)) return value.flatMap((each) => keep(each, choose));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).flatMap(([key, each]) => keep(each, choose).map((kept) => [key, kept] as const));
  return Object.fromEntries(fields);
}

function keep(value: unknown, choose: () => string): unknown[] {
  const what = choose();
  if (what === 'absent') return [];
  if (what === 'null') return [null];
  if (what === 'empty') return [Array.isArray(value) ? [] : typeof value === 'object' ? {} : value];
  return [strip(value, choose)];
}

/** `x/web` is what the odd policies may select; `y/other` has a policy of its own, which must hold whatever they are. */
export const bystanders: readonly ApiObject[] = [
  namespace('x', { team: 'a' }),
  namespace('y', { team: 'b' }),
  pod('x/web', { ips: ['10.1.0.1', 'fd01::1'], labels: { app: 'web' }, ports: [dns()] }),
  pod('x/client', { node: 'n2', ips: ['10.2.0.1', 'fd02::1'], labels: { app: 'client' } }),
  pod('y/other', { ips: ['10.1.0.2', 'fd01::2'], labels: { app: 'other' } }),
  pod('y/far', { node: 'n2', ips: ['10.2.0.2', 'fd02::2'], labels: { app: 'client' } }),
  policy('y/own', {
    podSelector: { matchLabels: { app: 'other' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 80 }] }],
  }),
];

function dns(): { name: string; containerPort: number; protocol: string } {
  return { name: 'dns', containerPort: 5353, protocol: 'UDP' };
}

/** Of the pod with a policy of its own. */
export const bystandersWant: readonly (Question & { readonly answer: 'allowed' | 'denied' })[] = [
  { from: '10.2.0.2', to: '10.1.0.2', port: 80, answer: 'allowed' },
  { from: '10.2.0.2', to: '10.1.0.2', port: 81, answer: 'denied' },
  { from: '10.2.0.1', to: '10.1.0.2', port: 80, answer: 'denied' },
  { from: 'fd02::2', to: 'fd01::2', port: 80, answer: 'allowed' },
  { from: 'fd02::1', to: 'fd01::2', port: 80, answer: 'denied' },
  { from: '10.1.0.2', to: '10.2.0.2', port: 9999, answer: 'allowed' },
];

/** Of the pod that the odd policies may select, in both directions, in both families, by all ways that the whole policy opens. */
export const questions: readonly Question[] = [
  '10.2.0.1',
  '10.2.0.2',
  '10.9.0.7',
  '10.9.1.7',
  'fd02::1',
  'fd00:1::7',
].flatMap((other) => {
  const web = other.includes(':') ? 'fd01::1' : '10.1.0.1';
  const of = [
    { protocol: 'TCP', port: 80 },
    { protocol: 'TCP', port: 91 },
    { protocol: 'TCP', port: 443 },
    { protocol: 'TCP', port: 8080 },
    { protocol: 'UDP', port: 5353 },
  ] as const;
  return of.flatMap((port) => [
    { from: other, to: web, ...port },
    { from: web, to: other, ...port },
  ]);
});
