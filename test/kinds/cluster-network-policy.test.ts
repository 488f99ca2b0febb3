import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { clusterNetworkPolicyKind } from '../../src/kinds/cluster-network-policy.ts';
import { describePolicyRule, describeSelection } from './describe-policy.ts';

const all = { namespaces: {} };
const unreadable = { matchExpressions: [{ key: 'app', operator: 'Near' }] };

function parse(spec: unknown) {
  return clusterNetworkPolicyKind.parse({ metadata: { name: 'c' }, spec });
}

/** What becomes of rules in an Admin policy for everyone, and the paths that are reported. */
function read(
  direction: 'ingress' | 'egress',
  rules: unknown,
  others = {},
): readonly [readonly string[], readonly string[]] {
  const { policy, issues } = parse({ tier: 'Admin', priority: 1, subject: all, [direction]: rules, ...others });
  const texts = policy.rules[direction].map((rule) => describePolicyRule(rule, policy));
  return [texts, issues.map(({ path, effect }) => `${path.replace(/^spec\.(in|e)gress/, '')} ${effect}`)];
}

const denyAll = 'Deny any : any';

const rules: readonly (readonly [
  title: string,
  direction: 'ingress' | 'egress',
  rule: unknown,
  texts: readonly string[],
  issues: readonly string[],
])[] = [
  [
    'namespaces',
    'ingress',
    { action: 'Accept', from: [{ namespaces: { matchLabels: { env: 'a' } } }] },
    ['Accept {env In a}[] : any'],
    [],
  ],
  [
    'pods without a namespaceSelector',
    'ingress',
    { action: 'Deny', from: [{ pods: { podSelector: {} } }] },
    ['Deny unplaced : any', 'Deny {}[] : any'],
    [],
  ],
  [
    'networks, merged',
    'egress',
    { action: 'Pass', to: [{ networks: ['10.0.0.9/24', '10.0.0.0/25'] }] },
    ['Pass 10.0.0.0-10.0.0.255 : any'],
    [],
  ],
  [
    'nodes',
    'egress',
    { action: 'Deny', to: [{ nodes: { matchLabels: { zone: 'z' } } }] },
    ['Deny nodes[zone In z] : any'],
    [],
  ],
  [
    'numbers, ranges and whole protocols',
    'ingress',
    {
      action: 'Deny',
      from: [all],
      protocols: [
        { tcp: { destinationPort: { number: 80 } } },
        { udp: { destinationPort: { range: { start: 1, end: 9 } } } },
        { sctp: {} },
      ],
    },
    ['Deny unplaced : TCP/80 or UDP/1-9 or SCTP/0-65535', 'Deny {}[] : TCP/80 or UDP/1-9 or SCTP/0-65535'],
    [],
  ],
  [
    'a port name, for pods only (S10.17)',
    'egress',
    {
      action: 'Deny',
      to: [all, { nodes: {} }],
      protocols: [{ destinationNamedPort: 'web' }, { tcp: { destinationPort: { number: 80 } } }],
    },
    ['Deny unplaced : any', 'Deny {}[] or nodes[] : TCP/80', 'Deny {}[] : TCP/web or UDP/web or SCTP/web'],
    ['[0].to[1] ignored'],
  ],
  [
    'Accept with an unknown peer (S10.20)',
    'ingress',
    { action: 'Accept', from: [{ zones: {} }, all] },
    ['Accept {}[] : any'],
    ['[0].from[0].zones failed-closed'],
  ],
  [
    'Accept with only unknown peers',
    'ingress',
    { action: 'Accept', from: [{}] },
    ['Accept nobody : any'],
    ['[0].from[0] failed-closed'],
  ],
  [
    'Deny with an unknown peer',
    'ingress',
    { action: 'Deny', from: [{ zones: {} }, all] },
    [denyAll],
    ['[0].from[0].zones failed-closed', '[0] failed-closed'],
  ],
  [
    'Pass with a peer that only egress has',
    'ingress',
    { action: 'Pass', from: [{ networks: ['10.0.0.0/8'] }] },
    [denyAll],
    ['[0].from[0].networks failed-closed', '[0] failed-closed'],
  ],
  [
    'Pass with two fields in a peer',
    'ingress',
    { action: 'Pass', from: [{ ...all, pods: {} }] },
    [denyAll],
    ['[0].from[0] failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny of domain names (S10.14)',
    'egress',
    { action: 'Deny', to: [{ domainNames: ['a.b'] }] },
    [denyAll],
    ['[0].to[0].domainNames failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny with an unknown protocol',
    'ingress',
    { action: 'Deny', from: [all], protocols: [{ gre: {} }] },
    [denyAll],
    ['[0].protocols[0].gre failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny with a selector that cannot be read',
    'ingress',
    { action: 'Deny', from: [{ namespaces: unreadable }] },
    [denyAll],
    ['[0].from[0].namespaces.matchExpressions[0].operator failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny with an empty list of protocols',
    'ingress',
    { action: 'Deny', from: [all], protocols: [] },
    [denyAll],
    ['[0].protocols failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny of a network with a prefix that is too long',
    'egress',
    { action: 'Deny', to: [{ networks: ['10.0.0.0/33'] }] },
    [denyAll],
    ['[0].to[0].networks[0] failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny of networks, one of which is none',
    'egress',
    { action: 'Deny', to: [{ networks: ['10.0.0.0/8', 'ten'] }] },
    [denyAll],
    ['[0].to[0].networks[1] failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny with a range of ports that ends before it begins',
    'egress',
    { action: 'Deny', to: [all], protocols: [{ tcp: { destinationPort: { range: { start: 20, end: 10 } } } }] },
    [denyAll],
    ['[0].protocols[0].tcp.destinationPort.range.end failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny with a number beside a range',
    'egress',
    {
      action: 'Deny',
      to: [all],
      protocols: [{ tcp: { destinationPort: { number: 1, range: { start: 1, end: 2 } } } }],
    },
    [denyAll],
    ['[0].protocols[0].tcp.destinationPort failed-closed', '[0] failed-closed'],
  ],
  [
    'Deny with a port name that no port can have',
    'egress',
    { action: 'Deny', to: [all], protocols: [{ destinationNamedPort: 'No Port' }] },
    [denyAll],
    ['[0].protocols[0].destinationNamedPort failed-closed', '[0] failed-closed'],
  ],
  ['Deny without peers', 'ingress', { action: 'Deny' }, [denyAll], ['[0].from failed-closed', '[0] failed-closed']],
  [
    'an unknown action',
    'ingress',
    { action: 'Log', from: [all] },
    [denyAll],
    ['[0].action failed-closed', '[0] failed-closed'],
  ],
  [
    'Accept with an unknown field',
    'ingress',
    { action: 'Accept', from: [all], when: 'now' },
    [],
    ['[0].when failed-closed'],
  ],
  [
    'a rule that is none',
    'ingress',
    7,
    [denyAll],
    ['[0] failed-closed', '[0].action failed-closed', '[0].from failed-closed', '[0] failed-closed'],
  ],
];

describe('a ClusterNetworkPolicy', () => {
  for (const [title, direction, rule, texts, issues] of rules) {
    it(title, () => assert.deepEqual(read(direction, [rule]), [texts, issues]));
  }

  it('has a place in the order, and an id without a namespace', () => {
    const { policy } = parse({
      tier: 'Baseline',
      priority: 1000,
      subject: { pods: { podSelector: { matchLabels: { app: 'a' } } } },
    });
    assert.deepEqual([policy.id, policy.tier, policy.priority, policy.isolates.size], ['/c', 'Baseline', 1000, 0]);
    assert.equal(describeSelection(policy.appliesTo), '{}[app In a]');
  });

  it('is read whatever any part of it is, and a Deny stays one (S10.20)', () => {
    const spec = {
      tier: 'Admin',
      priority: 1,
      subject: all,
      ingress: [
        {
          action: 'Accept',
          from: [{ pods: { podSelector: { matchLabels: { app: 'a' } } } }],
          protocols: [{ tcp: {} }],
        },
      ],
      egress: [
        {
          action: 'Deny',
          to: [{ networks: ['10.0.0.0/8'] }],
          protocols: [{ udp: { destinationPort: { number: 1 } } }],
        },
      ],
    };
    const paths: (readonly string[])[] = [];
    const walk = (value: unknown, path: readonly string[]): void => {
      paths.push(path);
      if (typeof value === 'object' && value !== null)
        for (const [key, part] of Object.entries(value)) walk(part, [...path, key]);
    };
    walk(spec, []);
    const replaced = (value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown => {
      if (key === undefined) return by;
      const copy: Record<string, unknown> | unknown[] = structuredClone(value) as never;
      const part = replaced((value as Record<string, unknown>)[key], rest, by);
      (copy as Record<string, unknown>)[key] = part;
      return copy;
    };
    const property = fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 3 }), (path, by) => {
      const { policy } = parse(replaced(spec, path, by));
      // Any part but the action.
      if (path[0] === 'egress' && path.length > 2 && path[2] !== 'action')
        assert.ok(policy.rules.egress.some(({ action }) => action === 'Deny'));
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('without a known place is not enforced (S10.21)', () => {
    const spec = { tier: 'Admin', priority: 1, subject: all, ingress: [{ action: 'Deny', from: [all] }] };
    for (const change of [
      { tier: 'Platform' },
      { priority: '1' },
      { subject: {} },
      { subject: { ...all, pods: {} } },
    ]) {
      const { policy, issues } = parse({ ...spec, ...change });
      assert.deepEqual([policy.rules.ingress, issues.map(({ effect }) => effect)], [[], ['not-enforced']]);
    }
  });

  it('with an unknown part of its own denies where it denies or passes (S10.20)', () => {
    const given = [
      { action: 'Accept', from: [all] },
      { action: 'Pass', from: [all] },
    ];
    assert.deepEqual(read('ingress', given, { schedule: 'night' })[0], [denyAll]);
    assert.deepEqual(read('ingress', given, { subject: { namespaces: unreadable } })[0], [denyAll]);
    assert.deepEqual(read('ingress', { action: 'Deny' })[0], [denyAll]);
  });

  it('with an unknown part of its own says that it denies everything, for all pods that the rest selects (S10.20)', () => {
    const spec = { tier: 'Admin', priority: 1, subject: { namespaces: unreadable } };
    const told = (action: string): string[] =>
      parse({ ...spec, ingress: [{ action, from: [all] }] }).issues.map(({ path, message }) => `${path}: ${message}`);
    for (const action of ['Deny', 'Pass'])
      assert.match(
        told(action).join('\n'),
        /^spec: .* denies everything, for all pods that the rest of the subject selects$/m,
      );
    assert.doesNotMatch(told('Accept').join('\n'), /^spec: /m);
  });
});

describe('a selector that no selector may be (S10.20)', () => {
  for (const selector of [
    { matchExpressions: [{ key: 'app', operator: 'In' }] },
    { matchExpressions: [{ key: 'app', operator: 'NotIn', values: [] }] },
    { matchExpressions: [{ key: 'app', operator: 'Exists', values: ['a'] }] },
    { matchExpressions: [{ key: 'a b', operator: 'Exists' }] },
    { matchExpressions: [{ key: 'a/b/c', operator: 'Exists' }] },
    { matchExpressions: [{ key: 'app', operator: 'In', values: ['a b'] }] },
    { matchLabels: { app: 'x'.repeat(64) } },
    { matchLabels: { '-app': 'a' } },
  ]) {
    it(`denies everything in a Deny rule, and matches nobody in an Accept rule: ${JSON.stringify(selector)}`, () => {
      const peers = [{ pods: { podSelector: selector } }];
      const [denied] = read('ingress', [{ action: 'Deny', from: peers }]);
      assert.deepEqual(denied, [denyAll]);
      const [accepted, issues] = read('ingress', [{ action: 'Accept', from: peers }]);
      assert.deepEqual(accepted, ['Accept nobody : any']);
      assert.equal(issues.length, 1);
    });
  }

  it('is none of these', () => {
    const selector = {
      matchLabels: { 'example.com/a_b.c': 'A-1', empty: '' },
      matchExpressions: [
        { key: 'x', operator: 'DoesNotExist' },
        { key: 'y', operator: 'NotIn', values: ['a', ''] },
      ],
    };
    const [, issues] = read('ingress', [{ action: 'Deny', from: [{ pods: { podSelector: selector } }] }]);
    assert.deepEqual(issues, []);
  });
});
