import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { runCommand } from '../../src/lab/command.ts';
import { Lab } from '../../src/lab/lab.ts';
import { listNamespaces } from '../../src/lab/network-namespace.ts';
import { LabState } from '../../src/lab/state.ts';
import { host, pod, service } from './objects.ts';
import { until } from './until.ts';

const ports = ['TCP/80', 'UDP/80', 'SCTP/80'];
const cast = [
  pod('x', 'a', ports, { nodeName: 'n1' }),
  pod('x', 'b', ports, { nodeName: 'n1' }),
  pod('y', 'c', ports, { nodeName: 'n2' }),
  pod('y', 'on-node', ['TCP/9100'], { nodeName: 'n2', hostNetwork: true }),
  host('db', ['10.0.0.1', 'fd00:10::1'], [{ port: 5432 }]),
];

describe('lab: a cluster without agents (kernel)', function () {
  this.timeout(180_000);
  let stateRoot: string;
  before(async () => {
    stateRoot = await mkdtemp(join(tmpdir(), 'postern-lab-'));
  });
  after(async () => {
    await rm(stateRoot, { recursive: true });
  });
  const name = (suffix: string): string => `t${process.pid}${suffix}`;

  for (const cni of ['bridge', 'ptp'] as const) {
    describe(cni, () => {
      let lab: Lab;
      before(async () => {
        lab = await Lab.up({ name: name(cni), stateRoot, cni, agents: false, objects: cast });
        await lab.settle();
      });
      after(() => lab.down());

      it('all pods and hosts reach each other with their own addresses, in both families, and know who answered', async () => {
        const { results } = await lab.probe();
        // Sources x (ports of the four that have 1 or 3) x families.
        assert.equal(results.length, 5 * (3 + 3 + 3 + 1 + 1) * 2);
        assert.deepEqual(
          results.filter(({ observed }) => observed !== 'allowed'),
          [],
        );
        assert.deepEqual(
          results.filter(({ expected }) => expected !== 'allowed'),
          [],
        );
      });

      it('reports how the result differs from the policies', async () => {
        const spec = { podSelector: { matchLabels: { pod: 'c' } }, policyTypes: ['Ingress'] };
        const metadata = { namespace: 'y', name: 'deny' };
        lab.apply([{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec }]);
        const { results, denials } = await lab.probe({ from: ['x/a', 'y/c'], to: ['y/c'], ports: ['TCP/80'] });
        lab.store.delete('networkpolicies', metadata);
        const differing = results.filter(({ observed, expected }) => observed !== expected);
        assert.deepEqual(
          differing.map(({ from, family, observed, expected }) => [from, family, observed, expected]),
          [
            ['x/a', 'ipv4', 'allowed', 'denied'],
            ['x/a', 'ipv6', 'allowed', 'denied'],
          ],
        );
        assert.deepEqual(new Set(denials.map(({ direction }) => direction)), new Set(['ingress']));
      });

      it('a Service leads to its endpoints, and a pod to itself (hairpin)', async () => {
        const spec = { ipFamilyPolicy: 'PreferDualStack', selector: { pod: 'a' } };
        const declared = [
          { name: 'one', port: 8000, targetPort: 'tcp-80', protocol: 'TCP' },
          { name: 'two', port: 8001, targetPort: 80, protocol: 'UDP' },
          { name: 'three', port: 8002, targetPort: 80, protocol: 'SCTP' },
        ];
        lab.apply([service('x', 'only-a', { ...spec, ports: declared })]);
        await lab.settle();
        const { clusterIPs } = lab.store.get('services', { namespace: 'x', name: 'only-a' })['spec'] as {
          clusterIPs: string[];
        };
        assert.equal(clusterIPs.length, 2);
        const targets = clusterIPs.flatMap((address) => [
          { protocol: 'TCP', address, port: 8000 } as const,
          { protocol: 'UDP', address, port: 8001 } as const,
          { protocol: 'SCTP', address, port: 8002 } as const,
        ]);
        for (const from of ['x/a', 'x/b', 'y/c', 'node/n1', 'node/n2', 'y/on-node']) {
          const answers = await lab.station(from).process.probe(targets, { tries: 6, deadlineMs: 6000 });
          assert.deepEqual(
            answers.map((answer) => answer.identity ?? answer.error),
            targets.map(() => 'x/a'),
            from,
          );
        }
        lab.store.delete('services', { namespace: 'x', name: 'only-a' });
        await lab.settle();
        const [gone] = await lab.station('y/c').process.probe(targets.slice(0, 1), { tries: 1, deadlineMs: 200 });
        assert.equal(gone!.identity, undefined);
      });

      it('a deleted pod releases its address and its network', async () => {
        lab.apply([pod('x', 'short', ports, { nodeName: 'n1' })]);
        await lab.settle();
        const namespace = lab.names.pod('x', 'short');
        const [address] = lab.station('x/short').addresses;
        const node = lab.state.nodeDirectory('n1');
        assert.ok((await listNamespaces(namespace)).includes(namespace));
        assert.ok((await readdir(`${node}/ipam/postern-lab`)).includes(address!));

        lab.store.delete('pods', { namespace: 'x', name: 'short' });
        assert.ok(lab.store.get('pods', { namespace: 'x', name: 'short' }).metadata.deletionTimestamp);
        await lab.settle();
        assert.equal(lab.store.find('pods', { namespace: 'x', name: 'short' }), undefined);
        assert.deepEqual(await listNamespaces(namespace), []);
        assert.ok(!(await readdir(`${node}/ipam/postern-lab`)).includes(address!));
      });

      it('a new pod with the same name is another pod', async () => {
        const uids = [];
        for (let round = 0; round < 2; round++) {
          lab.apply([pod('x', 'again', ports)]);
          await lab.settle();
          uids.push(lab.store.get('pods', { namespace: 'x', name: 'again' }).metadata.uid);
          assert.ok(lab.station('x/again'));
          // Forced: the object is gone before the pod is.
          lab.store.delete('pods', { namespace: 'x', name: 'again' }, { gracePeriodSeconds: 0 });
        }
        await lab.settle();
        assert.notEqual(uids[0], uids[1]);
        assert.deepEqual(await listNamespaces(lab.names.pod('x', 'again')), []);
      });

      it('a pod that has ended keeps its status and loses its network', async () => {
        lab.apply([pod('x', 'job', ports)]);
        await lab.settle();
        const done = structuredClone(lab.store.get('pods', { namespace: 'x', name: 'job' }));
        (done['status'] as { phase: string }).phase = 'Succeeded';
        lab.store.updateStatus('pods', done);
        await lab.settle();
        assert.deepEqual(await listNamespaces(lab.names.pod('x', 'job')), []);
        assert.ok((lab.store.get('pods', { namespace: 'x', name: 'job' })['status'] as { podIP: string }).podIP);
        lab.store.delete('pods', { namespace: 'x', name: 'job' });
      });

      it('a deleted namespace takes its pods with it', async () => {
        lab.apply([pod('doomed', 'one', ports), pod('doomed', 'two', ports)]);
        await lab.settle();
        lab.store.delete('namespaces', { name: 'doomed' });
        await lab.settle();
        assert.equal(lab.store.find('namespaces', { name: 'doomed' }), undefined);
        assert.deepEqual(await listNamespaces(`${lab.names.prefix}pod-doomed.`), []);
      });

      it('a pod that cannot start reports the reason, is retried, and leaves nothing', async () => {
        lab.apply([pod('y', 'clash', ['TCP/9100'], { nodeName: 'n2', hostNetwork: true })]);
        await assert.rejects(lab.settle(200), { code: 'timeout', message: /y\/clash.*EADDRINUSE/ });
        lab.store.delete('pods', { namespace: 'y', name: 'on-node' });
        await lab.settle();
        assert.ok(lab.station('y/clash'));
      });

      it('runs programs in the network of a pod, a host and a node', async () => {
        assert.match(await lab.exec('x/a', 'ip', '-br', 'address'), /10\.244\.1\./);
        assert.match(await lab.exec('host/db', 'ip', '-br', 'address'), /10\.0\.0\.1/);
        assert.match(await lab.exec('node/n1', 'ip', '-br', 'address'), /172\.30\.0\.2/);
        await assert.rejects(lab.exec('x/nobody', 'true'), { code: 'input' });
      });
    });
  }

  it('uses only one family if asked for', async () => {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const objects = cast.slice(0, 3);
      const lab = await Lab.up({ name: name(family), stateRoot, family, agents: false, objects });
      try {
        const { results } = await lab.probe();
        assert.equal(results.length, 3 * 9);
        assert.deepEqual(
          new Set(results.map((result) => `${result.family} ${result.observed}`)),
          new Set([`${family} allowed`]),
        );
      } finally {
        await lab.down();
      }
    }
  });

  it('leaves the machine as it was', async () => {
    const machine = async (): Promise<string> => {
      const sysctls = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding', 'ipv6/conf/default/accept_dad'];
      const values = await Promise.all(sysctls.map((key) => readFile(`/proc/sys/net/${key}`, 'utf8')));
      const commands = [
        ['ip', '-br', 'link'],
        ['ip', 'route'],
        ['nft', '-t', 'list', 'ruleset'],
      ] as const;
      const listings = await Promise.all(commands.map(([file, ...args]) => runCommand(file, args)));
      return [...values, ...listings].join('\n');
    };
    const before = await machine();
    const lab = await Lab.up({ name: name('m'), stateRoot, agents: false, objects: cast });
    await lab.settle();
    assert.equal(await machine(), before);
    await lab.down();
    assert.equal(await machine(), before);
    assert.deepEqual(await listNamespaces(lab.names.prefix), []);
    assert.deepEqual(await readdir(stateRoot), []);
  });

  it('refuses a name that is taken', async () => {
    const lab = await Lab.up({ name: name('u'), stateRoot, agents: false });
    try {
      await assert.rejects(Lab.up({ name: name('u'), stateRoot, agents: false }), {
        code: 'state',
        message: /is running/,
      });
      assert.ok((await listNamespaces(lab.names.prefix)).includes(lab.names.fabric));
    } finally {
      await lab.down();
    }
  });

  describe('after a crash', () => {
    /** A lab in a process of its own, killed once it is up. */
    const crash = async (labName: string): Promise<LabState> => {
      const script = `
        import { Lab } from ${JSON.stringify(new URL('../../src/lab/lab.ts', import.meta.url))};
        const lab = await Lab.up(${JSON.stringify({ name: labName, stateRoot, agents: false, objects: cast })});
        await lab.settle();
        console.log('up');`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      return new LabState(labName, stateRoot);
    };

    it('pods end by themselves, and `down` removes the rest', async () => {
      const state = await crash(name('c1'));
      const left = await listNamespaces(state.names.prefix);
      assert.ok(left.includes(state.names.node('n1')) && left.includes(state.names.pod('x', 'a')), left.join());
      const pods = left.filter((each) => each.includes('-pod-'));
      await until(async () => {
        const running = await Promise.all(pods.map((each) => runCommand('ip', ['netns', 'pids', each])));
        return running.join('') === '';
      });
      assert.equal(await state.remove(), true);
      assert.deepEqual(await listNamespaces(state.names.prefix), []);
      assert.deepEqual(await readdir(stateRoot), []);
      assert.equal(await state.remove(), false);
    });

    it('kills what still runs in its namespaces', async () => {
      const state = await crash(name('c2'));
      const sleeper = spawn('ip', ['netns', 'exec', state.names.node('n1'), 'sleep', '1000'], { stdio: 'ignore' });
      await until(async () =>
        (await runCommand('ip', ['netns', 'pids', state.names.node('n1')])).includes(String(sleeper.pid)),
      );
      const ended = once(sleeper, 'exit');
      await state.remove();
      assert.deepEqual(await ended, [null, 'SIGKILL']);
    });

    it('the next lab of that name removes the remains', async () => {
      const state = await crash(name('c3'));
      const lab = await Lab.up({ name: name('c3'), stateRoot, agents: false });
      assert.ok(!(await listNamespaces(state.names.prefix)).includes(state.names.pod('x', 'a')));
      await lab.down();
    });
  });
});
