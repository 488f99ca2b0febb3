import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { before, describe, it } from 'mocha';
import { connectCommand } from '../../src/cli/commands/connect.ts';
import { uninstallCommand } from '../../src/cli/commands/uninstall.ts';
import { uninstallPatch } from '../../src/cli/uninstall/daemon-set.ts';
import { readAgentConfig } from '../../src/config/agent-config.ts';
import { agentFlags } from '../../src/config/flags.ts';
import { readVersion } from '../../src/config/version.ts';
import { defaultNamespaceBudget } from '../../src/model/budget.ts';
import { optionalResources, watchedResources } from '../../src/watch/resources.ts';
import { requireHelm } from '../support/helm.ts';
import { skipTest } from '../support/skip.ts';
import { hooksOf, parseManifests, readChartFile, render, type Manifest } from './chart.ts';
import { agentContainer, findDaemonSet, volumesOf } from './daemon-set.ts';

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

describe('the chart agrees', function () {
  this.timeout(150_000);
  let manifests: Manifest[];
  let kubectl: string;
  let helm: string;
  before(async function () {
    ({ helm, kubectl } = await requireHelm(this));
    manifests = await render(helm);
  });
  const find = (kind: string, name: string): Manifest =>
    manifests.find((each) => each.kind === kind && each.metadata.name === name)!;

  it('with the version of the code', () => {
    const { version, appVersion } = readChartFile('Chart.yaml') as { version: string; appVersion: string };
    assert.deepEqual({ version, appVersion }, { version: readVersion(), appVersion: readVersion() });
  });

  it('with the flags of the agent', () => {
    const { args, env } = agentContainer(manifests);
    const flags = Object.values(agentFlags);
    const value = (name: string): string | undefined => env.find((each) => each.name === name)?.value;
    assert.deepEqual(args, ['agent']);
    assert.deepEqual(
      env.map(({ name }) => name).filter((name) => !flags.some((flag) => flag.env === name)),
      [],
    );
    assert.deepEqual(
      [value(agentFlags.listen.env), value(agentFlags.logLevel.env)],
      [agentFlags.listen.fallback, agentFlags.logLevel.fallback],
    );
  });

  it('with the flags of the agent, in what they turn off and where they look', async () => {
    const envOf = async (...sets: string[]): Promise<Record<string, string>> => {
      const { env } = agentContainer(await render(helm, ...sets.flatMap((set) => ['--set', set])));
      return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
    };
    const read = async (...sets: string[]) => readAgentConfig({ nodeName: 'n1' }, await envOf(...sets));
    const usual = await read();
    assert.deepEqual(
      [usual.startGate, usual.guard, usual.podCidrs, usual.cniCacheDir, usual.stateDir],
      [true, true, undefined, '/var/lib/cni/results', '/var/lib/postern'],
    );
    const other = await read('startGate.enabled=false', 'guard.enabled=false');
    assert.deepEqual([other.startGate, other.guard], [false, false]);
    assert.deepEqual([usual.allowPodTunnels, usual.allowPodRouters], [false, false]);
    assert.deepEqual([usual.fastPath, (await read('fastPath.enabled=false')).fastPath], [true, false]);
    assert.deepEqual([usual.netlink, (await read('netlink.enabled=false')).netlink], [true, false]);
    const open = await read('guard.allowTunnels=true', 'guard.allowRouters=true');
    assert.deepEqual([open.allowPodTunnels, open.allowPodRouters], [true, true]);
    assert.deepEqual(
      [usual.logDenials, usual.denialEvents, usual.flows, usual.metricsPolicyLimit],
      [true, true, true, 100],
    );
    assert.equal(usual.namespaceBudget, defaultNamespaceBudget);
    // Helm holds numbers as floats, and would write this one as 6e+06.
    assert.equal((await read('budgets.namespace=6000000')).namespaceBudget, 6_000_000);
    const quiet = await read(
      'denials.log=false',
      'denials.events=false',
      'flows.enabled=false',
      'metrics.policyLimit=10000',
    );
    assert.deepEqual(
      [quiet.logDenials, quiet.denialEvents, quiet.flows, quiet.metricsPolicyLimit],
      [false, false, false, 10_000],
    );
    const { env } = agentContainer(manifests);
    assert.ok(env.some(({ name }) => name === agentFlags.statusNamespace.env));
    const silent = await render(helm, '--set', 'status.enabled=false');
    assert.ok(!agentContainer(silent).env.some(({ name }) => name === agentFlags.statusNamespace.env));
    assert.deepEqual(
      silent.filter((each) => /^Role(Binding)?$/.test(each.kind) && hooksOf(each) === undefined),
      [],
    );
    assert.ok(!JSON.stringify(silent).includes('clusternetworkpolicies/status'));
    const nowhere = await read('cniCacheDir=', 'stateDir=');
    assert.deepEqual([nowhere.cniCacheDir, nowhere.stateDir], [undefined, undefined]);
  });

  it('with itself: what the agent is told to read is mounted there, and nothing else of the node', async () => {
    const mounts = async (...sets: string[]) => {
      const all = await render(helm, ...sets.flatMap((set) => ['--set', set]));
      const volumes = new Map(volumesOf(all).map(({ name, hostPath }) => [name, hostPath]));
      const mounted = agentContainer(all).volumeMounts ?? [];
      assert.deepEqual(mounted.map(({ name }) => name).sort(), [...volumes.keys()].sort());
      return mounted.map(({ name, mountPath, readOnly = false }) => {
        assert.deepEqual(volumes.get(name), { path: mountPath, type: 'DirectoryOrCreate' });
        return `${mountPath} ${readOnly ? 'ro' : 'rw'}`;
      });
    };
    assert.deepEqual(await mounts(), ['/var/lib/cni ro', '/var/lib/postern rw']);
    assert.deepEqual(await mounts('stateDir='), ['/var/lib/cni ro']);
    for (const none of ['cniCacheDir=', 'cniCacheDir=none'])
      assert.deepEqual(await mounts(none), ['/var/lib/postern rw']);
    assert.deepEqual(await mounts('cniCacheDir=none', 'stateDir='), []);
    const [socket, conf, bin] = ['/run/postern rw', '/etc/cni/net.d rw', '/opt/cni/bin rw'];
    assert.deepEqual(await mounts('cni.enabled=true', 'stateDir='), ['/var/lib/cni ro', socket, conf, bin]);
  });

  it('with the flags of the agent, about the CNI plugin', async () => {
    const read = async (...sets: string[]) => {
      const { env } = agentContainer(await render(helm, ...sets.flatMap((set) => ['--set', set])));
      const variables = env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
      return readAgentConfig({ nodeName: 'n1' }, Object.fromEntries(variables) as Record<string, string>).cni;
    };
    assert.equal(await read(), undefined);
    assert.deepEqual(
      await read('cni.enabled=true', 'cni.failurePolicy=Fail', 'cni.timeoutSeconds=7', 'cni.binDir=/b'),
      {
        socket: '/run/postern/cni.sock',
        confDir: '/etc/cni/net.d',
        binDir: '/b',
        program: agentFlags.cniProgram.fallback,
        failurePolicy: 'Fail',
        timeoutSeconds: 7,
      },
    );
    await assert.rejects(read('cni.enabled=true', 'cniCacheDir=none'), /needs cniCacheDir/);
  });

  it('with what is safe: agents get no right to the Leases of a namespace of Kubernetes', async () => {
    const inSystem = ['--namespace', 'kube-system'];
    await assert.rejects(render(helm, ...inSystem), /install the chart into a namespace of its own/);
    await render(helm, ...inSystem, '--set', 'status.enabled=false');
  });

  it('with what the agent watches: it may read that, write events and statuses, and nothing else', () => {
    const group = (path: string): string => (path.startsWith('/api/') ? '' : path.split('/')[2]!);
    const names = [
      ...watchedResources.map(({ path }) => `${path.split('/').at(-1)}.${group(path)}`),
      ...optionalResources.map((each) => `${each.resource}.${each.group}`),
    ];
    const wanted = names.flatMap((name) => ['get', 'list', 'watch'].map((verb) => `${verb} ${name}`));
    const rules = find('ClusterRole', 'postern')['rules'] as Rule[];
    const granted = rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((name) => resources.flatMap((each) => verbs.map((verb) => `${verb} ${each}.${name}`))),
    );
    const status = 'patch clusternetworkpolicies/status.policy.networking.k8s.io';
    assert.deepEqual(granted.sort(), [...wanted, 'create events.', 'patch events.', status].sort());
    assert.deepEqual(find('Role', 'postern')['rules'], [
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'list', 'create', 'patch'] },
    ]);
  });

  it('with `postern uninstall`, which finds the agent in the DaemonSet that the hook names', () => {
    const daemonSet = findDaemonSet(manifests);
    const { template } = (uninstallPatch(daemonSet) as { spec: { template: unknown } }).spec;
    assert.deepEqual(template, { spec: { containers: [{ name: 'agent', args: ['agent', '--uninstall'] }] } });

    const job = find('Job', 'postern-uninstall')['spec'] as {
      template: { spec: { containers: [{ args: string[] }] } };
    };
    const [command, ...flags] = job.template.spec.containers[0].args;
    assert.equal(command, uninstallCommand().name());
    const { daemonset, timeout } = uninstallCommand()
      .exitOverride()
      .action(() => {})
      .parse(flags, { from: 'user' })
      .opts();
    const { name, namespace } = daemonSet.metadata;
    assert.deepEqual({ daemonset, timeout }, { daemonset: `${namespace}/${name}`, timeout: '240' });
  });

  it('with `postern connect`, which the pods of `helm test` run', () => {
    const pods = manifests.filter(({ kind }) => kind === 'Pod');
    const asked = pods.map((pod) => {
      const [{ args }] = (pod['spec'] as { containers: [{ args: string[] }] }).containers;
      const command = connectCommand()
        .exitOverride()
        .action(() => {});
      assert.equal(args[0], command.name());
      return [pod.metadata.name, command.parse(args.slice(1), { from: 'user' }).opts()['until']];
    });
    assert.deepEqual(Object.fromEntries(asked), { 'postern-test-allowed': 'allowed', 'postern-test-denied': 'denied' });
    // The policy isolates one of them, and neither of them is an agent.
    const selected = (policy: Manifest | undefined): string[] => {
      const { matchLabels } = (policy!['spec'] as { podSelector: { matchLabels: Record<string, string> } }).podSelector;
      return pods
        .filter(({ metadata: { labels } }) =>
          Object.entries(matchLabels).every(([key, value]) => labels![key] === value),
        )
        .map(({ metadata }) => metadata.name);
    };
    assert.deepEqual(selected(manifests.find(({ kind }) => kind === 'NetworkPolicy')), ['postern-test-denied']);
    const { matchLabels } = (findDaemonSet(manifests)['spec'] as { selector: { matchLabels: Record<string, string> } })
      .selector;
    assert.deepEqual(selected({ ...pods[0]!, spec: { podSelector: { matchLabels } } }), []);
  });

  it('with deploy/, but for the labels of Helm and the Namespace', async function () {
    const { stdout, failed } = await execa(kubectl, ['kustomize', deploy], { reject: false });
    if (failed && stdout === undefined) return skipTest(this, 'no kubectl to render deploy/');
    const [plain, rendered] = [parseManifests(stdout), manifests.filter((each) => hooksOf(each) === undefined)];
    const namespaces = plain.filter(({ kind }) => kind === 'Namespace');
    assert.deepEqual(
      namespaces.map(({ metadata }) => [metadata.name, metadata.labels!['pod-security.kubernetes.io/enforce']]),
      [['postern-system', 'privileged']],
    );
    const byName = (list: readonly unknown[]): Record<string, unknown> =>
      Object.fromEntries((list as Manifest[]).map((each) => [`${each.kind} ${each.metadata.name}`, each]));
    assert.deepEqual(
      byName(plain.filter((each) => !namespaces.includes(each))),
      byName(rendered.map(withoutHelmLabels)),
    );
  });

  it('with the alerts, which its PrometheusRule holds as they are', async () => {
    const all = await render(helm, '--set', 'metrics.prometheusRule.enabled=true');
    const rule = all.find(({ kind }) => kind === 'PrometheusRule')!;
    assert.deepEqual(rule['spec'], readChartFile('alerts.yaml'));
    assert.deepEqual(
      manifests.filter(({ kind }) => kind === 'PrometheusRule'),
      [],
    );
  });

  it('with the steps in deploy/README.md', () => {
    const text = readFileSync(`${deploy}/README.md`, 'utf8');
    const { name, namespace } = findDaemonSet(manifests).metadata;
    assert.ok(text.includes(`postern uninstall --daemonset ${namespace}/${name}`));
    const patch = /--patch '(\{.*\})'/.exec(text)![1]!;
    assert.deepEqual(JSON.parse(patch), uninstallPatch(findDaemonSet(manifests)));
  });
});

function withoutHelmLabels(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelmLabels);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'app.kubernetes.io/managed-by' && key !== 'helm.sh/chart')
      .map(([key, each]) => [key, withoutHelmLabels(each)]),
  );
}
