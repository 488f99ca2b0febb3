import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { namespace, policy } from '../support/objects.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';
import { assertVerdicts } from './compare.ts';

type Port = readonly [name: string, protocol: 'TCP' | 'UDP' | undefined, number: number];

/** Where a port is declared; only the first two are of a container that serves (S4.10). */
const places = ['containers', 'sidecars', 'initContainers', 'ephemeralContainers'] as const;

/** What the pod declares under the name `web`, or under another. */
const declarations: Readonly<Record<string, readonly Port[]>> = {
  'one number': [['web', 'TCP', 80]],
  'no protocol, which is TCP': [['web', undefined, 80]],
  'the name for TCP and for UDP': [
    ['web', 'TCP', 80],
    ['web', 'UDP', 81],
  ],
  'UDP alone': [['web', 'UDP', 80]],
  'two numbers for one protocol': [
    ['web', 'TCP', 80],
    ['web', 'TCP', 82],
  ],
  'another name for the number': [['api', 'TCP', 80]],
  nothing: [],
};

const probed = [80, 81, 82, 9999];

/** By the rules of S4.6 to S4.12, and by nothing of this repository. */
function opens(ports: readonly Port[], protocol: string, number: number): boolean {
  return ports.some(([name, of = 'TCP', its]) => name === 'web' && of === protocol && its === number);
}

describe('a port by its name (replay of AWS controller #223, #225, c0b98a0, Cilium #30003)', () => {
  let count = 0;

  for (const [what, first] of Object.entries(declarations)) {
    it(`of a pod that declares ${what}, beside each other pod, in each place, in both directions`, () => {
      for (const place of places) {
        for (const second of Object.values(declarations)) {
          for (const policyProtocol of ['TCP', 'UDP', undefined] as const) {
            check(place, first, second, policyProtocol);
          }
        }
      }
    });
  }

  it('was asked about often enough to say so', () => assert.ok(count > 10_000, `${count} questions`));

  /** Two servers with a declaration each; both are isolated for ingress, and a client is for egress. */
  function check(
    place: (typeof places)[number],
    first: readonly Port[],
    second: readonly Port[],
    policyProtocol: 'TCP' | 'UDP' | undefined,
  ): void {
    const ports = [{ port: 'web', ...(policyProtocol !== undefined && { protocol: policyProtocol }) }];
    const objects: ApiObject[] = [
      namespace('x'),
      namespace('y'),
      declaring('x/first', 'n1', ['10.1.0.1', 'fd01::1'], first, place),
      declaring('x/second', 'n1', ['10.1.0.2', 'fd01::2'], second, 'containers'),
      declaring('y/client', 'n1', ['10.1.0.3', 'fd01::3'], [], 'containers'),
      // It declares the name too, with another number, and is no server of the rule.
      declaring('y/source', 'n2', ['10.2.0.1', 'fd02::1'], [['web', 'TCP', 9999]], 'containers'),
      policy('x/by-name', { podSelector: {}, ingress: [{ ports }] }),
      policy('y/by-name', {
        podSelector: { matchLabels: { name: 'client' } },
        policyTypes: ['Egress'],
        egress: [{ to: [{ namespaceSelector: {} }], ports }],
      }),
    ];
    const rulesets = { n1: compileNode('n1', objects), n2: compileNode('n2', objects) };
    const serving = place === 'containers' || place === 'sidecars' ? first : [];
    const questions = probed.flatMap((port) =>
      (['TCP', 'UDP'] as const).flatMap((protocol) => {
        const isNamed = protocol === (policyProtocol ?? 'TCP');
        const answer = (of: readonly Port[]): 'allowed' | 'denied' =>
          isNamed && opens(of, protocol, port) ? 'allowed' : 'denied';
        return [
          // Ingress, from a pod without policies; egress and ingress; egress alone.
          { from: '10.2.0.1', to: '10.1.0.1', protocol, port, answer: answer(serving) },
          { from: 'fd02::1', to: 'fd01::1', protocol, port, answer: answer(serving) },
          { from: '10.2.0.1', to: '10.1.0.2', protocol, port, answer: answer(second) },
          { from: 'fd01::3', to: 'fd01::1', protocol, port, answer: answer(serving) },
          { from: '10.1.0.3', to: '10.1.0.2', protocol, port, answer: answer(second) },
          { from: '10.1.0.3', to: '10.2.0.1', protocol, port, answer: answer([['web', 'TCP', 9999]]) },
          { from: '10.1.0.3', to: '203.0.113.5', protocol, port, answer: 'denied' as const },
        ];
      }),
    );
    assertVerdicts(objects, rulesets, questions);
    count += questions.length;
  }
});

function declaring(
  name: string,
  node: string,
  ips: readonly string[],
  ports: readonly Port[],
  place: (typeof places)[number],
): ApiObject {
  const [space, own] = name.split('/') as [string, string];
  // One container for each, so that a name may stand twice.
  const containers = ports.map(([port, protocol, containerPort], index) => ({
    name: `c${index}`,
    ports: [{ name: port, containerPort, ...(protocol !== undefined && { protocol }) }],
  }));
  const of = (where: typeof place): object[] => (place === where ? containers : []);
  return {
    kind: 'Pod',
    metadata: { namespace: space, name: own, uid: name, labels: { name: own } },
    spec: {
      nodeName: node,
      containers: [{ name: 'main' }, ...of('containers')],
      initContainers: [
        ...of('initContainers'),
        ...of('sidecars').map((each) => ({ ...each, restartPolicy: 'Always' })),
      ],
      ephemeralContainers: of('ephemeralContainers'),
    },
    status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
  };
}
