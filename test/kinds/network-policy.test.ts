import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { networkPolicyKind } from '../../src/kinds/network-policy.ts';
import { describeGroup, describeSelection, describeSpec, type Description } from './describe-policy.ts';

type Case = readonly [title: string, spec: unknown, means: Partial<Description>];

/** What a case does not name: ingress isolated and closed, egress not isolated, nothing wrong. */
const closed: Description = { ingress: [], egress: 'not isolated', issues: [] };

function check(cases: readonly Case[]): void {
  for (const [title, spec, means] of cases) {
    it(title, () => assert.deepEqual(describeSpec(spec), { ...closed, ...means }));
  }
}

const sideways = { podSelector: {}, policyTypes: ['Sideways'], ingress: [{}], egress: [{}] };

describe('NetworkPolicy: policyTypes (S2.1-S2.3, S9.8)', () => {
  check([
    ['no spec', undefined, {}],
    ['spec null', null, {}],
    ['no types, no egress rules', { podSelector: {} }, {}],
    ['no types, empty egress', { podSelector: {}, egress: [] }, {}],
    ['no types, an egress rule', { podSelector: {}, egress: [{}] }, { egress: ['any : any'] }],
    ['empty types, an egress rule', { podSelector: {}, policyTypes: [], egress: [{}] }, { egress: ['any : any'] }],
    ['types null, an egress rule', { podSelector: {}, policyTypes: null, egress: [{}] }, { egress: ['any : any'] }],
    [
      'Ingress alone, egress rules: they do not isolate',
      { policyTypes: ['Ingress'], ingress: [{}], egress: [{}] },
      { ingress: ['any : any'] },
    ],
    [
      'Egress alone, ingress rules: they do not isolate',
      { policyTypes: ['Egress'], ingress: [{}], egress: [{}] },
      { ingress: 'not isolated', egress: ['any : any'] },
    ],
    ['both, no rules', { policyTypes: ['Ingress', 'Egress'] }, { egress: [] }],
    ['twice the same', { policyTypes: ['Ingress', 'Ingress'], ingress: [{}] }, { ingress: ['any : any'] }],
    [
      'an unknown one beside a known one is ignored',
      { ...sideways, policyTypes: ['Sideways', 'Ingress'] },
      { ingress: ['any : any'], issues: ['spec.policyTypes[0]: invalid-policy-type, ignored'] },
    ],
    [
      'unknown ones alone isolate both ways and allow nothing',
      sideways,
      { egress: [], issues: ['spec.policyTypes[0]: invalid-policy-type, failed-closed'] },
    ],
    [
      'names are exact',
      { ...sideways, policyTypes: ['ingress'] },
      { egress: [], issues: ['spec.policyTypes[0]: invalid-policy-type, failed-closed'] },
    ],
    [
      'null in the list',
      { ...sideways, policyTypes: [null] },
      { egress: [], issues: ['spec.policyTypes[0]: invalid-policy-type, failed-closed'] },
    ],
    [
      'no list',
      { ...sideways, policyTypes: 'Ingress' },
      { egress: [], issues: ['spec.policyTypes: invalid-policy-type, failed-closed'] },
    ],
  ]);
});

