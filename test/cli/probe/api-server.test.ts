import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, afterEach, before, describe, it } from 'mocha';
import { agentLabels } from '../../../src/cli/connect/find-agents.ts';
import { RealClient } from '../../../src/lab/real/client.ts';
import { skipTest } from '../../support/skip.ts';
import { startKubeApiserver } from '../../watch/kube-apiserver.ts';
import type { KubeApiserver } from '../../watch/kube-apiserver.ts';
import { startFakeKubelet } from './fake-kubelet.ts';
import type { FakeKubelet } from './fake-kubelet.ts';

const assets = process.env['KUBEBUILDER_ASSETS'];
const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

interface EphemeralContainer {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly securityContext: unknown;
}
interface RawPod {
  readonly spec: { readonly ephemeralContainers?: readonly EphemeralContainer[] };
}

/** Everything except a container runtime: the test plays the kubelet, and runs the program of the container. */
describe('postern probe on a real API server', function () {
  this.timeout(120_000);
  let server: KubeApiserver | undefined;
  let kubelet: FakeKubelet;
  let listener: Server;
  let folder: string;
  let admin: RealClient;

  before(async function () {
    if (!assets) return skipTest(this, 'KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd');
    server = await startKubeApiserver(assets);
    kubelet = await startFakeKubelet();
    listener = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    folder = await mkdtemp(join(tmpdir(), 'postern-probe-'));
    await writeFile(join(folder, 'admin'), server.config.exportConfig());
    admin = await RealClient.load(join(folder, 'admin'));
    await createNode();
    for (const name of ['shop', 'strict', 'postern-system']) await create('/api/v1/namespaces', { metadata: { name } });
    await create('/api/v1/namespaces/postern-system/serviceaccounts', { metadata: { name: 'postern' } });
    await createPod('postern-system', 'agent-n1', {
      labels: agentLabels,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'postern', uid: 'u1', controller: true }],
      ofSpec: { hostNetwork: true, serviceAccountName: 'postern' },
      container: { image: 'registry.example/postern:1.2', args: ['agent'] },
      podIP: '192.0.2.1',
    });
    await createPod('shop', 'web', { podIP: '10.244.1.2' });
    await createPod('shop', 'other', { podIP: '10.244.1.3' });
    await createPod('strict', 'web', { podIP: '10.244.1.4' });
    await patch('/api/v1/namespaces/strict', {
      metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    });
  });
  after(async () => {
    if (!server) return;
    listener.close();
    await kubelet.close();
    await server.close();
    await rm(folder, { recursive: true });
  });
  afterEach(() => admin?.request({ method: 'DELETE', path: `${policies}/deny`, body: {} }).catch(() => {}));

  const policies = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies';
  const create = (path: string, body: object): Promise<unknown> => admin.request({ method: 'POST', path, body });
  const patch = (path: string, body: object): Promise<unknown> =>
    admin.request({ method: 'PATCH', path, body, mediaType: 'application/strategic-merge-patch+json' });
  const createNode = async (): Promise<void> => {
    await create('/api/v1/nodes', { metadata: { name: 'n1' } });
    const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }];
    const daemonEndpoints = { kubeletEndpoint: { Port: kubelet.port } };
    await patch('/api/v1/nodes/n1/status', { status: { addresses, daemonEndpoints } });
  };
  const createPod = async (
    namespace: string,
    name: string,
    {
      podIP,
      container = {},
      ofSpec = {},
      ...metadata
    }: { podIP: string; container?: object; ofSpec?: object } & Record<string, unknown>,
  ): Promise<void> => {
    const spec = { nodeName: 'n1', containers: [{ name: 'main', image: 'main', ...container }], ...ofSpec };
    await create(`/api/v1/namespaces/${namespace}/pods`, { metadata: { name, ...metadata }, spec });
    const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }] };
    await patch(`/api/v1/namespaces/${namespace}/pods/${name}/status`, { status });
  };
  const isolate = (): Promise<unknown> =>
    create(policies, { metadata: { name: 'deny' }, spec: { podSelector: {}, policyTypes: ['Egress'] } });
  const containersOf = async (pod: string): Promise<readonly EphemeralContainer[]> => {
    const raw = await admin.request({ method: 'GET', path: `/api/v1/namespaces/${pod.replace('/', '/pods/')}` });
    return (raw as RawPod).spec.ephemeralContainers ?? [];
  };

  /** A kubeconfig of a service account with these rights in the namespace, and with the rights to read the objects that policies select. */
  const userWith = async (name: string, namespace: string, rules: readonly object[]): Promise<string> => {
    await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
    const bind = async (kind: 'Role' | 'ClusterRole', role: string, own: readonly object[], path: string) => {
      const api = `/apis/rbac.authorization.k8s.io/v1${path}`;
      await create(`${api}/${kind.toLowerCase()}s`, { metadata: { name: role }, rules: own });
      await create(`${api}/${kind.toLowerCase()}bindings`, {
        metadata: { name: role },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: role },
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
      });
    };
    const lists = [
      { apiGroups: [''], resources: ['pods', 'namespaces', 'nodes', 'services'], verbs: ['list'] },
      { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list'] },
    ];
    await bind('ClusterRole', name, lists, '');
    await bind('Role', name, rules, `/namespaces/${namespace}`);
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const { status } = (await create(path, { spec: {} })) as { status: { token: string } };
    const config = JSON.parse(server!.config.exportConfig()) as { users: [{ user: object }] };
    config.users[0].user = { token: status.token };
    await writeFile(join(folder, name), JSON.stringify(config));
    return join(folder, name);
  };
  const rule = (resource: string, ...verbs: string[]) => ({ apiGroups: [''], resources: [resource], verbs });
  const all = [rule('pods', 'get'), rule('pods/ephemeralcontainers', 'patch'), rule('pods/log', 'get')];

  const probe = (kubeconfig: string, ...args: string[]) =>
    execa(process.execPath, [main, 'probe', '--kubeconfig', kubeconfig, ...args], { reject: false });
  /** Runs the next container of the pod, and writes its end into the status. */
  const runNextContainer = async (pod: string): Promise<EphemeralContainer> => {
    const known = new Set((await containersOf(pod)).map(({ name }) => name));
    for (;;) {
      const container = (await containersOf(pod)).find(({ name }) => !known.has(name));
      if (container) {
        const { stdout, exitCode } = await execa(process.execPath, [main, ...container.args], { reject: false });
        kubelet.logs.set(`${pod}/${container.name}`, `${stdout}\n`);
        await writeState(pod, container.name, { terminated: { exitCode } });
        return container;
      }
      await delay(50);
    }
  };
  const writeState = (pod: string, name: string, state: object): Promise<unknown> => {
    const status = { name, state, image: 'i', imageID: 'i', ready: false, restartCount: 0 };
    const path = `/api/v1/namespaces/${pod.replace('/', '/pods/')}/status`;
    return patch(path, { status: { ephemeralContainerStatuses: [status] } });
  };
  const port = (): string => String((listener.address() as AddressInfo).port);

  it('runs the image of the agents in the pod, unprivileged, and prints the result', async () => {
    const user = await userWith('prober', 'shop', all);
    const running = probe(user, 'shop/web', '127.0.0.1', port(), '-o', 'json');
    const container = await runNextContainer('shop/web');
    const { stdout, stderr, exitCode } = await running;
    assert.equal(exitCode, 0, stderr);
    assert.match(
      stderr,
      new RegExp(`^note: added the ephemeral container ${container.name} \\(image registry.*stays`, 'm'),
    );
    const { from, to, attempts } = JSON.parse(stdout) as { from: string; to: string; attempts: object[] };
    assert.deepEqual([from, to, attempts.length], ['shop/web', '127.0.0.1', 1]);
    assert.partialDeepStrictEqual(attempts[0], {
      family: 'ipv4',
      expected: 'allowed',
      observed: 'connected',
      agreement: 'agrees',
    });
    assert.equal(container.image, 'registry.example/postern:1.2');
    assert.deepEqual(container.securityContext, {
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
  });

  it('warns and exits with 1 if a denied connection succeeds, and can probe a pod twice', async () => {
    await isolate();
    // To Linux this is loopback too; to policies it is anybody.
    const running = probe(join(folder, 'admin'), 'shop/web', '0.0.0.0', port(), '--image', 'own:1');
    assert.equal((await runNextContainer('shop/web')).image, 'own:1');
    const { stdout, exitCode } = await running;
    assert.equal(exitCode, 1);
    assert.match(stdout, /explain: denied +seen: connected, .* DIFFERENT\n/);
    assert.match(stdout, /^!!! 0\.0\.0\.0: NOT WHAT THE POLICIES SAY: THE POLICIES DENY THIS, BUT IT CONNECTED/m);
    assert.match(stdout, /egress of shop\/web: .* shop\/deny/);
    assert.match(stdout, /next: .*node n1 .* postern doctor --node n1\n/);
  });

  const lacking: readonly (readonly [name: string, rules: readonly object[], missing: RegExp])[] = [
    ['patch', [all[0]!, all[2]!], /you may not patch pods\/ephemeralcontainers in namespace shop; nothing was written/],
    ['log', [all[0]!, all[1]!], /you may not get pods\/log in namespace shop; nothing was written/],
    ['both', [all[0]!], /you may not patch pods\/ephemeralcontainers or get pods\/log in namespace shop; /],
  ];
  for (const [name, rules, missing] of lacking) {
    it(`names the missing rights of a user, with a Role for them, and writes nothing: ${name}`, async () => {
      const { exitCode, stderr, stdout } = await probe(
        await userWith(name, 'shop', rules),
        'shop/other',
        '127.0.0.1',
        '1',
      );
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.match(stderr, missing);
      assert.deepEqual(await containersOf('shop/other'), []);
      // The printed commands grant exactly these rights.
      const roles = [...stderr.matchAll(/^ {2}kubectl (-n shop create role .*)$/gm)].map((match) => match[1]!);
      for (const role of roles) {
        const kubectl = join(assets!, 'kubectl');
        const dry = ['--kubeconfig', join(folder, 'admin'), '--dry-run=server'];
        assert.match((await execa(kubectl, [...role.split(' '), ...dry])).stdout, /created/);
      }
      assert.equal(roles.length, name === 'both' ? 2 : 1);
    });
  }

  it('reports that Pod Security refuses the pod, and why', async () => {
    const { exitCode, stderr } = await probe(join(folder, 'admin'), 'strict/web', '127.0.0.1', '1');
    assert.equal(exitCode, 2);
    assert.match(stderr, /^postern: Pod Security of namespace strict refuses the container: .*violates PodSecurity/);
    assert.match(
      stderr,
      /pod strict\/web does not, and is older than the label of the namespace\. Nothing was written/,
    );
    // The message must not blame the container of the probe, which meets the level.
    assert.doesNotMatch(stderr, /container[^,;]*"postern-probe/);
  });

  it('fails if the node cannot pull the image, and says so', async () => {
    const running = probe(join(folder, 'admin'), 'shop/other', '127.0.0.1', '1', '--image', 'nowhere/none:1');
    let [container] = await containersOf('shop/other');
    while (!container) [container] = await containersOf('shop/other');
    await writeState('shop/other', container.name, { waiting: { reason: 'ErrImagePull', message: 'not found' } });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      /cannot run image nowhere\/none:1: ErrImagePull not found\. The kubelet retries until the pod is deleted; set --image to an image that the node can pull$/,
    );
  });

  it('stops after its timeout if no kubelet starts the container', async () => {
    const { exitCode, stderr } = await probe(join(folder, 'admin'), 'shop/other', '127.0.0.1', '1', '--timeout', '1');
    assert.equal(exitCode, 2);
    assert.match(stderr, /has not exited in time \(the kubelet has not started it\): raise --timeout/);
  });

  describe('postern test', () => {
    const expectations = async (expect: 'allowed' | 'denied'): Promise<string> => {
      const file = join(folder, 'tests.json');
      const head = { apiVersion: 'postern.dev/v1alpha1', kind: 'PolicyTest', metadata: { name: 'shop' } };
      // To Linux this is loopback too; to policies it is anybody.
      const test = { from: 'shop/other', to: '0.0.0.0', port: Number(port()), expect };
      await writeFile(file, JSON.stringify({ ...head, tests: [test] }));
      return file;
    };
    const run = (kubeconfig: string, ...args: string[]) =>
      execa(process.execPath, [main, 'test', '--kubeconfig', kubeconfig, ...args], { reject: false });

    it('checks an expectation by a probe: it holds, and its opposite fails', async () => {
      for (const [expect, code, line] of [
        [
          'allowed',
          0,
          /^ok +shop\/other → 0\.0\.0\.0, \d+: allowed \(1 connection\)\n1 passed, 0 failed; 1 connection, by policies and probes of a cluster$/,
        ],
        ['denied', 1, /^FAILED .*\n.*\n.*expected denied, but the policies say allowed; packets: connected\n/],
      ] as const) {
        const running = run(join(folder, 'admin'), '--probe', await expectations(expect));
        await runNextContainer('shop/other');
        const { exitCode, stdout, stderr } = await running;
        assert.equal(exitCode, code, stderr);
        assert.match(stdout, line);
        assert.match(stderr, /^note: added the ephemeral container postern-probe-[0-9a-f]+ .*stays in the pod's spec/);
      }
    });

    it('fails if the probe connects and the policies deny it', async () => {
      await isolate();
      const running = run(join(folder, 'admin'), '--probe', await expectations('denied'));
      await runNextContainer('shop/other');
      const { exitCode, stdout } = await running;
      assert.equal(exitCode, 1);
      assert.match(stdout, /denied by the policies; packets: connected\n {4}THE POLICIES DENY THIS, BUT IT CONNECTED/);
    });

    it('needs no right to write without --probe, and names missing rights with it', async () => {
      const user = await userWith('reader', 'shop', []);
      const before = await containersOf('shop/other');
      assert.equal((await run(user, await expectations('allowed'))).exitCode, 0);
      const { exitCode, stdout } = await run(user, '--probe', await expectations('allowed'));
      assert.equal(exitCode, 2);
      assert.match(
        stdout,
        /^ERROR .*\n.*\n {2}you may not get pods or patch pods\/ephemeralcontainers or get pods\/log in namespace shop; nothing was written/,
      );
      assert.deepEqual(await containersOf('shop/other'), before);
    });
  });

  it('refuses wrong arguments before it writes', async () => {
    for (const [args, message] of [
      [['node/n1', 'shop/web', '80'], /FROM: node n1 is not a pod/],
      [
        ['shop/web', 'shop/svc:none', '80'],
        /Service shop\/none does not exist; known: default\/kubernetes|shop\/none does not exist; there are none/,
      ],
      [['shop/web', 'shop/nobody', '80'], /pod shop\/nobody does not exist/],
      [['shop/web', '127.0.0.1', 'SCTP/7'], /a probe supports TCP and UDP only, not SCTP/],
      [['shop/other', '127.0.0.1', '1', '--timeout', '0'], /--timeout: "0" is not a number of seconds, 1 or more/],
    ] as const) {
      const { exitCode, stderr } = await probe(join(folder, 'admin'), ...args);
      assert.equal(exitCode, 2);
      assert.match(stderr, message);
    }
  });
});
