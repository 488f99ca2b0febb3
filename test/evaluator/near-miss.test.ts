import { deepEqual } from 'node:assert/strict';
import { loadYaml } from '@kubernetes/client-node';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { decide, world } from './world.ts';

/** Policies, a denied flow, and `path: reason` of the near misses at the denying end, nearest first. */
const rows: readonly (readonly [given: string, flow: string, misses: readonly string[]])[] = [
  [
    '[{x: {ingress: [{ports: [{port: 80}]}]}}]',
    'y/c > x/a TCP/8080',
    ['spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but the port is 8080, not 80'],
  ],
  [
    '[{x: {ingress: [{ports: [{port: 80, endPort: 90}, {port: 443}]}]}}]',
    'y/c > x/a TCP/8080',
    [
      'spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but the port is 8080, not 80–90 (the rule has TCP/80–90, TCP/443)',
    ],
  ],
  [
    `[{x: {ingress: [{ports: [${Array.from({ length: 12 }, (_, i) => `{port: ${i + 1}}`).join()}]}]}}]`,
    'y/c > x/a TCP/8080',
    [
      'spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but the port is 8080, not 1 (the rule has TCP/1, TCP/2, TCP/3, TCP/4, TCP/5, TCP/6, TCP/7, TCP/8, TCP/9, TCP/10 and 2 more)',
    ],
  ],
  [
    '[{x: {ingress: [{ports: [{port: 80}]}]}}]',
    'y/c > x/a UDP/80',
    ['spec.ingress[0].ports[0].protocol: rule 1 of policy x/p1 would allow, but the protocol is UDP, not TCP'],
  ],
  [
    '[{x: {ingress: [{ports: [{port: 80}]}]}}]',
    'y/c > x/a ICMP',
    ['spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but ICMP matches only rules without ports'],
  ],
  [
    '[{x: {ingress: [{ports: [{port: web}]}]}}]',
    'y/c > x/a TCP/80',
    ['spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but the port is 80, and web is 8080 on x/a'],
  ],
  [
    '[{x: {ingress: [{ports: [{port: web}]}]}}]',
    'y/c > x/b TCP/81',
    ['spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but the port is 81, and web is 80 on x/b'],
  ],
  [
    '[{x: {ingress: [{ports: [{port: http}]}]}}]',
    'y/c > x/a TCP/80',
    [
      'spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but x/a declares no TCP port named http; it declares web (TCP/8080), dns (UDP/53)',
    ],
  ],
  [
    '[{x: {policyTypes: [Egress], egress: [{ports: [{port: web}]}]}}]',
    'x/a > 203.0.113.5 TCP/80',
    [
      'spec.egress[0].ports[0].port: rule 1 of policy x/p1 would allow, but web is a port name, which only pods declare, and 203.0.113.5 is not a pod',
    ],
  ],
  [
    '[{x: {ingress: [{ports: [{port: "80"}]}]}}]',
    'y/c > x/b TCP/80',
    [
      'spec.ingress[0].ports[0].port: rule 1 of policy x/p1 would allow, but x/b declares no TCP port named 80; it declares web (TCP/80)',
    ],
  ],
  [
    '[{x: {ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]}}]',
    'x/b > x/a TCP/80',
    [
      'spec.ingress[0].from[0].podSelector.matchLabels.app: rule 1 of policy x/p1 would allow, but label app of x/b is "b", not "a"',
    ],
  ],
  [
    '[{x: {ingress: [{from: [{namespaceSelector: {matchLabels: {env: prod}}}]}]}}]',
    'z/d > x/a TCP/80',
    [
      'spec.ingress[0].from[0].namespaceSelector.matchLabels.env: rule 1 of policy x/p1 would allow, but namespace z has no label env (wanted: "prod")',
    ],
  ],
  [
    '[{x: {ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}}]}]}}]',
    'y/c > x/a TCP/80',
    [
      'spec.ingress[0].from[0].namespaceSelector.matchExpressions[0]: rule 1 of policy x/p1 would allow, but label env of namespace y is "prod", which the selector excludes',
    ],
  ],
  [
    '[{x: {ingress: [{from: [{podSelector: {}}]}]}}]',
    'y/c > x/a TCP/80',
    [
      'spec.ingress[0].from[0].podSelector: rule 1 of policy x/p1 would allow, but without a namespaceSelector only pods of namespace x match, not y/c',
    ],
  ],
  [
    '[{x: {ingress: [{from: [{namespaceSelector: {}}]}]}}]',
    'ghost/e > x/a TCP/80',
    [
      'spec.ingress[0].from[0].namespaceSelector: rule 1 of policy x/p1 would allow, but namespace ghost is not known, so no namespaceSelector matches it',
    ],
  ],
  [
    '[{x: {ingress: [{from: [{namespaceSelector: {}}]}]}}]',
    'n2 > x/a TCP/80',
    [
      'spec.ingress[0].from[0]: rule 1 of policy x/p1 would allow, but selectors match pods only, and node n2 is on the host network',
    ],
  ],
  [
    '[{x: {ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25, 203.0.113.0/30]}}]}]}}]',
    '203.0.113.1 > x/a TCP/80',
    [
      'spec.ingress[0].from[1].ipBlock.except[1]: rule 1 of policy x/p1 would allow, but 203.0.113.1 is excepted from 203.0.113.0/24 by 203.0.113.0/30',
    ],
  ],
  [
    '[{x: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}}]',
    'x/a > 198.51.100.1 TCP/80',
    ['spec.egress[0].to[0].ipBlock.cidr: rule 1 of policy x/p1 would allow, but 198.51.100.1 is not in 203.0.113.0/24'],
  ],
  [
    '[{x: {ingress: [{ports: [{protocol: tcp}]}]}}]',
    'y/c > x/a TCP/80',
    [
      'spec.ingress[0].ports[0].protocol: rule 1 of policy x/p1 would allow, but spec.ingress[0].ports[0].protocol is invalid and matches nothing: "tcp" is none of TCP, UDP, SCTP',
    ],
  ],
  [
    '[{x: {podSelector: {matchFields: 1}, ingress: [{}]}}]',
    'y/c > x/a TCP/80',
    [
      'spec.podSelector.matchFields: rule 1 of policy x/p1 would allow, but spec.podSelector.matchFields is invalid, so the policy allows nothing: unknown field "matchFields"',
    ],
  ],
  [
    '[{x: {policyTypes: [Ingress], egress: [{}]}}, {x: {policyTypes: [Egress]}}]',
    'x/a > y/c TCP/80',
    [
      'spec.policyTypes: rule 1 of policy x/p1 would allow, but policyTypes does not list Egress, so the egress rules are ignored',
    ],
  ],
  ['[{x: {policyTypes: [Ingress]}}]', 'y/c > x/a TCP/80', []],
];