describe('NetworkPolicy: rules (S2.T1-S2.T8, S2.6, S2.8)', () => {
  check([
    ['one rule without restriction', { ingress: [{}] }, { ingress: ['any : any'] }],
    [
      'peers alone, ports alone, both',
      { ingress: [{ from: [{ podSelector: {} }] }, { ports: [{ port: 80 }] }, { from: [], ports: [{ port: 81 }] }] },
      { ingress: ['x[] : any', 'any : TCP/80', 'any : TCP/81'] },
    ],
    [
      'each direction has its own rules',
      {
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [{ podSelector: {} }] }],
        egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 53, protocol: 'UDP' }] }],
      },
      { ingress: ['x[] : any'], egress: ['{}[] : UDP/53'] },
    ],
    [
      'peers of ingress are `from`: `to` is unknown there, and its rule allows nothing',
      { ingress: [{ to: [{ podSelector: {} }] }, { ports: [{ port: 80 }] }] },
      { ingress: ['any : TCP/80'], issues: ['spec.ingress[0].to: unknown-field, failed-closed'] },
    ],
    ['rules that are no list', { ingress: { from: [] } }, { issues: ['spec.ingress: unknown-field, failed-closed'] }],
    [
      'egress that is no list isolates',
      { egress: 'all' },
      { egress: [], issues: ['spec.egress: unknown-field, failed-closed'] },
    ],
    [
      'a rule that is no object, beside one that is',
      { ingress: ['all', null, {}] },
      {
        ingress: ['any : any'],
        issues: ['spec.ingress[0]: unknown-field, failed-closed', 'spec.ingress[1]: unknown-field, failed-closed'],
      },
    ],
    [
      'peers that are no list, ports that are no list',
      { ingress: [{ from: {} }, { ports: { port: 80 } }, { ports: [{ port: 81 }] }] },
      {
        ingress: ['any : TCP/81'],
        issues: [
          'spec.ingress[0].from: invalid-peer, failed-closed',
          'spec.ingress[1].ports: invalid-port, failed-closed',
        ],
      },
    ],
    [
      'a list that had entries and keeps none matches nothing, never everything',
      {
        ingress: [
          { from: [{}], ports: [{ port: 80 }] },
          { from: [{ podSelector: {} }], ports: [{ port: 0 }] },
        ],
      },
      {
        ingress: ['nobody : TCP/80', 'x[] : no port'],
        issues: [
          'spec.ingress[0].from[0]: invalid-peer, failed-closed',
          'spec.ingress[1].ports[0].port: invalid-port, failed-closed',
        ],
      },
    ],
  ]);
});

describe('NetworkPolicy: peers (S3.1, S9.5)', () => {
  const from = (...peers: unknown[]) => ({ ingress: [{ from: peers }] });
  const app = { matchLabels: { app: 'a' } };
  const tier = { matchLabels: { tier: 'b' } };
  check([
    ['a podSelector stays in the namespace', from({ podSelector: app }), { ingress: ['x[app In a] : any'] }],
    ['a namespaceSelector takes all pods', from({ namespaceSelector: tier }), { ingress: ['{tier In b}[] : any'] }],
    [
      'both in one entry: and; two entries: or',
      from({ podSelector: app, namespaceSelector: tier }, { podSelector: app }, { namespaceSelector: tier }),
      { ingress: ['{tier In b}[app In a] or x[app In a] or {tier In b}[] : any'] },
    ],
    [
      'podSelector null is absent',
      from({ podSelector: null, namespaceSelector: tier }),
      { ingress: ['{tier In b}[] : any'] },
    ],
    [
      'namespaceSelector null is absent',
      from({ podSelector: app, namespaceSelector: null }),
      { ingress: ['x[app In a] : any'] },
    ],
    ['an empty namespaceSelector is every namespace', from({ namespaceSelector: {} }), { ingress: ['{}[] : any'] }],
    [
      'empty',
      from({}),
      { ingress: ['nobody : any'], issues: ['spec.ingress[0].from[0]: invalid-peer, failed-closed'] },
    ],
    [
      'all fields null',
      from({ podSelector: null, namespaceSelector: null, ipBlock: null }),
      { ingress: ['nobody : any'], issues: ['spec.ingress[0].from[0]: invalid-peer, failed-closed'] },
    ],
    [
      'no object',
      from(null, 'all', { podSelector: app }),
      {
        ingress: ['x[app In a] : any'],
        issues: [
          'spec.ingress[0].from[0]: invalid-peer, failed-closed',
          'spec.ingress[0].from[1]: invalid-peer, failed-closed',
        ],
      },
    ],
    [
      'ipBlock beside a selector, beside a peer that is right',
      from({ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }, { podSelector: app }),
      {
        ingress: ['x[app In a] : any'],
        issues: ['spec.ingress[0].from[0].ipBlock: invalid-peer, failed-closed'],
      },
    ],
    [
      'an unknown field may narrow the peer',
      from({ podSelector: app, serviceAccount: 'sa' }),
      { ingress: ['nobody : any'], issues: ['spec.ingress[0].from[0].serviceAccount: unknown-field, failed-closed'] },
    ],
    [
      'an unknown field that is null narrows nothing',
      from({ podSelector: app, serviceAccount: null }),
      { ingress: ['x[app In a] : any'] },
    ],
    [
      'a selector that is broken',
      from(
        { podSelector: { matchExpressions: [{ key: 'app', operator: 'Near', values: ['a'] }] } },
        { namespaceSelector: tier },
      ),
      {
        ingress: ['{tier In b}[] : any'],
        issues: ['spec.ingress[0].from[0].podSelector.matchExpressions[0].operator: invalid-selector, failed-closed'],
      },
    ],
    [
      'one of two selectors that is broken',
      from({ podSelector: app, namespaceSelector: { matchLabel: { tier: 'b' } } }),
      {
        ingress: ['nobody : any'],
        issues: ['spec.ingress[0].from[0].namespaceSelector.matchLabel: unknown-field, failed-closed'],
      },
    ],
  ]);
});

