import { policyObject } from './cluster.ts';

/** Worst-case policies of an API user of one namespace: up to 1 MB each, 5 MB in total. */
export interface HostileShape {
  readonly name: string;
  readonly policies: () => Iterable<object>;
}

const listOf = <T>(length: number, make: (index: number) => T): T[] =>
  Array.from({ length }, (_, index) => make(index));

function* policiesOf(count: number, spec: (policy: number) => object): Generator<object> {
  for (let policy = 0; policy < count; policy++) yield policyObject('mean', `costly-${policy}`, spec(policy));
}

const address = (index: number): string => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`;
const port = (index: number): number => 1 + (index % 65_535);
const absent = (index: number): object => ({
  podSelector: { matchExpressions: [{ key: `k${index}`, operator: 'DoesNotExist' }] },
});

export const hostileShapes: readonly HostileShape[] = [
  {
    name: '0.0.0.0/0 except one address, each with a port of its own (5 x 8,000 rules)',
    policies: () =>
      policiesOf(5, (policy) => ({
        podSelector: {},
        ingress: listOf(8000, (i) => ({
          from: [{ ipBlock: { cidr: '0.0.0.0/0', except: [address(policy * 8000 + i)] } }],
          ports: [{ port: port(policy * 8000 + i) }],
        })),
      })),
  },
  {
    name: 'the same with ranges of ports that overlap (5 x 8,000 rules)',
    policies: () =>
      policiesOf(5, (policy) => ({
        podSelector: {},
        ingress: listOf(8000, (i) => ({
          from: [{ ipBlock: { cidr: '0.0.0.0/0', except: [address(policy * 8000 + i)] } }],
          ports: [{ port: 1 + i, endPort: 40_000 + i }],
        })),
      })),
  },
  {
    name: '11,000 selectors, each with 20 ports (11 policies)',
    policies: () =>
      policiesOf(11, (policy) => ({
        podSelector: {},
        ingress: listOf(1000, (i) => ({
          from: [absent(policy * 1000 + i)],
          ports: listOf(20, (j) => ({ port: port(7 * (20 * (policy * 1000 + i) + j)) })),
        })),
      })),
  },
  {
    name: '1,002 policies of 200 blocks and 20 ports',
    policies: () =>
      policiesOf(1002, (policy) => ({
        podSelector: {},
        ingress: [
          {
            from: listOf(200, (i) => ({ ipBlock: { cidr: address(2 * (policy * 200 + i)) } })),
            ports: listOf(20, (j) => ({ port: port(policy * 20 + 2 * j) })),
          },
        ],
      })),
  },
  {
    name: 'combinations of labels: 5 policies of 20,000 blocks and 20 ports on 20 pods',
    policies: () =>
      policiesOf(5, (policy) => ({
        podSelector: { matchLabels: { [`b${policy}`]: '1' } },
        ingress: [
          {
            from: listOf(20_000, (i) => ({ ipBlock: { cidr: address(2 * (policy * 20_000 + i)) } })),
            ports: listOf(20, (j) => ({ port: port(100 * policy + 2 * j) })),
          },
        ],
      })),
  },
  {
    name: '50,000 selectors that each match 3,000 pods (5 policies)',
    policies: () =>
      policiesOf(5, (policy) => ({
        podSelector: {},
        ingress: [{ from: listOf(10_000, (i) => absent(policy * 10_000 + i)) }],
      })),
  },
  {
    name: 'names of ports: 5 x 5,000 rules of egress to all that declare them',
    policies: () =>
      policiesOf(5, (policy) => ({
        podSelector: {},
        policyTypes: ['Egress'],
        egress: listOf(5000, (i) => ({
          to: [{ ipBlock: { cidr: address(policy * 5000 + i) } }, { namespaceSelector: {} }],
          ports: [{ port: 'web' }],
        })),
      })),
  },
  {
    name: '20,000 policies that select every pod',
    policies: () =>
      policiesOf(20_000, (policy) => ({ podSelector: {}, ingress: [{ ports: [{ port: port(policy) }] }] })),
  },
];
