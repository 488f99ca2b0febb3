import { deepEqual, equal, match } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { decide, world } from './world.ts';

/** A spec of a policy of namespace x that the API would refuse, or that is newer than we are (S9.1–S9.9). */
interface Row {
  readonly rule: string;
  readonly spec: string;
  readonly allowed?: readonly string[];
  readonly denied?: readonly string[];
  /** `code path` of every issue. */
  readonly issues: readonly string[];
}

const fromB = 'x/b > x/a TCP/80';
const fromC = 'y/c > x/a TCP/80';

const rows: readonly Row[] = [
  ...['tcp', 'ICMP', '""', '6', '[TCP]'].map((protocol) => ({
    rule: 'S9.5 protocol',
    spec: `{ingress: [{ports: [{protocol: ${protocol}, port: 80}]}]}`,
    denied: [fromB],
    issues: ['invalid-protocol spec.ingress[0].ports[0].protocol'],
  })),
  ...['0', '-1', '65536', '80.5', '""', 'true', '[80]'].map((port) => ({
    rule: 'S9.5 port',
    spec: `{ingress: [{ports: [{port: ${port}}, {port: 81}]}]}`,
    allowed: ['x/b > x/a TCP/81'],
    denied: [fromB, 'x/b > x/a TCP/0', 'x/b > x/a TCP/1'],
    issues: ['invalid-port spec.ingress[0].ports[0].port'],
  })),
  ...[
    'port: 80, endPort: 79',
    'port: 80, endPort: 0',
    'port: web, endPort: 90',
    'endPort: 80',
    'port: 80, endPort: 65536',
    'port: 80, endPort: "90"',
  ].map((range) => ({
    rule: 'S9.5 range',
    spec: `{ingress: [{ports: [{${range}}]}]}`,
    denied: [fromB, 'x/b > x/a TCP/8080', 'x/b > x/a TCP/85'],
    issues: ['invalid-port spec.ingress[0].ports[0].endPort'],
  })),
  {
    rule: 'S9.5: a port as text is a name, and nobody declares it',
    spec: '{ingress: [{ports: [{port: "80"}]}]}',
    denied: [fromB],
    issues: [],
  },
  ...['{}', '{podSelector: null}'].map((peer) => ({
    rule: 'S9.5 peer without a field',
    spec: `{ingress: [{from: [${peer}, {podSelector: {}}]}]}`,
    allowed: [fromB],
    denied: [fromC],
    issues: ['invalid-peer spec.ingress[0].from[0]'],
  })),
  {
    rule: 'S9.5 ipBlock with a selector',
    spec: '{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}, podSelector: {}}]}]}',
    denied: [fromB],
    issues: ['invalid-peer spec.ingress[0].from[0]'],
  },
  ...['null', '7', 'all', '[[]]'].map((peer) => ({
    rule: 'S9.5 no peer at all, and the list is not empty for that',
    spec: `{ingress: [{from: [${peer}]}]}`,
    denied: [fromB],
    issues: ['invalid-peer spec.ingress[0].from[0]'],
  })),
  ...['null', '7', '[]'].map((rule) => ({
    rule: 'S9.5 no rule at all',
    spec: `{ingress: [${rule}, {ports: [{port: 80}]}]}`,
    allowed: [fromB],
    denied: ['x/b > x/a TCP/81'],
    issues: ['invalid-peer spec.ingress[0]'],
  })),
  ...['{}', '"all"', '0'].map((list) => ({
    rule: 'S9.5 no list of rules',
    spec: `{ingress: ${list}, policyTypes: [Ingress]}`,
    denied: [fromB],
    issues: ['invalid-peer spec.ingress'],
  })),
  {
    rule: 'S9.5 no list of peers',
    spec: '{ingress: [{from: {}}]}',
    denied: [fromB],
    issues: ['invalid-peer spec.ingress[0].from'],
  },
  {
    rule: 'S9.5 no list of ports',
    spec: '{ingress: [{ports: 80}]}',
    denied: [fromB],
    issues: ['invalid-port spec.ingress[0].ports'],
  },
  {
    rule: 'S9.5: egress that is no list isolates',
    spec: '{egress: {to: []}}',
    denied: [fromB, 'x/a > y/c TCP/80'],
    issues: ['invalid-peer spec.egress'],
  },
  ...[
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0/8',
    '"::/129"',
    '"::ffff:0:0/95"',
    'all',
    '10',
    'null',
    '"10.0.0.0/8 "',
    '"fe80::%eth0/64"',
  ].map((cidr) => ({
    rule: 'S9.6 cidr',
    spec: `{ingress: [{from: [{ipBlock: {cidr: ${cidr}}}]}]}`,
    denied: [fromB, 'x/b > x/a TCP/80 ipv6', '10.0.0.0 > x/a TCP/80'],
    issues: ['invalid-cidr spec.ingress[0].from[0].ipBlock.cidr'],
  })),
  {
    rule: 'S9.6 except: its whole peer matches nothing, the others go on',
    spec: '{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16, nonsense]}}, {ipBlock: {cidr: 203.0.113.0/24}}]}]}',
    allowed: ['203.0.113.5 > x/a TCP/80'],
    denied: [fromB],
    issues: ['invalid-except spec.ingress[0].from[0].ipBlock.except[1]'],
  },
  {
    rule: 'S9.6 except that is no list',
    spec: '{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: 10.9.0.0/16}}]}]}',
    denied: [fromB],
    issues: ['invalid-except spec.ingress[0].from[0].ipBlock.except'],
  },
  ...['Near', 'in', 'null', '7'].map((operator) => ({
    rule: 'S9.7 operator in a peer',
    spec: `{ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: ${operator}, values: [b]}]}}]}]}`,
    denied: [fromB],
    issues: ['invalid-selector spec.ingress[0].from[0].podSelector.matchExpressions[0].operator'],
  })),
  {
    rule: 'S9.7 operator in a namespaceSelector',
    spec: '{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: env, operator: Like}]}, podSelector: {}}]}]}',
    denied: [fromB, fromC],
    issues: ['invalid-selector spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].operator'],
  },
  {
    rule: 'S9.7 operator in podSelector: true for isolation, and no allow',
    spec: '{podSelector: {matchExpressions: [{key: app, operator: Like, values: [a]}, {key: app, operator: In, values: [a]}]}, ingress: [{}]}',
    allowed: ['y/c > x/b TCP/80'],
    denied: [fromB, fromC],
    issues: ['invalid-selector spec.podSelector.matchExpressions[0].operator'],
  },
  ...['"a"', '[]', '7'].map((selector) => ({
    rule: 'S9.7 a podSelector that is none',
    spec: `{podSelector: ${selector}, ingress: [{}]}`,
    denied: [fromB, 'y/c > x/b TCP/80'],
    issues: ['invalid-selector spec.podSelector'],
  })),
  ...['{app: 7}', '{app: null}'].map((labels) => ({
    rule: 'S9.4 a value that is no text',
    spec: `{ingress: [{from: [{podSelector: {matchLabels: ${labels}}}]}]}`,
    denied: [fromB],
    issues: ['invalid-selector spec.ingress[0].from[0].podSelector.matchLabels.app'],
  })),
  {
    rule: 'S9.4 values that no label can have are compared as they are',
    spec: '{ingress: [{from: [{podSelector: {matchLabels: {app: "not a value!"}}}, {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: ["not a value!", a]}]}}]}]}',
    allowed: [fromB],
    denied: [fromC],
    issues: [],
  },
  {
    rule: 'S9.4 an empty In matches nothing',
    spec: '{ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: []}]}}]}]}',
    denied: [fromB],
    issues: [],
  },
  ...['{values: [b], operator: In}', '{key: "", operator: Exists}'].map((expression) => ({
    rule: 'S9.7 no key',
    spec: `{ingress: [{from: [{podSelector: {matchExpressions: [${expression}]}}]}]}`,
    denied: [fromB],
    issues: ['invalid-selector spec.ingress[0].from[0].podSelector.matchExpressions[0].key'],
  })),
  {
    rule: 'S9.7 a key of every JavaScript object is no label',
    spec: '{ingress: [{from: [{podSelector: {matchExpressions: [{key: constructor, operator: Exists}]}}]}]}',
    denied: [fromB],
    issues: [],
  },
  {
    rule: 'S9.8 unknown types beside a known one',
    spec: '{policyTypes: [Forward, Ingress], ingress: [{ports: [{port: 80}]}]}',
    allowed: [fromB, 'x/a > y/c TCP/80'],
    denied: ['x/b > x/a TCP/81'],
    issues: ['invalid-policy-type spec.policyTypes[0]'],
  },
  ...['[ingress]', '[Forward]', '[null]', 'Ingress'].map((types) => ({
    rule: 'S9.8 only unknown types isolate both ways and allow nothing',
    spec: `{policyTypes: ${types}, ingress: [{}], egress: [{}]}`,
    denied: [fromB, 'x/a > y/c TCP/80'],
    issues: [`invalid-policy-type spec.policyTypes${types.startsWith('[') ? '[0]' : ''}`],
  })),
  {
    rule: 'S9.9 an unknown field of a port',
    spec: '{ingress: [{ports: [{port: 80, icmpType: 8}, {port: 81}]}]}',
    allowed: ['x/b > x/a TCP/81'],
    denied: [fromB],
    issues: ['unknown-field spec.ingress[0].ports[0].icmpType'],
  },
  {
    rule: 'S9.9 an unknown field of a peer',
    spec: '{ingress: [{from: [{podSelector: {}, serviceAccounts: {}}, {namespaceSelector: {matchLabels: {env: prod}}}]}]}',
    allowed: [fromC],
    denied: [fromB],
    issues: ['unknown-field spec.ingress[0].from[0].serviceAccounts'],
  },
  {
    rule: 'S9.9 an unknown field of an ipBlock',
    spec: '{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, excepts: [10.1.0.0/16]}}]}]}',
    denied: [fromB],
    issues: ['unknown-field spec.ingress[0].from[0].ipBlock.excepts'],
  },
  {
    rule: 'S9.9 an unknown field of a selector',
    spec: '{ingress: [{from: [{podSelector: {matchLabel: {app: a}}}]}]}',
    denied: [fromB],
    issues: ['unknown-field spec.ingress[0].from[0].podSelector.matchLabel'],
  },
  {
    rule: 'S9.9 an unknown field of a requirement',
    spec: '{ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: Exists, value: b}]}}]}]}',
    denied: [fromB],
    issues: ['unknown-field spec.ingress[0].from[0].podSelector.matchExpressions[0].value'],
  },
  {
    rule: 'S9.9 an unknown field of a rule, such as the peers of the other direction',
    spec: '{ingress: [{to: [{podSelector: {}}]}, {ports: [{port: 81}]}]}',
    allowed: ['x/b > x/a TCP/81'],
    denied: [fromB],
    issues: ['unknown-field spec.ingress[0].to'],
  },
  {
    rule: 'S9.9 an unknown field of podSelector: what is known of it narrows the isolation',
    spec: '{podSelector: {matchLabels: {app: a}, matchFields: []}, ingress: [{}]}',
    allowed: ['y/c > x/b TCP/80'],
    denied: [fromB],
    issues: ['unknown-field spec.podSelector.matchFields'],
  },
  {
    rule: 'S9.9 an unknown field of the spec: isolates, allows nothing',
    spec: '{ingress: [{}], action: Allow}',
    allowed: ['x/a > y/c TCP/80'],
    denied: [fromB],
    issues: ['unknown-field spec.action'],
  },
  ...['7', '[]', '"all"'].map((spec) => ({
    rule: 'S9.1 a spec that is none',
    spec,
    denied: [fromB],
    issues: ['unknown-field spec'],
  })),
];