describe('NetworkPolicy: ipBlock (S3.8-S3.13, S9.6)', () => {
  const block = (...ipBlocks: unknown[]) => ({ ingress: [{ from: ipBlocks.map((ipBlock) => ({ ipBlock })) }] });
  const path = 'spec.ingress[0].from[0].ipBlock';
  const nobody = (...issues: string[]) => ({
    ingress: ['nobody : any'],
    issues: issues.map((each) => `${path}${each}, failed-closed`),
  });
  check([
    ['a block', block({ cidr: '10.0.0.0/8' }), { ingress: ['10.0.0.0-10.255.255.255 : any'] }],
    [
      'all of IPv4, all of IPv6',
      block({ cidr: '0.0.0.0/0' }, { cidr: '::/0' }),
      { ingress: ['0.0.0.0-255.255.255.255 or ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff : any'] },
    ],
    ['host bits', block({ cidr: '10.0.0.9/24' }), { ingress: ['10.0.0.0-10.0.0.255 : any'] }],
    ['leading zeros are decimal', block({ cidr: '010.00.0.010/32' }), { ingress: ['10.0.0.10-10.0.0.10 : any'] }],
    [
      'an IPv4-mapped block is the IPv4 block',
      block({ cidr: '::ffff:10.1.0.0/112' }),
      { ingress: ['10.1.0.0-10.1.255.255 : any'] },
    ],
    ['a shorter one is none', block({ cidr: '::ffff:10.1.0.0/95' }), nobody('.cidr: invalid-cidr')],
    [
      'an except',
      block({ cidr: '10.0.0.0/24', except: ['10.0.0.64/26'] }),
      { ingress: ['10.0.0.0-10.0.0.63 and 10.0.0.128-10.0.0.255 : any'] },
    ],
    [
      'excepts of one block are a union, and take from no other',
      block({ cidr: '10.0.0.0/24', except: ['10.0.0.0/25', '10.0.0.0/26', '10.0.0.0/25'] }, { cidr: '10.0.0.0/26' }),
      { ingress: ['10.0.0.128-10.0.0.255 or 10.0.0.0-10.0.0.63 : any'] },
    ],
    ['no cidr', block({ except: ['10.0.0.0/24'] }), nobody('.cidr: invalid-cidr')],
    ['a prefix too long', block({ cidr: '10.0.0.0/33' }), nobody('.cidr: invalid-cidr')],
    ['no prefix', block({ cidr: '10.0.0.0' }), nobody('.cidr: invalid-cidr')],
    ['a number', block({ cidr: 10 }), nobody('.cidr: invalid-cidr')],
    ['no object', block('10.0.0.0/8'), nobody(': invalid-peer')],
    [
      'an except that cannot be read empties its block',
      block({ cidr: '10.0.0.0/8', except: ['10.0.0.0/24', '10.x'] }),
      nobody('.except[1]: invalid-except'),
    ],
    ['an except that is null', block({ cidr: '10.0.0.0/8', except: [null] }), nobody('.except[0]: invalid-except')],
    [
      'excepts that are no list',
      block({ cidr: '10.0.0.0/8', except: '10.0.0.0/24' }),
      nobody('.except: invalid-except'),
    ],
    ['an unknown field', block({ cidr: '10.0.0.0/8', asn: 64512 }), nobody('.asn: unknown-field')],
    [
      'an except outside or of the other family takes nothing',
      block({ cidr: '10.0.0.0/24', except: ['10.0.1.0/24', 'fd00::/8'] }),
      {
        ingress: ['10.0.0.0-10.0.0.255 : any'],
        issues: [`${path}.except[0]: invalid-except, ignored`, `${path}.except[1]: invalid-except, ignored`],
      },
    ],
    ...['10.0.0.0/24', '10.0.0.0/8', '0.0.0.0/0'].map((except): Case => [
      `an except ${except} that leaves nothing of 10.0.0.0/24`,
      block({ cidr: '10.0.0.0/24', except: [except] }),
      { ingress: ['no address : any'], issues: [`${path}.except[0]: invalid-except, failed-closed`] },
    ]),
  ]);
});