describe('near misses', () => {
  for (const [given, flow, misses] of rows) {
    it(`${flow} under ${given}`, () => {
      const { egress, ingress } = decide(world(given), flow);
      const end = egress.verdict === 'denied' ? egress : ingress;
      deepEqual(
        [end.verdict, ...end.nearMisses.map(({ path, reason }) => `${path}: ${reason}`)],
        ['denied', ...misses],
      );
    });
  }

  it('come nearest first: one port away, one label away, another block, and at most three', () => {
    const { ingress } = decide(
      world(`[{x: {ingress: [
        {from: [{ipBlock: {cidr: 203.0.113.0/24}}]},
        {from: [{podSelector: {matchLabels: {app: z}}}], ports: [{port: 81}]},
        {from: [{podSelector: {matchLabels: {app: z, tier: front}}}]},
        {from: [{podSelector: {matchLabels: {app: z}}}]},
        {ports: [{port: 81}]}]}}]`),
      'x/b > x/a TCP/80',
    );
    deepEqual(
      ingress.nearMisses.map(({ rule }) => rule),
      [3, 4, 2],
    );
  });

  it('name both differences if no rule is one step away', () => {
    const { ingress } = decide(
      world('[{x: {ingress: [{from: [{podSelector: {matchLabels: {app: z}}}], ports: [{port: 81}]}]}}]'),
      'x/b > x/a TCP/80',
    );
    deepEqual(
      ingress.nearMisses.map(({ reason }) => reason),
      ['rule 1 of policy x/p1 would allow, but the port is 80, not 81, and label app of x/b is "b", not "z"'],
    );
  });
});