describe('the evaluator: invalid input', () => {
  for (const { rule, spec, allowed = [], denied = [], issues } of rows) {
    it(`${rule}: ${spec}`, () => {
      const cluster = world(`[{x: ${spec}}]`);
      const observed = [...allowed, ...denied].map((flow) => `${flow}: ${decide(cluster, flow).verdict}`);
      deepEqual(observed, [...allowed.map((flow) => `${flow}: allowed`), ...denied.map((flow) => `${flow}: denied`)]);
      deepEqual(
        cluster.issues.map(({ code, path }) => `${code} ${path}`),
        issues,
      );
    });
  }

  it('S1.10, S1.12: it reports addresses that a pod must not claim', () => {
    const pod = (name: string, ip: string): string =>
      `{kind: Pod, metadata: {namespace: z, name: ${name}}, status: {podIPs: [{ip: ${ip}}]}}`;
    deepEqual(world(`[${pod('thief', '10.0.0.2')}, ${pod('twin', '10.1.0.1')}]`).issues, [
      {
        object: 'Pod z/thief',
        code: 'node-address',
        path: 'status.podIPs',
        message: '10.0.0.2 is an address of node n2',
        effect: 'ignored',
      },
      {
        object: 'Pod x/a',
        code: 'contested-address',
        path: 'status.podIPs',
        message: 'z/twin also claims 10.1.0.1',
        effect: 'failed-closed',
      },
      {
        object: 'Pod z/twin',
        code: 'contested-address',
        path: 'status.podIPs',
        message: 'x/a also claims 10.1.0.1',
        effect: 'failed-closed',
      },
    ]);
  });

  for (const [selector, whom] of [
    ['{matchLabels: {app: 7}}', 'every pod'],
    ['7', 'every pod'],
    ['{matchLabels: {app: 7, tier: web}}', 'every pod that matches the rest of the selector'],
  ]) {
    it(`S9.7: names the pods that a podSelector ${selector} isolates`, () => {
      const messages = world(`[{x: {podSelector: ${selector}, ingress: [{}]}}]`).issues.map(({ message }) => message);
      equal(messages.length, 1);
      match(messages[0]!, new RegExp(`; the policy isolates ${whom} in namespace x$`));
    });
  }

  it('S9.1: an invalid policy does not affect other policies', () => {
    const cluster = world('[{x: {policyTypes: [No]}}, {x: {ingress: [{ports: [{port: 80}]}]}}]');
    deepEqual(decide(cluster, fromB).ingress.allowedBy, [{ policy: 'x/p2', rule: 0, path: 'spec.ingress[0]' }]);
    deepEqual(decide(cluster, fromB).ingress.isolatedBy, ['x/p1', 'x/p2']);
  });
});