describe('NetworkPolicy: ports (S4.1-S4.5, S9.5)', () => {
  const ports = (...entries: unknown[]) => ({ ingress: [{ ports: entries }] });
  const path = 'spec.ingress[0].ports[0]';
  const none = (...issues: string[]) => ({
    ingress: ['any : no port'],
    issues: issues.map((each) => `${path}${each}, failed-closed`),
  });
  check([
    ['a number is TCP', ports({ port: 80 }), { ingress: ['any : TCP/80'] }],
    ['protocol null is TCP', ports({ port: 80, protocol: null }), { ingress: ['any : TCP/80'] }],
    [
      'UDP, SCTP',
      ports({ port: 80, protocol: 'UDP' }, { port: 80, protocol: 'SCTP' }),
      { ingress: ['any : UDP/80 or SCTP/80'] },
    ],
    [
      'a protocol without port is all its ports, and only its',
      ports({ protocol: 'UDP' }),
      { ingress: ['any : UDP/0-65535'] },
    ],
    ['an empty entry is all of TCP', ports({}), { ingress: ['any : TCP/0-65535'] }],
    ['port null is no port', ports({ port: null, endPort: null }), { ingress: ['any : TCP/0-65535'] }],
    ['a range', ports({ port: 80, endPort: 90 }), { ingress: ['any : TCP/80-90'] }],
    ['a range of one', ports({ port: 80, endPort: 80 }), { ingress: ['any : TCP/80'] }],
    ['1-65535 is no port', ports({ port: 1, endPort: 65535, protocol: 'SCTP' }), { ingress: ['any : SCTP/0-65535'] }],
    ['the ends', ports({ port: 1 }, { port: 65535 }), { ingress: ['any : TCP/1 or TCP/65535'] }],
    [
      'a name',
      ports({ port: 'web' }, { port: 'dns-tcp', protocol: 'UDP' }),
      { ingress: ['any : TCP/web or UDP/dns-tcp'] },
    ],
    ...[0, 65536, -1, 80.5, true, {}, ['80']].map((port): Case => [
      `port ${JSON.stringify(port)}`,
      ports({ port }),
      none('.port: invalid-port'),
    ]),
    ...['', 'Web', 'a--b', '-a', 'a-', '80', 'sixteen-letters-', 'a_b', 'a b'].map((port): Case => [
      `port name ${JSON.stringify(port)}`,
      ports({ port }),
      none('.port: invalid-port'),
    ]),
    ...['tcp', 'UDPLite', 'ICMP', '', 6].map((protocol): Case => [
      `protocol ${JSON.stringify(protocol)}`,
      ports({ port: 80, protocol }),
      none('.protocol: invalid-protocol'),
    ]),
    ...[79, 0, 65536, '90', 80.5].map((endPort): Case => [
      `endPort ${JSON.stringify(endPort)} of port 80`,
      ports({ port: 80, endPort }),
      none('.endPort: invalid-port'),
    ]),
    ['endPort of a name', ports({ port: 'web', endPort: 90 }), none('.endPort: invalid-port')],
    ['endPort alone', ports({ endPort: 90 }), none('.endPort: invalid-port')],
    ['no object', ports('80'), none(': invalid-port')],
    ['null', ports(null), none(': invalid-port')],
    ['an unknown field', ports({ port: 80, sourcePort: 53 }), none('.sourcePort: unknown-field')],
    [
      'a bad entry beside a good one',
      ports({ port: 0 }, { port: 81 }),
      { ingress: ['any : TCP/81'], issues: [`${path}.port: invalid-port, failed-closed`] },
    ],
  ]);
});