describe('near misses in a part of the cluster', () => {
  const rule = (text: string) =>
    `{kind: NetworkPolicy, metadata: {namespace: x, name: p1}, spec: {podSelector: {}, ${text}}}`;
  const rows = [
    [
      'ingress: [{from: [{podSelector: {}}]}]',
      'without a namespaceSelector only pods of namespace x match, and none of them owns 10.1.1.3',
    ],
    [
      'ingress: [{from: [{namespaceSelector: {}}]}]',
      'it selects pods by namespace, and 10.1.1.3 may not be one of them',
    ],
    [
      'policyTypes: [Egress], egress: [{ports: [{port: web}]}]',
      'web is a port name, and 10.1.1.3 may declare it with another number or not at all',
    ],
  ] as const;
  for (const [text, reason] of rows) {
    it(`of an address that none of the part has: ${text}`, () => {
      const pod = `{kind: Pod, metadata: {namespace: x, name: a}, spec: {nodeName: n1}, status: {podIPs: [{ip: 10.1.0.1}]}}`;
      const cluster = prepareCluster(loadYaml(`[${pod}, ${rule(text)}]`), 'part');
      const [source, destination] = text.startsWith('ingress') ? ['10.1.1.3', '10.1.0.1'] : ['10.1.0.1', '10.1.1.3'];
      const { ingress, egress } = decide(cluster, `${source} > ${destination} TCP/80`);
      deepEqual(
        [...ingress.nearMisses, ...egress.nearMisses].map((miss) => miss.reason),
        [`rule 1 of policy x/p1 would allow, but ${reason}`],
      );
    });
  }
});

describe('reasons', () => {
  const isolating = world('[{x: {policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 80}]}]}}]');
  const rowsOfReasons: readonly (readonly [flow: string, egress: string, ingress: string])[] = [
    [
      'y/c > x/a TCP/80',
      'no policy isolates y/c for egress',
      'x/a is isolated for ingress by x/p1, and rule 1 of x/p1 allows this',
    ],
    [
      'x/a > x/b TCP/81',
      'x/a is isolated for egress by x/p1, and there is no egress rule',
      'x/b is isolated for ingress by x/p1, and no rule allows this',
    ],
    [
      'n1 > x/a TCP/1',
      'node n1 is on the host network: policies do not apply to nodes and hostNetwork pods',
      "x/a runs on node n1: a pod's own node can always reach it",
    ],
    ['x/a > x/a TCP/1', 'a pod can always reach itself: x/a', 'a pod can always reach itself: x/a'],
    [
      '203.0.113.5 > y/c TCP/1',
      '203.0.113.5 is outside the cluster: policies do not apply there',
      'no policy isolates y/c for ingress',
    ],
    ['x/nobody > x/a TCP/1', 'pod x/nobody does not exist', 'the other end does not exist'],
    ['n9 > x/a TCP/1', 'node n9 does not exist', 'the other end does not exist'],
    ['x/a > 203.0.113.5 TCP/1 ipv6', 'the other end does not exist', '203.0.113.5 is not an ipv6 address'],
  ];
  for (const [flow, egress, ingress] of rowsOfReasons) {
    it(flow, () => {
      const decision = decide(isolating, flow);
      deepEqual([decision.egress.reason, decision.ingress.reason], [egress, ingress]);
    });
  }
});
