import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { decide, world } from './world.ts';

/** A rule of the semantics, a cluster that shows it, and the verdicts of some flows. */
interface Row {
  readonly rule: string;
  readonly says: string;
  /** Changes to the cast (world.ts). */
  readonly given: string;
  readonly allowed?: readonly string[];
  readonly denied?: readonly string[];
}

const tables: Record<string, readonly Row[]> = {
  'no policy': [
    {
      rule: 'S0.3',
      says: 'default allow',
      given: '[]',
      allowed: [
        'x/a > y/c TCP/80',
        'x/a > 203.0.113.5 UDP/53',
        '203.0.113.5 > x/a TCP/1',
        'n1 > n2 TCP/22',
        'x/a > y/c ICMP ipv6',
      ],
    },
  ],
  'two checks': [
    {
      rule: 'S0.1',
      says: 'both must allow a connection: egress of its source and ingress of its destination',
      given: `[{x: {policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {env: prod}}}]}]}},
        {y: {ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]}}, {z: {ingress: [{}]}}]`,
      allowed: ['x/a > y/c TCP/80'],
      denied: ['x/a > y/c TCP/81', 'x/a > z/d TCP/80'],
    },
  ],
  'which pods a policy selects': [
    {
      rule: 'S1.1',
      says: 'an empty selector is every pod of its namespace, and of no other',
      given: '[{x: {podSelector: {}, policyTypes: [Ingress]}}]',
      allowed: ['x/a > y/c TCP/80', 'x/a > z/d TCP/80'],
      denied: ['y/c > x/a TCP/80', 'y/c > x/b TCP/80', 'x/a > x/b TCP/80'],
    },
    ...['null', '{matchLabels: {}, matchExpressions: []}', '{matchLabels: null, matchExpressions: null}'].map(
      (selector) => ({
        rule: 'S1.1',
        says: `${selector} is the empty selector`,
        given: `[{x: {podSelector: ${selector}, policyTypes: [Ingress]}}]`,
        denied: ['y/c > x/a TCP/80', 'y/c > x/b TCP/80'],
      }),
    ),
    {
      rule: 'S1.1',
      says: 'a missing selector, and a missing spec, are empty too',
      given: '[{x: {policyTypes: [Ingress]}}, {kind: NetworkPolicy, metadata: {namespace: y, name: bare}}]',
      allowed: ['x/a > z/d TCP/80', 'y/c > z/d TCP/80'],
      denied: ['y/c > x/b TCP/80', 'z/d > y/c TCP/80'],
    },
    {
      rule: 'S1.2',
      says: 'matchLabels and matchExpressions are ANDed, also on one key',
      given: `[{x: {podSelector: {matchLabels: {app: b}, matchExpressions: [
        {key: app, operator: In, values: [a, b]}, {key: tier, operator: Exists}, {key: app, operator: NotIn, values: [c]}]}, policyTypes: [Ingress]}}]`,
      allowed: ['y/c > x/a TCP/80'],
      denied: ['y/c > x/b TCP/80'],
    },
    {
      rule: 'S1.3',
      says: 'hostNetwork pods are no subjects and no selector peers',
      given: `[{x: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}}]}]}}]`,
      allowed: ['y/c > x/host TCP/80', 'x/host > y/c TCP/80', 'x/host > x/a TCP/80'],
      denied: ['x/host > x/b TCP/80'],
    },
    {
      rule: 'S1.4',
      says: 'finished pods neither select nor match; their address is whose it is now',
      given: `[
        {kind: Pod, metadata: {namespace: x, name: done, labels: {app: db}}, spec: {nodeName: n1}, status: {phase: Succeeded, podIPs: [{ip: 10.1.0.2}]}},
        {x: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}},
        {y: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}]}]}}]`,
      allowed: ['y/c > x/b TCP/80', 'y/c > x/done TCP/80'],
      denied: ['x/b > y/c TCP/80', 'x/done > y/c TCP/80', '10.1.0.2 > y/c TCP/80'],
    },
    {
      rule: 'S1.4',
      says: 'failed is finished',
      given: `[
        {kind: Pod, metadata: {namespace: x, name: a, labels: {app: a}}, spec: {nodeName: n1}, status: {phase: Failed, podIPs: [{ip: 10.1.0.1}]}},
        {x: {policyTypes: [Ingress]}}]`,
      allowed: ['y/c > x/a TCP/80'],
      denied: ['y/c > x/b TCP/80'],
    },
    {
      rule: 'S1.5',
      says: 'a terminating pod stays subject and peer',
      given: `[
        {kind: Pod, metadata: {namespace: x, name: a, labels: {app: a}, deletionTimestamp: "2026-01-01T00:00:00Z"}, spec: {nodeName: n1}, status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}},
        {x: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]}}]`,
      allowed: ['x/a > x/b TCP/80'],
      denied: ['y/c > x/a TCP/80', 'y/c > x/b TCP/80'],
    },
    ...['Pending', 'Unknown'].map((phase) => ({
      rule: 'S1.6',
      says: `${phase} pods with an address count`,
      given: `[
        {kind: Pod, metadata: {namespace: x, name: a}, spec: {nodeName: n1}, status: {phase: ${phase}, podIPs: [{ip: 10.1.0.1}]}},
        {x: {podSelector: {}, policyTypes: [Ingress]}}]`,
      denied: ['y/c > x/a TCP/80', 'y/c > 10.1.0.1 TCP/80'],
    })),
    {
      rule: 'S1.8',
      says: 'podIP alone is not used',
      given: `[
        {kind: Pod, metadata: {namespace: x, name: a}, spec: {nodeName: n1}, status: {phase: Running, podIP: 10.1.0.1}},
        {x: {podSelector: {}, policyTypes: [Ingress]}}]`,
      allowed: ['y/c > 10.1.0.1 TCP/80'],
      denied: ['y/c > x/a TCP/80'],
    },
    {
      rule: 'S1.9',
      says: 'one that stays beats one that is going',
      given: `[
        {kind: Pod, metadata: {namespace: z, name: old, labels: {app: old}, deletionTimestamp: "2026-01-01T00:00:00Z"}, spec: {nodeName: n1}, status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}},
        {z: {podSelector: {matchLabels: {app: old}}, policyTypes: [Ingress]}},
        {y: {policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: a}}, namespaceSelector: {}}]}]}}]`,
      allowed: ['y/c > x/a TCP/80', 'x/a > y/c TCP/80', '10.1.0.1 > y/c TCP/80'],
    },
    {
      rule: 'S1.10',
      says: 'a contested address is isolated as any claimant is, allowed nothing, and no selector peer',
      given: `[
        {kind: Pod, metadata: {namespace: z, name: twin, labels: {app: a}}, spec: {nodeName: n1}, status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}},
        {z: {podSelector: {matchLabels: {app: a}}, policyTypes: [Ingress], ingress: [{}]}},
        {y: {policyTypes: [Ingress, Egress], ingress: [{from: [{namespaceSelector: {}}]}], egress: [{to: [{namespaceSelector: {}}]}]}}]`,
      allowed: ['x/a > z/d TCP/80', 'x/a > x/a TCP/80', 'n1 > x/a TCP/80'],
      denied: [
        'z/d > x/a TCP/80',
        'z/d > z/twin TCP/80',
        'z/d > 10.1.0.1 TCP/80',
        'x/a > y/c TCP/80',
        'y/c > x/a TCP/80',
        'n2 > x/a TCP/80',
      ],
    },
    {
      rule: 'S1.10',
      says: 'a node is the own node of a contested address only if every claimant runs there',
      given: `[
        {kind: Pod, metadata: {namespace: z, name: twin}, spec: {nodeName: n2}, status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}},
        {x: {policyTypes: [Ingress]}}]`,
      denied: ['n1 > x/a TCP/80', 'n2 > x/a TCP/80'],
    },
    {
      rule: 'S1.10',
      says: 'an ipBlock does match a contested address',
      given: `[
        {kind: Pod, metadata: {namespace: z, name: twin}, spec: {nodeName: n1}, status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}},
        {y: {policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.1.0.1/32}}]}]}}]`,
      allowed: ['x/a > y/c TCP/80'],
      denied: ['x/b > y/c TCP/80'],
    },
    {
      rule: 'S1.12',
      says: "a pod's claim on a node's address counts for nothing",
      given: `[
        {kind: Pod, metadata: {namespace: x, name: thief, labels: {app: t}}, spec: {nodeName: n1}, status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}},
        {x: {podSelector: {matchLabels: {app: t}}, policyTypes: [Ingress]}},
        {y: {policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}]}]}}]`,
      allowed: ['x/a > n2 TCP/80', 'x/a > x/thief TCP/80'],
      denied: ['x/thief > y/c TCP/80', 'n2 > y/c TCP/80'],
    },
    {
      rule: 'S1.13',
      says: 'a static pod counts by the labels of its mirror pod',
      given: `[{x: {podSelector: {matchLabels: {app: static}}, ingress: [{from: [{podSelector: {matchLabels: {app: b}}}]}]}},
        {y: {ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: static}}}]}]}},
        {kind: Pod, metadata: {namespace: x, name: static-n1, labels: {app: static}, annotations: {kubernetes.io/config.mirror: 0a1b}},
         spec: {nodeName: n1}, status: {phase: Running, podIPs: [{ip: 10.1.0.9}]}}]`,
      allowed: ['x/b > x/static-n1 TCP/80', 'x/static-n1 > y/c TCP/80'],
      denied: ['x/a > x/static-n1 TCP/80', 'x/b > y/c TCP/80'],
    },
  ],
  'policyTypes, isolation, union': [
    {
      rule: 'S2.1',
      says: 'missing types are Ingress only where there is no egress rule',
      given: '[{x: {podSelector: {}, egress: []}}]',
      allowed: ['x/a > y/c TCP/80'],
      denied: ['y/c > x/a TCP/80'],
    },
    {
      rule: 'S2.1',
      says: 'missing types are both where there is an egress rule',
      given: '[{x: {policyTypes: [], egress: [{ports: [{port: 80}]}]}}]',
      allowed: ['x/a > y/c TCP/80'],
      denied: ['x/a > y/c TCP/81', 'y/c > x/a TCP/80'],
    },
    {
      rule: 'S2.3',
      says: 'rules of a direction that is not listed are ignored, duplicates are harmless',
      given: '[{x: {policyTypes: [Ingress, Ingress], egress: [{ports: [{port: 1}]}]}}]',
      allowed: ['x/a > y/c TCP/80'],
      denied: ['y/c > x/a TCP/80'],
    },
    {
      rule: 'S2.3',
      says: 'and allow nothing to a pod that another policy isolates',
      given: '[{x: {policyTypes: [Ingress], egress: [{}]}}, {x: {policyTypes: [Egress]}}]',
      denied: ['x/a > y/c TCP/80', 'y/c > x/a TCP/80'],
    },
    {
      rule: 'S2.4',
      says: 'directions are independent',
      given: '[{x: {policyTypes: [Egress]}}]',
      allowed: ['y/c > x/a TCP/80'],
      denied: ['x/a > y/c TCP/80'],
    },
    {
      rule: 'S2.5',
      says: 'policies are a union, and one allow-all defeats the others',
      given:
        '[{x: {policyTypes: [Ingress]}}, {x: {podSelector: {matchLabels: {app: a}}, ingress: [{ports: [{port: 80}]}]}}, {x: {podSelector: {matchLabels: {app: a}}, ingress: [{ports: [{port: 81}]}]}}, {x: {podSelector: {matchLabels: {app: b}}, ingress: [{}]}}]',
      allowed: ['y/c > x/a TCP/80', 'y/c > x/a TCP/81', 'y/c > x/b UDP/7'],
      denied: ['y/c > x/a TCP/82'],
    },
    {
      rule: 'S2.6',
      says: 'an egress rule never satisfies an ingress check',
      given: '[{x: {policyTypes: [Ingress, Egress], ingress: [], egress: [{}]}}]',
      allowed: ['x/a > y/c TCP/80'],
      denied: ['x/a > x/b TCP/80'],
    },
    ...['', 'ingress: null, ', 'ingress: [], '].map((list) => ({
      rule: 'S2.T1',
      says: `{${list}policyTypes: [Ingress]} allows nothing`,
      given: `[{x: {${list}policyTypes: [Ingress]}}]`,
      denied: ['y/c > x/a TCP/80', '203.0.113.5 > x/a UDP/9', 'x/b > x/a ICMP'],
    })),
    ...['{}', '{from: []}', '{from: null, ports: null}', '{ports: []}'].map((rule) => ({
      rule: 'S2.T2–4',
      says: `${rule} allows everything`,
      given: `[{x: {ingress: [${rule}]}}]`,
      allowed: ['y/c > x/a TCP/80', '203.0.113.5 > x/a 47', 'n2 > x/a SCTP/1', 'ghost/e > x/a ICMP'],
    })),
    {
      rule: 'S2.T5',
      says: 'a peer without a field matches nothing',
      given:
        '[{x: {ingress: [{from: [{}]}]}}, {y: {ingress: [{from: [{podSelector: null, namespaceSelector: null, ipBlock: null}]}]}}]',
      denied: ['y/c > x/a TCP/80', 'x/b > x/a TCP/80', 'x/a > y/c TCP/80'],
    },
    {
      rule: 'S2.T6',
      says: "podSelector {} is every pod of the policy's namespace",
      given: '[{x: {ingress: [{from: [{podSelector: {}}]}]}}]',
      allowed: ['x/b > x/a TCP/80'],
      denied: ['y/c > x/a TCP/80', 'n2 > x/a TCP/80', '203.0.113.5 > x/a TCP/80'],
    },
    ...['{namespaceSelector: {}}', '{podSelector: null, namespaceSelector: {}}'].map((peer) => ({
      rule: 'S2.T7–8, S3.6',
      says: `${peer} is every pod of every namespace, no node, nothing outside`,
      given: `[{x: {ingress: [{from: [${peer}]}]}}]`,
      allowed: ['x/b > x/a TCP/80', 'y/c > x/a TCP/80', 'z/d > x/a TCP/80'],
      denied: ['n2 > x/a TCP/80', '203.0.113.5 > x/a TCP/80'],
    })),
    {
      rule: 'S2.8',
      says: 'a peer of one rule is never combined with a port of another',
      given:
        '[{x: {ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}, {from: [{namespaceSelector: {matchLabels: {env: prod}}}], ports: [{port: 81}]}]}}]',
      allowed: ['x/b > x/a TCP/80', 'y/c > x/a TCP/81'],
      denied: ['x/b > x/a TCP/81', 'y/c > x/a TCP/80'],
    },
  ],
  peers: [
    {
      rule: 'S3.1',
      says: 'both selectors in one entry are ANDed',
      given:
        '[{x: {ingress: [{from: [{namespaceSelector: {matchLabels: {env: prod}}, podSelector: {matchLabels: {app: a}}}]}]}}]',
      allowed: ['y/c > x/b TCP/80'],
      denied: ['x/a > x/b TCP/80', 'z/d > x/b TCP/80'],
    },
    {
      rule: 'S3.1',
      says: 'two entries are ORed',
      given:
        '[{x: {ingress: [{from: [{namespaceSelector: {matchLabels: {env: prod}}}, {podSelector: {matchLabels: {app: a}}}]}]}}]',
      allowed: ['y/c > x/b TCP/80', 'x/a > x/b TCP/80'],
      denied: ['z/d > x/b TCP/80'],
    },
    {
      rule: 'S3.2',
      says: 'a namespaceSelector includes the own namespace only where it matches',
      given: '[{x: {egress: [{to: [{namespaceSelector: {matchLabels: {env: prod}}}]}], policyTypes: [Egress]}}]',
      allowed: ['x/a > y/c TCP/80'],
      denied: ['x/a > x/b TCP/80'],
    },
    {
      rule: 'S3.3',
      says: 'kubernetes.io/metadata.name is an ordinary label, and not made up',
      given:
        '[{kind: Namespace, metadata: {name: y, labels: {kubernetes.io/metadata.name: y}}}, {x: {ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [y, z]}]}}]}]}}]',
      allowed: ['y/c > x/a TCP/80'],
      denied: ['z/d > x/a TCP/80'],
    },
    ...[
      '{}',
      '{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}',
      '{matchExpressions: [{key: env, operator: DoesNotExist}]}',
    ].map((selector) => ({
      rule: 'S3.4',
      says: `a pod of an unknown namespace matches no namespaceSelector, not even ${selector}`,
      given: `[{x: {ingress: [{from: [{namespaceSelector: ${selector}}]}]}}]`,
      allowed: ['z/d > x/a TCP/80'],
      denied: ['ghost/e > x/a TCP/80'],
    })),
    {
      rule: 'S3.4',
      says: 'policies of an unknown namespace still apply there',
      given: '[{ghost: {ingress: [{from: [{podSelector: {}}]}]}}]',
      denied: ['x/a > ghost/e TCP/80'],
    },
    {
      rule: 'S3.5',
      says: 'In needs the key',
      given:
        '[{x: {ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: env, operator: In, values: [prod, test]}]}}]}]}}]',
      allowed: ['y/c > x/a TCP/80'],
      denied: ['z/d > x/a TCP/80', 'x/b > x/a TCP/80'],
    },
    {
      rule: 'S3.5',
      says: 'NotIn holds without the key',
      given:
        '[{x: {ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}}]}]}}]',
      allowed: ['z/d > x/a TCP/80', 'x/b > x/a TCP/80'],
      denied: ['y/c > x/a TCP/80'],
    },
    {
      rule: 'S3.5',
      says: 'Exists holds with the empty value',
      given:
        '[{kind: Namespace, metadata: {name: z, labels: {env: ""}}}, {x: {ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: env, operator: Exists}]}}]}]}}]',
      allowed: ['z/d > x/a TCP/80', 'y/c > x/a TCP/80'],
    },
    {
      rule: 'S3.5',
      says: 'DoesNotExist needs the key to be absent; comparison is exact',
      given:
        '[{x: {ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: env, operator: DoesNotExist}]}}, {namespaceSelector: {matchLabels: {env: Prod}}}]}]}}]',
      allowed: ['z/d > x/a TCP/80'],
      denied: ['y/c > x/a TCP/80'],
    },
    {
      rule: 'S3.7',
      says: 'an ipBlock matches pods, nodes, hostNetwork pods and hosts outside',
      given: '[{x: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/15}}, {ipBlock: {cidr: 203.0.113.5/32}}]}]}}]',
      allowed: [
        'y/c > x/b TCP/80',
        'n1 > x/b TCP/80',
        'x/host > x/b TCP/80',
        '203.0.113.5 > x/b TCP/80',
        '10.1.9.9 > x/b ICMP',
      ],
      denied: ['203.0.113.6 > x/b TCP/80', 'y/c > x/b TCP/80 ipv6'],
    },
    {
      rule: 'S3.7',
      says: '0.0.0.0/0 is all of IPv4 and nothing of IPv6',
      given:
        '[{x: {ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}}, {y: {ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}}]',
      allowed: [
        '255.255.255.254 > x/a TCP/80',
        '169.254.0.1 > x/a TCP/80',
        '64:ff9b::1 > y/c TCP/80',
        'x/a > y/c TCP/80 ipv6',
      ],
      denied: ['2001:db8::5 > x/a TCP/80', 'x/a > y/c TCP/80'],
    },
    {
      rule: 'S3.8',
      says: 'an except subtracts from its own block only',
      given:
        '[{x: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: 10.1.2.0/24}}]}]}}]',
      allowed: ['10.1.2.9 > x/a TCP/80', '10.2.0.1 > x/a TCP/80'],
      denied: ['10.1.3.9 > x/a TCP/80'],
    },
    {
      rule: 'S3.8',
      says: 'of two equal blocks the one without except wins',
      given:
        '[{x: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}}]',
      allowed: ['10.1.3.9 > x/a TCP/80'],
    },
    {
      rule: 'S3.9',
      says: 'excepts are a union',
      given:
        '[{x: {ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/25, 192.0.2.64/26, 192.0.2.0/25, 192.0.2.192/26]}}]}]}}]',
      allowed: ['192.0.2.130 > x/a TCP/80', '192.0.2.191 > x/a TCP/80'],
      denied: ['192.0.2.65 > x/a TCP/80', '192.0.2.127 > x/a TCP/80', '192.0.2.192 > x/a TCP/80'],
    },
    {
      rule: 'S3.11',
      says: 'host bits are masked off, leading zeros are decimal',
      given: '[{x: {ingress: [{from: [{ipBlock: {cidr: 192.0.2.9/24}}, {ipBlock: {cidr: 198.051.100.0/24}}]}]}}]',
      allowed: ['192.0.2.200 > x/a TCP/80', '198.51.100.7 > x/a TCP/80'],
      denied: ['192.0.3.9 > x/a TCP/80'],
    },
    {
      rule: 'S3.12',
      says: 'an IPv4-mapped block is the IPv4 block, a shorter one is invalid',
      given:
        '[{x: {ingress: [{from: [{ipBlock: {cidr: "::FFFF:192.0.2.0/120"}}, {ipBlock: {cidr: "::ffff:0:0/90"}}, {ipBlock: {cidr: "2001:DB8:0:0::/64"}}]}]}}]',
      allowed: ['192.0.2.7 > x/a TCP/80', '2001:db8::7 > x/a TCP/80'],
      denied: ['198.51.100.7 > x/a TCP/80', '2001:db8:0:1::7 > x/a TCP/80'],
    },
    {
      rule: 'S3.13',
      says: 'an except outside or of the other family subtracts nothing, one as large as the block everything',
      given:
        '[{x: {ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [10.0.0.0/8, "::/0"]}}, {ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.0/24]}}, {ipBlock: {cidr: 203.0.113.0/24, except: [203.0.0.0/8]}}]}]}}]',
      allowed: ['192.0.2.7 > x/a TCP/80'],
      denied: ['198.51.100.7 > x/a TCP/80', '203.0.113.7 > x/a TCP/80'],
    },
    {
      rule: 'S3.15',
      says: "a node is matched by the address on the packet, not by the node's name",
      given: '[{x: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.2/32}}]}]}}]',
      allowed: ['n2 > x/a TCP/80', '10.0.0.2 > x/a TCP/80'],
      denied: ['10.0.0.3 > x/a TCP/80'],
    },
    {
      rule: 'S3.17',
      says: 'a selector that matches no pod matches nothing',
      given:
        '[{x: {ingress: [{from: [{podSelector: {matchLabels: {app: none}}}]}]}}, {y: {podSelector: {matchLabels: {app: none}}}}]',
      allowed: ['x/a > y/c TCP/80'],
      denied: ['x/b > x/a TCP/80', '203.0.113.5 > x/a TCP/80'],
    },
    {
      rule: 'S3.18',
      says: 'multicast and broadcast match ipBlocks and empty lists, never selectors',
      given:
        '[{x: {policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}, {to: [{ipBlock: {cidr: 239.0.0.0/8}}]}]}}, {y: {policyTypes: [Egress], egress: [{}]}}]',
      allowed: ['x/a > 239.1.1.1 UDP/7', 'y/c > 224.0.0.9 UDP/7', 'y/c > 255.255.255.255 UDP/7'],
      denied: ['x/a > 224.0.0.9 UDP/7', 'x/a > 255.255.255.255 UDP/7'],
    },
  ],
  ports: [
    {
      rule: 'S4.1',
      says: 'a missing protocol is TCP; protocols never stand in for one another',
      given: '[{x: {ingress: [{ports: [{port: 80}, {protocol: SCTP, port: 81}]}]}}]',
      allowed: ['y/c > x/a TCP/80', 'y/c > x/a 6/80', 'y/c > x/a SCTP/81', 'y/c > x/a 132/81'],
      denied: ['y/c > x/a UDP/80', 'y/c > x/a TCP/81', 'y/c > x/a UDP/81', 'y/c > x/a 136/80', 'y/c > x/a 33/80'],
    },
    {
      rule: 'S4.3',
      says: 'an entry without port is all ports of its protocol and nothing else',
      given: '[{x: {ingress: [{ports: [{protocol: UDP}]}]}}]',
      allowed: ['y/c > x/a UDP/1', 'y/c > x/a UDP/65535'],
      denied: ['y/c > x/a TCP/1', 'y/c > x/a ICMP', 'y/c > x/a 136/1'],
    },
    {
      rule: 'S4.4',
      says: 'a range is inclusive, in both directions of policy and for every protocol',
      given:
        '[{x: {policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 80, endPort: 90}]}], egress: [{ports: [{protocol: SCTP, port: 7, endPort: 7}]}]}}]',
      allowed: ['y/c > x/a TCP/80', 'y/c > x/a TCP/85', 'y/c > x/a TCP/90', 'x/a > y/c SCTP/7'],
      denied: ['y/c > x/a TCP/79', 'y/c > x/a TCP/91', 'x/a > y/c SCTP/8'],
    },
    {
      rule: 'S4.5',
      says: 'entries are ORed, ranges may overlap',
      given: '[{x: {ingress: [{ports: [{port: 80, endPort: 90}, {port: 85, endPort: 95}, {port: 1}]}]}}]',
      allowed: ['y/c > x/a TCP/82', 'y/c > x/a TCP/93', 'y/c > x/a TCP/1'],
      denied: ['y/c > x/a TCP/96'],
    },
    {
      rule: 'S4.7',
      says: 'ingress looks a name up on each selected pod, whatever the peer',
      given:
        '[{x: {ingress: [{from: [{namespaceSelector: {}}, {ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: web}]}]}}]',
      allowed: ['y/c > x/a TCP/8080', 'y/c > x/b TCP/80', '203.0.113.5 > x/a TCP/8080'],
      denied: ['y/c > x/a TCP/80', 'y/c > x/b TCP/8080', 'z/d > x/a TCP/80', '203.0.113.5 > x/b TCP/8080'],
    },
    {
      rule: 'S4.8',
      says: 'egress looks a name up on each destination pod, of every namespace where there is no `to`',
      given: '[{x: {policyTypes: [Egress], egress: [{ports: [{port: web}]}]}}]',
      allowed: ['x/a > y/c TCP/8080', 'x/a > z/d TCP/80', 'x/a > ghost/e TCP/80', 'x/a > x/b TCP/80'],
      denied: [
        'x/a > y/c TCP/80',
        'x/a > z/d TCP/8080',
        'x/a > 203.0.113.5 TCP/80',
        'x/a > n2 TCP/80',
        'x/b > x/host TCP/80',
      ],
    },
    {
      rule: 'S4.9',
      says: 'with an ipBlock, only pods in it that declare the name',
      given:
        '[{x: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.1.2.0/24]}}], ports: [{port: web}]}]}}]',
      allowed: ['x/a > y/c TCP/8080'],
      denied: ['x/a > y/c TCP/80', 'x/a > z/d TCP/80', 'x/a > 203.0.113.5 TCP/8080', 'x/a > 203.0.113.5 TCP/80'],
    },
    {
      rule: 'S4.10',
      says: 'sidecars declare names, plain init and ephemeral containers do not',
      given: `[{kind: Pod, metadata: {namespace: x, name: a}, spec: {
          containers: [{ports: [{containerPort: 1}]}],
          initContainers: [{restartPolicy: Always, ports: [{name: side, containerPort: 2}]}, {ports: [{name: init, containerPort: 3}]}],
          ephemeralContainers: [{ports: [{name: eph, containerPort: 4}]}]},
        status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}},
        {x: {ingress: [{ports: [{port: side}, {port: init}, {port: eph}]}]}}]`,
      allowed: ['y/c > x/a TCP/2'],
      denied: ['y/c > x/a TCP/1', 'y/c > x/a TCP/3', 'y/c > x/a TCP/4'],
    },
    {
      rule: 'S4.11',
      says: "a name in several containers is all of its numbers of the policy's protocol",
      given: `[{kind: Pod, metadata: {namespace: x, name: a}, spec: {containers: [
          {ports: [{name: m, containerPort: 1}, {name: m, containerPort: 9, protocol: UDP}]}, {ports: [{name: m, containerPort: 2, protocol: TCP}]}]},
        status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}},
        {x: {ingress: [{ports: [{port: m}]}]}}]`,
      allowed: ['y/c > x/a TCP/1', 'y/c > x/a TCP/2'],
      denied: ['y/c > x/a UDP/9', 'y/c > x/a TCP/9', 'y/c > x/a UDP/1'],
    },
    {
      rule: 'S4.12',
      says: 'a name that nobody declares matches nothing',
      given: '[{x: {ingress: [{ports: [{port: nope}]}, {ports: [{port: dns}]}]}}]',
      denied: ['y/c > x/a TCP/80', 'y/c > x/a TCP/8080', 'y/c > x/a TCP/53', 'y/c > x/a UDP/53', 'y/c > x/a ICMP'],
    },
    {
      rule: 'S4.13',
      says: 'a number needs no declaration',
      given: '[{x: {ingress: [{ports: [{port: 12345}]}]}}]',
      allowed: ['y/c > x/a TCP/12345'],
    },
    {
      rule: 'S4.14',
      says: 'rules without ports match every IP protocol, rules with ports none but their own',
      given:
        '[{x: {ingress: [{from: [{podSelector: {}}]}, {from: [{namespaceSelector: {matchLabels: {env: prod}}}], ports: [{protocol: TCP}, {protocol: UDP}, {protocol: SCTP}]}]}}]',
      allowed: ['x/b > x/a ICMP', 'x/b > x/a ICMP ipv6', 'x/b > x/a 47', 'x/b > x/a 50', 'y/c > x/a TCP/1'],
      denied: ['y/c > x/a ICMP', 'y/c > x/a 47'],
    },
    {
      rule: 'S4.15',
      says: 'a fragment without its header matches only rules without ports',
      given: '[{x: {ingress: [{ports: [{protocol: UDP}]}]}}, {y: {ingress: [{}]}}]',
      allowed: ['x/a > y/c UDP'],
      denied: ['y/c > x/a UDP'],
    },
  ],
  'always allowed': [
    {
      rule: 'S5.1',
      says: 'ingress from the own node passes, from hostNetwork pods there too, by whatever address; from other nodes it is judged',
      given: '[{x: {policyTypes: [Ingress]}}]',
      allowed: [
        'n1 > x/a TCP/80',
        'n1 > x/a ICMP ipv6',
        'x/host > x/a UDP/9',
        '10.0.0.1 > x/a TCP/80',
        'fd00::2 > x/b TCP/80',
      ],
      denied: ['n2 > x/a TCP/80', 'n1 > x/b TCP/80', 'x/host > x/b TCP/80', '10.0.0.2 > x/a TCP/80'],
    },
    {
      rule: 'S3.16, S5.5',
      says: 'a pod reaches itself',
      given: '[{x: {policyTypes: [Ingress, Egress]}}]',
      allowed: ['x/a > x/a TCP/80', 'x/a > 10.1.0.1 UDP/1', 'x/a > x/a ICMP ipv6'],
      denied: ['x/a > x/b TCP/80'],
    },
    {
      rule: 'S5.7',
      says: 'egress to the own node is judged',
      given:
        '[{x: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.1/32}}], ports: [{protocol: UDP, port: 53}]}]}}]',
      allowed: ['x/a > n1 UDP/53', 'x/a > x/host UDP/53'],
      denied: ['x/a > n1 TCP/53', 'x/b > n2 UDP/53', 'x/a > n1 UDP/53 ipv6'],
    },
    {
      rule: 'S5.9',
      says: 'what touches no pod is left alone',
      given: '[{x: {policyTypes: [Ingress, Egress]}}]',
      allowed: ['n1 > n2 TCP/22', 'n1 > 203.0.113.5 TCP/443', '203.0.113.5 > 198.51.100.1 TCP/1', 'x/host > n2 TCP/1'],
    },
  ],
  'two families': [
    {
      rule: 'S8.1–3',
      says: 'isolation is of both families, an ipBlock of one',
      given: '[{x: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}}]',
      allowed: ['x/a > y/c TCP/80 ipv4', 'x/a > 203.0.113.5 TCP/80'],
      denied: ['x/a > y/c TCP/80 ipv6', 'x/a > 2001:db8::5 TCP/80'],
    },
    {
      rule: 'S8.2',
      says: 'selector peers hold for every family',
      given: '[{x: {ingress: [{from: [{namespaceSelector: {matchLabels: {env: prod}}}]}]}}]',
      allowed: ['y/c > x/a TCP/80 ipv4', 'y/c > x/a TCP/80 ipv6', 'fd10::1:3 > fd10::1 TCP/80'],
      denied: ['z/d > x/a TCP/80 ipv6'],
    },
    {
      rule: 'S8.8',
      says: 'prefixes at the ends are exact',
      given:
        '[{x: {ingress: [{from: [{ipBlock: {cidr: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"}}, {ipBlock: {cidr: "8000::/1", except: ["8000::/2"]}}, {ipBlock: {cidr: 128.0.0.0/1, except: [128.0.0.0/2, 255.255.255.255/32]}}]}]}}]',
      allowed: [
        'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff > x/a TCP/80',
        'c000:: > x/a TCP/80',
        '192.0.0.0 > x/a TCP/80',
        '255.255.255.254 > x/a TCP/80',
      ],
      denied: [
        'bfff:ffff:ffff:ffff:ffff:ffff:ffff:ffff > x/a TCP/80',
        '7fff:: > x/a TCP/80',
        '191.255.255.255 > x/a TCP/80',
        '255.255.255.255 > x/a TCP/80',
        '127.255.255.255 > x/a TCP/80',
      ],
    },
  ],
};

for (const [title, rows] of Object.entries(tables)) {
  describe(`the evaluator: ${title}`, () => {
    for (const { rule, says, given, allowed = [], denied = [] } of rows) {
      it(`${rule}: ${says}`, () => {
        const cluster = world(given);
        const observed = [...allowed, ...denied].map((flow) => `${flow}: ${decide(cluster, flow).verdict}`);
        deepEqual(observed, [...allowed.map((flow) => `${flow}: allowed`), ...denied.map((flow) => `${flow}: denied`)]);
      });
    }
  });
}