describe('NetworkPolicy: selectors (S1.1, S1.2, S3.5, S9.4)', () => {
  const from = (podSelector: unknown) => ({ ingress: [{ from: [{ podSelector }] }] });
  const path = 'spec.ingress[0].from[0].podSelector';
  const nobody = (issue: string) => ({ ingress: ['nobody : any'], issues: [`${path}${issue}, failed-closed`] });
  const term = (operator: unknown, ...values: unknown[]) => ({ matchExpressions: [{ key: 'app', operator, values }] });
  check([
    [
      'labels and expressions, all of them',
      from({ matchLabels: { a: '1', b: '' }, ...term('NotIn', 'c', 'd') }),
      { ingress: ['x[a In 1, b In , app NotIn c d] : any'] },
    ],
    [
      'Exists and DoesNotExist',
      from({
        matchExpressions: [
          { key: 'a', operator: 'Exists' },
          { key: 'b', operator: 'DoesNotExist', values: [] },
        ],
      }),
      { ingress: ['x[a Exists, b DoesNotExist] : any'] },
    ],
    [
      'values that no label can have are compared as they are',
      from(term('In', '-bad-', 'b c')),
      { ingress: ['x[app In -bad- b c] : any'] },
    ],
    ['In without values matches nothing, by itself', from(term('In')), { ingress: ['x[app In] : any'] }],
    ...['Near', 'in', '', null, 1].map((operator): Case => [
      `operator ${JSON.stringify(operator)}`,
      from(term(operator, 'a')),
      nobody('.matchExpressions[0].operator: invalid-selector'),
    ]),
    [
      'no key',
      from({ matchExpressions: [{ operator: 'Exists' }] }),
      nobody('.matchExpressions[0].key: invalid-selector'),
    ],
    [
      'values that are no list',
      from({ matchExpressions: [{ key: 'a', operator: 'In', values: 'b' }] }),
      nobody('.matchExpressions[0].values: invalid-selector'),
    ],
    ['a value that is no string', from(term('In', 'a', 1)), nobody('.matchExpressions[0].values: invalid-selector')],
    ['a label that is no string', from({ matchLabels: { a: 1 } }), nobody('.matchLabels.a: invalid-selector')],
    ['labels that are no map', from({ matchLabels: ['a'] }), nobody('.matchLabels: invalid-selector')],
    ['expressions that are no list', from({ matchExpressions: {} }), nobody('.matchExpressions: invalid-selector')],
    [
      'an expression that is no object',
      from({ matchExpressions: ['app in (a)'] }),
      nobody('.matchExpressions[0]: invalid-selector'),
    ],
    ['no object', from('app=a'), nobody(': invalid-selector')],
    ['an unknown field of a selector', from({ matchNames: ['a'] }), nobody('.matchNames: unknown-field')],
    [
      'an unknown field of an expression',
      from({ matchExpressions: [{ key: 'a', operator: 'Exists', ignoreCase: true }] }),
      nobody('.matchExpressions[0].ignoreCase: unknown-field'),
    ],
  ]);
});

