import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, afterEach, before, describe, it } from 'mocha';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { labCnis } from '../../src/lab/cni-config.ts';
import type { Flow, FlowState } from '../../src/lab/flow.ts';
import { service } from '../lab/objects.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import type { Family } from './cluster.ts';
import { eventually } from './eventually.ts';
import { block, pods, policy, port } from './policies.ts';
import { nameLab } from '../support/lab-name.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The ports of the Service are those of no pod. */
const web = service('x', 'web', {
  ipFamilyPolicy: 'PreferDualStack',
  selector: { pod: 'p' },
  ports: [
    { name: 'stream', port: 8000, targetPort: 5000, protocol: 'TCP' },
    { name: 'datagrams', port: 8000, targetPort: 5000, protocol: 'UDP' },
  ],
});

/** Who talks to whom, directly or to the Service. */
const ways: readonly (readonly [from: string, to: string, over?: 'service'])[] = [
  ['peers/near', 'x/p'],
  ['peers/far', 'x/p'],
  ['peers/third', 'x/p', 'service'],
  ['others/stranger', 'x/p', 'service'],
  ['x/p', 'peers/near'],
  ['x/p', 'peers/far'],
  ['x/p', 'host/outside'],
  ['host/outside', 'x/p'],
  ['node/n1', 'x/p'],
  ['node/n2', 'x/p'],
  ['node/n2', 'peers/near'],
  ['others/stranger', 'peers/far'],
  ['peers/far', 'peers/near'],
];

const policies: Readonly<Record<string, readonly ApiObject[]>> = {
  'of both directions, for some peers and ports': [
    policy('x', 'p', {
      ingress: [{ from: [pods({ pod: 'far' }, { team: 'peers' }), pods({}, {})], ports: [port('UDP/5000')] }],
      egress: [
        { to: [pods({ pod: 'near' }, { team: 'peers' })], ports: [port('TCP/5000')] },
        { to: [block('10.9.0.0/24')] },
      ],
    }),
  ],
  'of one family, and another in another namespace': [
    policy('x', 'p', { ingress: [{ from: [block('0.0.0.0/0')] }] }),
    policy('peers', 'egress', { pods: { pod: 'far' }, egress: [{ to: [pods({ pod: 'p' }, {})] }] }),
  ],
  'that denies all': [policy('x', 'p', { ingress: [], egress: [] })],
};

interface LiveFlow {
  readonly name: string;
  readonly flow: Flow;
}

for (const cni of labCnis) {
  describe(`postern plan, and what then happens (kernel, ${cni})`, function () {
    this.timeout(180_000);
    let cluster: Cluster;
    let folder: string;
    before(async function () {
      await needMachine(this, cni);
      folder = await mkdtemp(join(tmpdir(), 'postern-plan-'));
      cluster = await Cluster.up({ name: nameLab(`plan${cni}`), cni });
    });
    afterEach(() => cluster?.reset());
    after(async () => {
      await cluster?.lab.down();
      if (folder) await rm(folder, { recursive: true });
    });

    for (const [what, applied] of Object.entries(policies)) {
      it(`a policy ${what} cuts the flows that plan lists, and no other`, async () => {
        await cluster.apply(web);
        const flows = await openFlows(cluster);
        await eventually(() => findStuck(flows, new Map(), 5));
        const cut = await askPlan(cluster, folder, applied);
        const [broken, whole] = [true, false].map((isCut) => flows.filter(({ name }) => cut.has(name) === isCut));
        assert.deepEqual(
          broken!.map(({ name }) => name).sort(),
          [...cut].sort(),
          'plan lists a flow that there is not',
        );
        assert.ok(broken!.length > 5 && whole!.length > 5, `${broken!.length} to be cut, ${whole!.length} not`);

        await cluster.apply(...applied);
        const marks = new Map(
          await Promise.all(flows.map(async ({ name, flow }) => [name, await flow.state()] as const)),
        );
        await eventually(() => findStuck(whole!, marks, 20));
        await eventually(() => findLively(broken!));
        for (const { name, flow } of broken!) {
          const [was, is] = [marks.get(name)!, await flow.state()];
          const moved = Math.max(is.client.received - was.client.received, is.server.received - was.server.received);
          // What was on its way may still be read.
          assert.ok(moved < 50, `${name} goes on: ${moved} more`);
        }
        await Promise.all(flows.map(({ flow }) => flow.close()));
      });
    }
  });
}

