import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import type { AuditPage } from '../../src/agent/audits/audit-tally.ts';
import { CniNetwork } from '../../src/lab/cni.ts';
import { readNetwork } from '../../src/lab/config-list.ts';
import { serveControl } from '../../src/lab/control.ts';
import type { Flow } from '../../src/lab/flow.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { pluginDirectory } from '../../src/lab/preflight.ts';
import type { NodePolicies } from '../../src/model/node-policies.ts';
import { modeAnnotation } from '../../src/model/policy.ts';
import { pod } from '../lab/objects.ts';
import { exampleNetwork } from '../support/example-network.ts';
import { nameLab } from '../support/lab-name.ts';
import { readMetric, readPage } from './agent-pages.ts';
import { Cluster, families, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { block, policy, port } from './policies.ts';

/** Changes of policies under traffic; `POD_NETWORK_CHANGES=1000 npx mocha test/kernel/pod-networks.test.ts` prints its counts. */
const changes = Number(process.env['POD_NETWORK_CHANGES'] ?? 40);

const deny = policy('x', 'deny', { ingress: [], egress: [] });
const fromNear = policy('x', 'near', {
  ingress: [
    { from: [{ podSelector: { matchLabels: { pod: 'near' } }, namespaceSelector: {} }], ports: [port('TCP/80')] },
  ],
});
const isolated = [
  { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
  { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
  { from: 'x/p', to: 'peers/far', port: 'TCP/80', answer: 'timeout' },
  // The kernel tells the socket that its packet was dropped (K47).
  { from: 'x/p', to: 'peers/far', port: 'UDP/53', answer: 'EPERM' },
];
const open = [
  { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
  { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
  { from: 'x/p', to: 'peers/far', port: 'UDP/53', answer: 'peers/far' },
];

describe('policies inside of pods (macvlan, kernel)', function () {
  this.timeout(120_000 + 500 * changes);
  const name = nameLab('podnet');
  let cluster: Cluster;
  before(async function () {
    const cni = await readNetwork(exampleNetwork('macvlan'));
    await needMachine(this, cni);
    cluster = await Cluster.up({ name, cni });
  });
  after(() => cluster?.lab.down());

  const inPod = (key: string, ...command: [string, ...string[]]): Promise<string> => cluster.lab.exec(key, ...command);
  /** In one order: nft lists what was written first. */
  const rulesIn = async (key: string): Promise<string> => {
    const lines = (await inPod(key, 'nft', '-s', 'list', 'ruleset')).split('\n');
    return lines
      .filter((line) => !line.includes('expires'))
      .toSorted()
      .join('\n');
  };
  /** Why policies are not enforced for the pod, as `postern wait` reads it. */
  const unenforced = async (key: string): Promise<string[]> => {
    const { pods } = JSON.parse((await readPage(cluster.lab, 'n1', '/policies')).body) as NodePolicies;
    const { issues = [] } = pods.find(({ pod: each }) => each === key)!;
    return issues.filter(({ code }) => code === 'not-enforceable').map(({ message }) => message);
  };
  const drifts = async (): Promise<number> => (await readMetric(cluster.lab, 'n1', 'postern_pod_network_drift_total'))!;
  const agent = () => cluster.lab.agents.get('n1')!;

  it('hold, and only with --pod-networks', async () => {
    await cluster.expect(open);
    await cluster.apply(deny);
    await cluster.expect(isolated);
    await cluster.apply(fromNear);
    await cluster.expect([
      { from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'x/p' },
      { from: 'peers/near', to: 'x/p', port: 'TCP/8080', answer: 'timeout' },
      { from: 'peers/far', to: 'x/p', port: 'TCP/80', answer: 'timeout' },
    ]);
    await cluster.reset();
    await cluster.expect(open);

    // The rules of the agent before stay in the namespaces, so a new pod shows what this agent does.
    await agent().restart({ env: { POSTERN_POD_NETWORKS: 'false' } });
    cluster.lab.apply([pod('x', 'late', ['TCP/80'], { nodeName: 'n1' })]);
    await cluster.apply(deny);
    await cluster.expect([{ from: 'peers/far', to: 'x/late', port: 'TCP/80', answer: 'x/late' }]);
    await agent().restart();
    await cluster.lab.settle();
    await cluster.expect([{ from: 'peers/far', to: 'x/late', port: 'TCP/80', answer: 'timeout' }, ...isolated]);
    cluster.lab.store.delete('pods', { namespace: 'x', name: 'late' });
    await cluster.reset();
  });

  it('are compared with what they should be, in turn', async () => {
    const ago = async (): Promise<number | undefined> => {
      const { body } = await readPage(cluster.lab, 'n1', '/applied');
      return (JSON.parse(body) as { comparedSecondsAgo: { pods?: number } }).comparedSecondsAgo.pods;
    };
    let last = (await ago())!;
    assert.equal(typeof last, 'number');
    // It grows until the pod that waits for the longest has its turn.
    await eventually(async () => {
      const now = (await ago())!;
      const isCompared = now < last;
      last = now;
      return isCompared ? undefined : `nothing is compared for ${now} s`;
    });
  });

  it('are not proven for a pod whose rules the kernel refuses, from the first answer on', async () => {
    assert.deepEqual(await unenforced('x/p'), []);
    const { namespace } = cluster.lab.station('x/p').process;
    const owner = execa(...enterNamespace(namespace, 'nft', ['-i']), { stdin: 'pipe', reject: false });
    try {
      // Only its owner can change such a table, and it ends with its owner.
      owner.stdin.write('delete table ip postern; add table ip postern { flags owner; }\n');
      await eventually(async () => {
        const tables = await inPod('x/p', 'nft', '-s', 'list', 'ruleset');
        return tables.includes('owner') ? undefined : tables;
      });
      await cluster.apply(deny);
      assert.match((await unenforced('x/p')).join(), /the agent cannot write the rules in the pod's network namespace/);
    } finally {
      owner.stdin.end();
      await owner;
    }
    await eventually(async () => ((await unenforced('x/p')).length === 0 ? undefined : 'still not enforced'));
    await cluster.expect(isolated);
    await cluster.reset();
  });

  it('let a pod reach itself, and stop it from sending from other addresses', async () => {
    await cluster.apply(deny);
    await cluster.expect([{ from: 'x/p', to: 'x/p', port: 'TCP/80', answer: 'x/p' }]);
    await cluster.reset();
    for (const family of families) {
      const [address, forged] = [
        cluster.address('x/p', family),
        family === 'ipv4' ? '10.244.1.77' : 'fd00:10:244:1::77',
      ];
      const table = family === 'ipv4' ? 'ip' : 'ip6';
      const dropped = async (): Promise<number> => {
        const listing = await inPod('x/p', 'nft', 'list', 'chain', table, 'postern', 'anti-spoof');
        return Number(/packets ([0-9]+) bytes [0-9]+ drop/.exec(listing)?.[1]);
      };
      const before = await dropped();
      await inPod('x/p', 'ip', 'address', 'add', forged, 'dev', 'eth0', 'nodad');
      const script = `import socket, sys
s = socket.socket(socket.${family === 'ipv4' ? 'AF_INET' : 'AF_INET6'}, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 0)); s.sendto(b'x', (sys.argv[2], 53))`;
      const send = (from: string) => inPod('x/p', 'python3', '-c', script, from, cluster.address('peers/far', family));
      await send(address);
      await assert.rejects(send(forged), /Operation not permitted/);
      assert.ok((await dropped()) > before, family);
      await inPod('x/p', 'ip', 'address', 'delete', `${forged}/${family === 'ipv4' ? 32 : 128}`, 'dev', 'eth0');
    }
  });

  for (const command of [
    'nft delete table ip postern',
    'nft flush ruleset',
    'nft flush chain ip6 postern input',
    'nft insert rule ip postern input accept',
    'nft add element ip postern own-node-ips4 { 10.244.2.2 }',
  ]) {
    it(`are restored and counted after "${command}" in the pod`, async () => {
      await cluster.apply(deny);
      const held = await rulesIn('x/p');
      const before = await drifts();
      await inPod('x/p', 'sh', '-c', command);
      await eventually(async () => ((await drifts()) > before ? undefined : 'the agent has not noticed'));
      await eventually(async () => ((await rulesIn('x/p')) === held ? undefined : 'the rules are others'));
      await cluster.expect(isolated);
      assert.match(await agent().log(), /"pod":"x\/p".*a program in the pod changed Postern's tables/);
      await cluster.reset();
    });
  }

  it('are not touched where a pod has tables of its own', async () => {
    const before = await drifts();
    await inPod('x/p', 'nft', 'add table ip own; add chain ip own c; add rule ip own c accept');
    const generation = async (): Promise<string> => inPod('x/p', 'nft', '-a', 'list', 'table', 'ip', 'postern');
    const held = await generation();
    await cluster.apply(deny);
    await cluster.expect(isolated);
    await cluster.reset();
    assert.equal(await drifts(), before);
    assert.match(await inPod('x/p', 'nft', 'list', 'tables'), /table ip own/);
    assert.notEqual(held, '');
    await inPod('x/p', 'nft', 'delete table ip own');
  });

  it('announce to the owner of a pod that a program there changed the rules', async () => {
    const held = await rulesIn('x/p');
    const before = await drifts();
    await inPod('x/p', 'nft', 'delete table ip6 postern');
    // A connection that is opened without the table is not tracked, and reset when the table is back (S5.18).
    await eventually(async () => ((await drifts()) > before ? undefined : 'the agent has not noticed'));
    await eventually(async () => ((await rulesIn('x/p')) === held ? undefined : 'the rules are others'));
    await eventually(async () => {
      const events = cluster.lab.store.list('events').items as unknown as { reason: string; involvedObject: unknown }[];
      const found = events.find(({ reason }) => reason === 'RulesChangedInPod');
      if (!found) return 'no Event';
      assert.partialDeepStrictEqual(found.involvedObject, { kind: 'Pod', namespace: 'x', name: 'p' });
      return undefined;
    }, 40);
  });

  it('cut a live TCP connection in both directions, and let it go on when it is allowed again (S5.12)', async () => {
    const ends = [
      ['peers/far', 'x/p'],
      ['x/p', 'peers/far'],
    ] as const;
    const opened = ends.flatMap(([from, to]) =>
      families.map((family) => cluster.lab.openFlow(from, to, { protocol: 'TCP', port: 5000, family, rate: 50 })),
    );
    const live = await Promise.all(opened);
    const received = async (): Promise<number[]> => {
      const states = await Promise.all(live.map((flow) => flow.state()));
      return states.flatMap(({ client, server }) => [client.received, server.received]);
    };
    const progress = async (): Promise<void> => {
      const before = await received();
      await eventually(async () => {
        const now = await received();
        return now.every((count, index) => count > before[index]!) ? undefined : `${now.join()} after ${before.join()}`;
        // TCP doubles its time until it sends again. After a long cut on a slow machine, that is longer than 20 s.
      }, 90);
    };
    await progress();
    await cluster.apply(deny);
    await eventually(async () => {
      const states = await Promise.all(live.map((flow) => flow.state()));
      const idle = states.flatMap(({ client, server }) => [client.idleMs ?? 0, server.idleMs ?? 0]);
      return idle.every((each) => each > 1000) ? undefined : `idle for ${idle.join()} ms`;
    });
    const cut = await received();
    await cluster.expect(isolated);
    assert.deepEqual(await received(), cut);
    await cluster.reset();
    await progress();
    for (const flow of live) {
      const { client, server } = await flow.state();
      assert.deepEqual([client.closed, server.closed], [null, null]);
      await flow.close();
    }
  });

  it('report what they deny, with names and policies', async () => {
    await cluster.apply(deny);
    await cluster.expect([{ from: 'peers/far', to: 'x/p', port: 'TCP/8080', answer: 'timeout' }]);
    await eventually(async () => {
      const denied = (await agent().log()).split('\n').filter((line) => line.includes('"msg":"denied"'));
      const wanted = denied.some((line) => ['peers/far', 'x/p', 'x/deny', '8080'].every((word) => line.includes(word)));
      return wanted ? undefined : `${denied.length} other denials`;
    }, 40);
    const env = {
      POSTERN_POD_NETWORKS: 'true',
      POSTERN_CNI_CACHE_DIR: `${cluster.lab.state.cniDirectory('n1')}/results`,
    };
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const command = ['src/main.ts', 'node', 'denials', '-o', 'json', '--node-name', 'n1'];
    const printed = await cluster.lab.exec('node/n1', 'env', ...variables, process.execPath, ...command);
    const { denials } = JSON.parse(printed) as { denials: { destination: string; port: number }[] };
    const address = cluster.address('x/p', 'ipv4');
    assert.ok(denials.some(({ destination, port: number }) => destination === address && number === 8080));
    await cluster.reset();
  });

  it('are what "postern probe" finds', async () => {
    await cluster.apply(fromNear);
    const control = await serveControl(cluster.lab, cluster.lab.state.controlSocket);
    try {
      for (const [from, found] of [
        ['peers/near', 'allowed connected agrees'],
        ['peers/far', 'denied no answer agrees'],
      ] as const) {
        const args = ['probe', '--lab', '--name', name, '-o', 'json', from, 'x/p', '80'];
        const { stdout, stderr } = await execa(process.execPath, ['src/main.ts', ...args], { reject: false });
        assert.notEqual(stdout, '', stderr);
        const { attempts } = JSON.parse(stdout) as { attempts: Record<string, string>[] };
        const words = attempts.map((each) => [each['expected'], each['observed'], each['agreement']].join(' '));
        assert.deepEqual(words, [found, found], from);
      }
    } finally {
      control.close();
      await once(control, 'close');
    }
    await cluster.reset();
  });

  it('in audit deny nothing, and list what they would deny (S13.2)', async () => {
    const { metadata } = fromNear;
    await cluster.apply({ ...fromNear, metadata: { ...metadata, annotations: { [modeAnnotation]: 'audit' } } });
    const asked = ['peers/near', 'peers/far'].map((from) => ({ from, to: 'x/p', port: 'TCP/80', answer: 'x/p' }));
    await cluster.expect(asked);
    await eventually(async () => {
      const { rows } = JSON.parse((await readPage(cluster.lab, 'n1', '/audits')).body) as AuditPage;
      const listed = rows.map(({ from, to, protocol, port: number }) => `${from} → ${to} ${protocol}/${number}`);
      return [...new Set(listed)].join() === 'peers/far → x/p tcp/80' ? undefined : JSON.stringify(listed);
    }, 60);
    await cluster.apply(fromNear);
    await cluster.expect(asked.map((each) => (each.from === 'peers/far' ? { ...each, answer: 'timeout' } : each)));
    await cluster.reset();
  });

  it(`pass all of what is allowed, and nothing else, in ${changes} changes`, async () => {
    const allow = (number: number) =>
      policy('x', 'changing', {
        ingress: [
          { from: [{ namespaceSelector: { matchLabels: { team: 'peers' } } }], ports: [port('UDP/5000')] },
          ...(number % 2 === 0 ? [{ ports: [port('TCP/8080')] }] : []),
          { from: [{ ipBlock: { cidr: `198.51.${number % 250}.0/24` } }], ports: [port('TCP/80')] },
        ],
      });
    await cluster.apply(deny, allow(0));
    const options = { rate: 200, echo: false } as const;
    const flow = (from: string, number: number, family: (typeof families)[number]): Promise<Flow> =>
      cluster.lab.openFlow(from, 'x/p', { protocol: 'UDP', port: number, family, ...options });
    const allowed = await Promise.all(families.map((family) => flow('peers/far', 5000, family)));
    const forbidden = await Promise.all(families.map((family) => flow('others/stranger', 6000, family)));
    for (let number = 1; number <= changes; number++) await cluster.apply(allow(number));
    const counts: string[] = [];
    for (const each of allowed) {
      await each.pause();
      await eventually(async () => {
        const { client, server } = await each.state();
        return server.received >= client.sent ? undefined : `${server.received} of ${client.sent} came`;
      });
      const { client, server } = await each.close();
      assert.ok(client.sent > 100);
      assert.equal(server.distinct, client.sent);
      counts.push(`allowed: ${server.distinct} of ${client.sent} came`);
    }
    for (const each of forbidden) {
      const { client, server } = await each.close();
      assert.ok(client.sent > 100);
      assert.equal(server.received, 0);
      counts.push(`forbidden: ${server.received} of ${client.sent} came`);
    }
    if (process.env['POD_NETWORK_CHANGES']) process.stdout.write(`${counts.join('\n')}\n`);
    await cluster.reset();
  });

  it('stay while the agent is away, and when another takes over', async () => {
    await cluster.apply(deny);
    const forbidden = await Promise.all(
      families.map((family) =>
        cluster.lab.openFlow('peers/far', 'x/p', { protocol: 'UDP', port: 5000, family, rate: 500 }),
      ),
    );
    await agent().stop('SIGKILL');
    await cluster.expect(isolated);
    await agent().start();
    await cluster.lab.settle();
    await agent().restart();
    await cluster.lab.settle();
    for (const flow of forbidden) {
      const { client, server } = await flow.close();
      assert.ok(client.sent > 100);
      assert.equal(server.received, 0);
    }
    await cluster.reset();
    await cluster.expect(open);
  });

  it('leave nothing when a pod is deleted: the agent holds no namespace of it', async () => {
    const held = async (): Promise<number> => {
      const { pid } = agent();
      const links = (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''));
      return (await Promise.all(links)).filter((link) => link.startsWith('/run/netns/') || link.startsWith('net:['))
        .length;
    };
    const sockets = async (): Promise<number> => (await readFile(`/proc/${agent().pid}/net/netlink`, 'utf8')).length;
    await cluster.lab.settle();
    const before = await held();
    assert.ok(before > 0);
    cluster.lab.apply([pod('spare', 'short', ['TCP/80'], { nodeName: 'n1' })]);
    await cluster.lab.settle();
    assert.equal(await held(), before + 1);
    cluster.lab.store.delete('pods', { namespace: 'spare', name: 'short' });
    await eventually(async () => ((await held()) === before ? undefined : `${await held()} of ${before}`));
    assert.ok((await sockets()) > 0);
  });
});

describe('an additional network of a pod (kernel)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let directory: string;
  before(async function () {
    await needMachine(this, await readNetwork(exampleNetwork('macvlan')));
    await needMachine(this, 'bridge');
    cluster = await Cluster.up({ name: nameLab('podmore'), agents: { env: { POSTERN_POD_NETWORKS: 'true' } } });
    directory = await mkdtemp(join(tmpdir(), 'postern-ipam-'));
  });
  after(async () => {
    await cluster?.lab.down();
    if (directory) await rm(directory, { recursive: true });
  });

  /** Adds `net1` to a pod of n1, as Multus does. Resolves with its address. */
  async function attach(key: string): Promise<string> {
    const { lab } = cluster;
    const cacheDirectory = lab.state.cniDirectory('n1');
    const results = join(cacheDirectory, 'results');
    const records = (await readdir(results)).map(async (name) =>
      JSON.parse(await readFile(join(results, name), 'utf8')),
    );
    const record = (
      (await Promise.all(records)) as { containerId: string; netns: string; cniArgs: [string, string][] }[]
    ).find(({ cniArgs }) => {
      const args = new Map(cniArgs);
      return `${args.get('K8S_POD_NAMESPACE')}/${args.get('K8S_POD_NAME')}` === key;
    })!;
    const ipam = { type: 'host-local', dataDir: directory, ranges: [[{ subnet: '198.18.0.0/24' }]] };
    const config = { cniVersion: '1.0.0', name: 'second', plugins: [{ type: 'macvlan', master: 'eth0', ipam }] };
    const enter = (file: string, args: readonly string[]) => enterNamespace(lab.names.node('n1'), file, args);
    const network = new CniNetwork({ config, pluginDirectory, cacheDirectory, enter });
    const { containerId, netns, cniArgs: args } = record;
    const result = await network.add({ containerId, netns, ifName: 'net1', args, capabilityArgs: {} });
    return result.ips![0]!.address.replace(/[/].*/, '');
  }

  it('has the policies of the pod, while the node judges its own interface', async () => {
    const [address] = [await attach('x/p'), await attach('peers/near'), await attach('others/stranger')];
    const ask = (from: string, to: string, answer: string) => cluster.expect([{ from, to, port: 'TCP/80', answer }]);
    await cluster.lab.settle();
    await ask('peers/near', address, 'x/p');
    await cluster.apply(deny);
    await eventually(async () => {
      const tables = await cluster.lab.exec('x/p', 'nft', 'list', 'tables');
      return tables.includes('ip postern') ? undefined : 'no tables in the pod';
    });
    await ask('peers/near', address, 'timeout');
    await ask('peers/near', 'x/p', 'timeout');
    // A selector names the pod's own addresses, and a block those of the network.
    await cluster.apply(policy('x', 'peers', { ingress: [{ from: [{ namespaceSelector: {} }] }] }));
    await ask('peers/near', 'x/p', 'x/p');
    await ask('peers/near', address, 'timeout');
    await cluster.apply(policy('x', 'blocks', { ingress: [{ from: [block('198.18.0.0/24')] }] }));
    await ask('peers/near', address, 'x/p');
    await ask('others/stranger', address, 'x/p');

    // A pod with NET_ADMIN gives it the name of the interface that the node judges.
    await cluster.reset();
    const rename = (from: string, to: string) => cluster.lab.exec('x/p', 'ip', 'link', 'set', from, 'name', to);
    await rename('eth0', 'other');
    await rename('net1', 'eth0');
    await ask('peers/near', address, 'x/p');
    await cluster.apply(deny);
    await ask('peers/near', address, 'timeout');
  });
});