describe('NetworkPolicy: the policy itself (S9.7, S9.9)', () => {
  const appliesTo = (spec: unknown) =>
    describeSelection(networkPolicyKind.parse({ metadata: { namespace: 'x', name: 'p' }, spec }).policy.appliesTo);
  const open = { ingress: [{}], egress: [{}] };

  it('is of its namespace alone, and an empty selector takes all its pods', () => {
    for (const podSelector of [undefined, null, {}, { matchLabels: {}, matchExpressions: [] }, { matchLabels: null }]) {
      assert.equal(appliesTo({ podSelector }), 'x[]');
    }
    assert.equal(appliesTo({ podSelector: { matchLabels: { app: 'a' } } }), 'x[app In a]');
  });

  it('with a selector of which a part cannot be read, isolates by the rest and allows nothing', () => {
    const podSelector = { matchLabels: { app: 'a' }, matchExpressions: [{ key: 'b', operator: 'Near' }] };
    assert.equal(appliesTo({ podSelector, ...open }), 'x[app In a]');
    assert.deepEqual(describeSpec({ podSelector, ...open }), {
      ingress: [],
      egress: [],
      issues: ['spec.podSelector.matchExpressions[0].operator: invalid-selector, failed-closed'],
    });
  });

  it('with a field that is not known, isolates and allows nothing', () => {
    const spec = { podSelector: { matchLabels: { app: 'a' } }, ...open, podsNotSelected: {} };
    assert.equal(appliesTo(spec), 'x[app In a]');
    assert.deepEqual(describeSpec(spec), {
      ingress: [],
      egress: [],
      issues: ['spec.podsNotSelected: unknown-field, failed-closed'],
    });
  });

  it('that is no object isolates all pods and allows nothing', () => {
    for (const spec of ['all', 1, []]) {
      assert.deepEqual(describeSpec(spec), { ...closed, issues: ['spec: unknown-field, failed-closed'] });
    }
  });

  it('names every group that its rules need, and no other', () => {
    const groupsOf = (spec: unknown) =>
      networkPolicyKind
        .parse({ metadata: { namespace: 'x', name: 'p' }, spec })
        .policy.groups.values()
        .map(describeGroup)
        .toArray();
    const peer = { podSelector: { matchLabels: { app: 'a' } } };
    // An ingress name is looked up on the selected pod, an egress name on whoever declares it (S4.7, S4.8).
    assert.deepEqual(groupsOf({ ingress: [{ from: [peer, peer], ports: [{ port: 'web' }] }] }), ['x[app In a]']);
    assert.deepEqual(groupsOf({ egress: [{ to: [peer], ports: [{ port: 'web', protocol: 'UDP' }] }] }), [
      'x[app In a]',
      'all[] UDP/web',
    ]);
    assert.deepEqual(groupsOf({ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] }), []);
  });

  it('rules of a direction that policyTypes does not list are left out, and their issues are reported (S2.3)', () => {
    const peer = { podSelector: { matchLabels: { app: 'a' } } };
    const spec = { policyTypes: ['Ingress'], egress: [{ to: [peer] }, { ports: [{ port: 0 }] }] };
    const { policy, issues } = networkPolicyKind.parse({ metadata: { namespace: 'x', name: 'p' }, spec });
    assert.deepEqual([policy.rules.egress, policy.groups.size], [[], 0]);
    assert.deepEqual(
      issues.map(({ path }) => path),
      ['spec.egress[1].ports[0].port'],
    );
  });

  it('is of the middle tier, and each rule accepts', () => {
    const spec = { policyTypes: ['Ingress', 'Egress'], ingress: [{}, {}], egress: [{}] };
    const { policy } = networkPolicyKind.parse({ metadata: { namespace: 'x', name: 'p' }, spec });
    const actions = [...policy.rules.ingress, ...policy.rules.egress].map(({ action }) => action);
    assert.deepEqual([policy.tier, policy.priority, actions], ['NetworkPolicy', 0, ['Accept', 'Accept', 'Accept']]);
  });

  it('does not depend on the prototype of what the parser gave', () => {
    const spec = JSON.parse('{"podSelector":{"matchLabels":{"__proto__":"a","constructor":"b"}}}') as unknown;
    assert.equal(appliesTo(spec), 'x[__proto__ In a, constructor In b]');
    assert.deepEqual(describeSpec(JSON.parse('{"__proto__":{}}')).issues, [
      'spec.__proto__: unknown-field, failed-closed',
    ]);
  });
});