/** Every way, in both families and protocols, under the name that plan has for it. */
async function openFlows(cluster: Cluster): Promise<LiveFlow[]> {
  const { lab } = cluster;
  const { spec } = lab.store.get('services', { namespace: 'x', name: 'web' }) as unknown as {
    spec: { clusterIPs: string[] };
  };
  const opened = ways.flatMap(([from, to, over]) =>
    families.flatMap((family) =>
      (['TCP', 'UDP'] as const).flatMap((protocol) => {
        const outside = to === 'host/outside';
        const [own, called] = outside ? [protocol === 'TCP' ? 80 : 53, 0] : [5000, 8000];
        const address = over && spec.clusterIPs.find((each) => each.includes(':') === (family === 'ipv6'))!;
        const options = {
          protocol,
          port: over ? called : own,
          family,
          rate: 50,
          echo: true,
          ...(address && { address }),
        };
        const name = `${nameOf(cluster, from, family)} → ${nameOf(cluster, to, family)} ${protocol}/${own} ${family}`;
        return lab.openFlow(from, to, options).then((flow): LiveFlow => ({ name, flow }));
      }),
    ),
  );
  return Promise.all(opened);
}

function nameOf(cluster: Cluster, station: string, family: Family): string {
  if (station.startsWith('node/')) return station.replace('/', ' ');
  return station.startsWith('host/') ? cluster.address(station, family) : station;
}

/** What each node says of its flows, and what plan makes of that. */
async function askPlan({ lab }: Cluster, folder: string, applied: readonly ApiObject[]): Promise<Set<string>> {
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const kinds = { namespaces: 'Namespace', nodes: 'Node', pods: 'Pod', networkpolicies: 'NetworkPolicy' } as const;
  const items = await Promise.all(
    Object.entries(kinds).map(async ([resource, kind]) => {
      const apiVersion = kind === 'NetworkPolicy' ? 'networking.k8s.io/v1' : 'v1';
      return (await lab.list(resource as keyof typeof kinds)).map((object) => ({ ...object, apiVersion, kind }));
    }),
  );
  const args = [
    '--base',
    await write('base.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: items.flat() })),
  ];
  for (const node of ['n1', 'n2']) {
    const told = await lab.exec(
      `node/${node}`,
      process.execPath,
      main,
      'node',
      'flows',
      '-o',
      'json',
      '--node-name',
      node,
    );
    args.push('--flows', await write(`${node}.json`, told));
  }
  args.push('-f', await write('given.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: applied })));
  const { stdout, stderr, exitCode } = await execa(process.execPath, [main, 'plan', '-o', 'json', ...args], {
    reject: false,
  });
  assert.equal(exitCode, 1, stderr);
  const { flows } = JSON.parse(stdout) as {
    flows: {
      cut: {
        source: string;
        destination: string;
        protocol: string;
        destinationPort?: number;
        families: string[];
        open: number;
      }[];
    };
  };
  const live = flows.cut.filter(({ open }) => open > 0);
  return new Set(
    live.flatMap((each) =>
      each.families.map(
        (family) => `${each.source} → ${each.destination} ${each.protocol}/${each.destinationPort} ${family}`,
      ),
    ),
  );
}

/** A flow of which less than `least` packets have come to either end since. */
async function findStuck(
  flows: readonly LiveFlow[],
  since: ReadonlyMap<string, FlowState>,
  least: number,
): Promise<string | undefined> {
  for (const { name, flow } of flows) {
    const [was, { client, server }] = [since.get(name), await flow.state()];
    if (client.closed ?? server.closed) return `${name} has ended: ${client.closed ?? server.closed}`;
    if (client.received < (was?.client.received ?? 0) + least) return `${name}: nothing comes to the client`;
    if (server.received < (was?.server.received ?? 0) + least) return `${name}: nothing comes to the server`;
  }
  return undefined;
}

/** A flow to an end of which something has come just now. */
async function findLively(flows: readonly LiveFlow[]): Promise<string | undefined> {
  for (const { name, flow } of flows) {
    const { client, server } = await flow.state();
    if ([client, server].some(({ idleMs }) => idleMs !== null && idleMs < 500)) return `${name} goes on`;
  }
  return undefined;
}
