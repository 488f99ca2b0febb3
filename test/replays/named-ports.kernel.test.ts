import { after, before, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { pod, service } from '../lab/objects.ts';
import { families, onEachCni } from '../kernel/cluster.ts';
import { policy } from '../kernel/policies.ts';

/** The pods listen on these; what their containers call them is what this is about. */
const served = ['TCP/5000', 'TCP/8080', 'UDP/5000', 'UDP/6000'];

/** `twice` has the name for TCP and for UDP in two containers, `other` for another number, `init` in a container that has ended. */
const servers: readonly ApiObject[] = [
  declaring('twice', { main: ['web', 'TCP', 8080], second: ['web', 'UDP', 6000] }),
  declaring('other', { main: ['web', 'TCP', 5000] }),
  declaring('init', {}, ['web', 'TCP', 8080]),
];

const behind = service('named', 'by-name', {
  selector: { pod: 'twice' },
  ipFamilyPolicy: 'PreferDualStack',
  ports: [{ name: 'x', port: 80, targetPort: 'web', protocol: 'TCP' }],
});

onEachCni(
  'a port by its name, with packets (replay of AWS controller #223, #225, c0b98a0, Cilium #30003)',
  (cluster) => {
    before(async () => cluster().apply(...servers));
    after(async () => {
      const { store } = cluster().lab;
      for (const { metadata } of servers) store.delete('pods', { namespace: 'named', name: metadata.name! });
      await cluster().lab.settle();
    });

    const answers = (to: string, open: readonly string[]) =>
      served.flatMap((port) =>
        ['peers/near', 'peers/far'].map((from) => ({ from, to, port, answer: open.includes(port) ? to : 'timeout' })),
      );

    it('is the number of each pod that is isolated, for the protocol of the rule', async () => {
      await cluster().apply(policy('named', 'web', { ingress: [{ ports: [{ port: 'web' }] }] }));
      await cluster().expect([
        ...answers('named/twice', ['TCP/8080']),
        ...answers('named/other', ['TCP/5000']),
        ...answers('named/init', []),
      ]);
      await cluster().apply(policy('named', 'web', { ingress: [{ ports: [{ port: 'web', protocol: 'UDP' }] }] }));
      await cluster().expect([...answers('named/twice', ['UDP/6000']), ...answers('named/other', [])]);
    });

    it('is the number of each pod that is reached, and the one behind a Service', async () => {
      await cluster().apply(
        behind,
        policy('peers', 'out', { egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 'web' }] }] }),
      );
      const { spec } = cluster().lab.store.get('services', { namespace: 'named', name: 'by-name' }) as unknown as {
        spec: { clusterIPs: string[] };
      };
      await cluster().expect([
        ...answers('named/twice', ['TCP/8080']),
        ...answers('named/other', ['TCP/5000']),
        ...answers('named/init', []),
        ...families.flatMap((_, index) =>
          ['peers/near', 'peers/far'].map((from) => ({
            from,
            to: spec.clusterIPs[index]!,
            port: 'TCP/80',
            answer: 'named/twice',
          })),
        ),
      ]);
    });
  },
);

type Declared = readonly [name: string, protocol: string, port: number];

function declaring(name: string, containers: Readonly<Record<string, Declared>>, init?: Declared): ApiObject {
  const portOf = ([port, protocol, containerPort]: Declared): object => ({ name: port, protocol, containerPort });
  const object = pod('named', name, served, { nodeName: 'n1' });
  const spec = object['spec'] as { containers: object[]; initContainers?: object[] };
  // The first names nothing: what a pod declares twice must not be one port.
  spec.containers = [
    ...Object.entries(containers).map(([own, port]) => ({ name: own, image: own, ports: [portOf(port)] })),
    { name: 'rest', image: 'rest', ports: restOf([...Object.values(containers), ...(init ? [init] : [])]) },
  ];
  if (init) spec.initContainers = [{ name: 'init', image: 'init', ports: [portOf(init)] }];
  return object;
}

/** So that the lab listens on them too; under names of their own. */
function restOf(named: readonly Declared[]): object[] {
  return served
    .map((text) => text.split('/') as [string, string])
    .filter(([protocol, port]) => !named.some((each) => each[1] === protocol && each[2] === Number(port)))
    .map(([protocol, port]) => ({
      name: `p-${protocol.toLowerCase()}-${port}`,
      protocol,
      containerPort: Number(port),
    }));
}