describe('NetworkPolicy: missing, null and empty are the same (S2.7)', () => {
  const lists: Record<string, (value: unknown) => unknown> = {
    ingress: (ingress) => ({ podSelector: {}, ingress }),
    egress: (egress) => ({ podSelector: {}, egress }),
    policyTypes: (policyTypes) => ({ podSelector: {}, policyTypes, egress: [{}] }),
    from: (from) => ({ ingress: [{ from }] }),
    to: (to) => ({ egress: [{ to }] }),
    ports: (ports) => ({ ingress: [{ ports }] }),
    except: (except) => ({ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except } }] }] }),
    matchExpressions: (matchExpressions) => ({ ingress: [{ from: [{ podSelector: { matchExpressions } }] }] }),
  };
  for (const [name, specOf] of Object.entries(lists)) {
    it(name, () => {
      const missing = JSON.parse(JSON.stringify(specOf(undefined))) as unknown;
      const expected = describeSpec(missing);
      assert.deepEqual(expected.issues, []);
      for (const value of [undefined, null, []]) assert.deepEqual(describeSpec(specOf(value)), expected);
    });
  }
});

describe('NetworkPolicy: a podSelector that cannot be read (S9.7)', () => {
  for (const [podSelector, whom] of [
    [7, 'every pod'],
    [{ matchLabels: { app: 7 } }, 'every pod'],
    [{ matchLabels: { app: 7, tier: 'web' } }, 'every pod that matches the rest of the selector'],
  ] as const) {
    it(`says whom ${JSON.stringify(podSelector)} isolates, and of nothing else`, () => {
      const spec = { podSelector, ingress: 7 };
      const { issues } = networkPolicyKind.parse({ metadata: { namespace: 'x', name: 'p' }, spec });
      const sentence = `; the policy isolates ${whom} in namespace x`;
      assert.deepEqual(
        issues.map(({ path, message }) => [path.startsWith('spec.podSelector'), message.endsWith(sentence)]),
        [[true, true]],
      );
    });
  }
});

describe('NetworkPolicy: the mode (S13.1)', () => {
  for (const [mode, tier, issues] of [
    [undefined, 'NetworkPolicy', []],
    ['enforce', 'NetworkPolicy', []],
    ['audit', 'Audit', []],
    ['Audit', 'NetworkPolicy', ['metadata.annotations.postern.dev/mode']],
    [7, 'NetworkPolicy', ['metadata.annotations.postern.dev/mode']],
  ] as const) {
    it(`${JSON.stringify(mode) ?? 'none'}: ${tier}`, () => {
      const annotations = mode === undefined ? {} : { annotations: { 'postern.dev/mode': mode } };
      const read = networkPolicyKind.parse({ metadata: { namespace: 'x', name: 'p', ...annotations }, spec: {} });
      assert.equal(read.policy?.tier, tier);
      assert.deepEqual(
        read.issues.map(({ path }) => path),
        issues,
      );
    });
  }
});
