import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { hostFields } from '../../src/doctor/probe-hosts.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { clusterNetworkPolicyCrd } from '../lab/api/contract/cluster-network-policy-crd.ts';
import { requireHelm, type ChartTools } from '../support/helm.ts';
import { skipTest } from '../support/skip.ts';
import { startKubeApiserver, type KubeApiserver } from '../watch/kube-apiserver.ts';
import { chart, namespace } from './chart.ts';

const assets = process.env['KUBEBUILDER_ASSETS'];
const root = fileURLToPath(new URL('../..', import.meta.url));
const everything = fileURLToPath(new URL('golden/everything.values.yaml', import.meta.url));

describe('the chart and deploy/ on a real API server', function () {
  this.timeout(240_000);
  let tools: ChartTools;
  let server: KubeApiserver | undefined;
  let folder: string;
  let kubeconfig: string;

  before(async function () {
    if (!assets) return skipTest(this, 'KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd');
    tools = await requireHelm(this);
    server = await startKubeApiserver(assets);
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
    kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, server.config.exportConfig());
  });
  after(async () => {
    await server?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  const run = async (file: string, args: readonly string[], input?: string): Promise<string> => {
    const { stdout } = await execa(file, args, {
      env: { KUBECONFIG: kubeconfig },
      ...(input === undefined ? {} : { input }),
    });
    return stdout;
  };
  const kubectl = (...args: string[]): Promise<string> => run(tools.kubectl, args);
  const helm = (...args: string[]): Promise<string> => run(tools.helm, args);
  const can = async (account: string, ...question: string[]): Promise<string> => {
    const as = `system:serviceaccount:${namespace}:${account}`;
    const where = question.includes('--namespace') ? [] : ['--namespace', namespace];
    const args = ['auth', 'can-i', ...question, '--as', as, ...where];
    return (await execa(tools.kubectl, args, { env: { KUBECONFIG: kubeconfig }, reject: false })).stdout;
  };
  /** A kubeconfig for this service account alone. */
  const signInAs = async (account: string): Promise<string> => {
    const config = structuredClone(JSON.parse(server!.config.exportConfig())) as {
      users: [{ user: object }];
    };
    config.users[0].user = { token: await kubectl('create', 'token', account, '--namespace', namespace) };
    const file = join(folder, account);
    await writeFile(file, JSON.stringify(config));
    return file;
  };

  it('has only fields that the API knows, with the defaults and with everything on', async () => {
    await kubectl('create', 'namespace', 'dry');
    for (const values of [[], ['--values', everything]]) {
      const text = await helm('template', 'postern', chart, '--namespace', 'dry', ...values);
      // The kinds of the Prometheus operator are not served here.
      const served = text.split(/^---\n/m).filter((document) => !document.includes('monitoring.coreos.com/'));
      const args = ['apply', '--dry-run=server', '--validate=strict', '--filename', '-'];
      assert.match(await run(tools.kubectl, args, served.join('---\n')), /daemonset\.apps\/postern created/);
    }
  });

  it('is refused with the line that helps in a namespace that refuses such pods, and not after that line', async () => {
    await kubectl('create', 'namespace', 'strict');
    await kubectl('label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=baseline');
    const install = ['install', 'postern', chart, '--namespace', 'strict', '--dry-run=server'];
    const line = await helm(...install).then(
      () => assert.fail('it was installed'),
      (error: unknown) => /^ {2}(kubectl label namespace strict .*)$/m.exec((error as Error).message)?.[1],
    );
    assert.ok(line);
    await kubectl(...line.split(' ').slice(1));
    assert.match(await helm(...install), /kind: DaemonSet/);
  });

  it('deploy/: is applied and deleted', async () => {
    assert.match(await kubectl('apply', '--validate=strict', '--kustomize', `${root}/deploy`), /daemonset\.apps/);
    await kubectl('delete', '--wait=false', '--kustomize', `${root}/deploy`);
  });

  it('deploy/admission: refuses pods whose probes or hooks name a host, and no others', async () => {
    await kubectl('apply', '--validate=strict', '--filename', `${root}/deploy/admission`);
    const create = (container: object, spec: object = {}): Promise<string> => {
      const containers = [{ name: 'main', image: 'x', ...container }];
      const metadata = { name: 'probing', namespace: 'default' };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers, ...spec } };
      return run(tools.kubectl, ['create', '--dry-run=server', '--filename', '-'], JSON.stringify(pod));
    };
    const probe = { livenessProbe: { httpGet: { port: 80, host: '10.0.0.1' } } };
    // The API server takes a policy into its own cache some moments later.
    await until(() => assert.rejects(create(probe), /must not name a host/));
    for (const [handler, kind, ...rest] of hostFields.map((field) => field.slice(0, -1).toReversed())) {
      const inner = { [handler!]: { port: 80, host: '10.0.0.1' } };
      const container = [kind!, ...rest].reduce<object>((value, key) => ({ [key]: value }), inner);
      await assert.rejects(create(container), /must not name a host/, JSON.stringify(container));
    }
    await create({ livenessProbe: { httpGet: { port: 80 } }, lifecycle: { preStop: { exec: { command: ['x'] } } } });
    await create(probe, { hostNetwork: true });
    await kubectl('delete', '--filename', `${root}/deploy/admission`);
  });

  describe('installed', () => {
    before(async () => {
      // What deploy/ left behind is never gone: there is no controller here that empties a namespace.
      await kubectl('replace', '--raw', `/api/v1/namespaces/${namespace}/finalize`, '-f', await finalized());
      await helm('install', 'postern', chart, '--namespace', namespace, '--create-namespace');
    });
    const finalized = async (): Promise<string> => {
      const file = join(folder, 'namespace.json');
      const object = JSON.parse(await kubectl('get', 'namespace', namespace, '--output', 'json')) as { spec: object };
      await writeFile(file, JSON.stringify({ ...object, spec: {} }));
      return file;
    };

    it('the agents may read what they watch, write events and statuses, and no more', async () => {
      const own = await signInAs('postern');
      for (const { path } of watchedResources) await kubectl('get', '--raw', path, '--kubeconfig', own);
      assert.equal(await can('postern', 'create', 'events'), 'yes');
      await run(tools.kubectl, ['create', '--filename', '-'], JSON.stringify(clusterNetworkPolicyCrd));
      await until(() => kubectl('get', 'cnp', '--kubeconfig', own));
      const status = 'clusternetworkpolicies.policy.networking.k8s.io';
      assert.equal(await can('postern', 'patch', status, '--subresource', 'status'), 'yes');
      for (const verb of ['get', 'list', 'create', 'patch'])
        assert.equal(await can('postern', verb, 'leases.coordination.k8s.io'), 'yes', verb);
      for (const question of [
        'list secrets',
        'get configmaps',
        'patch pods',
        'patch daemonsets.apps',
        'delete events',
        'delete leases.coordination.k8s.io',
        'list leases.coordination.k8s.io --namespace kube-system',
        'get leases.coordination.k8s.io --namespace kube-node-lease',
        `patch ${status}`,
        'patch nodes',
      ]) {
        assert.equal(await can('postern', ...question.split(' ')), 'no', question);
      }
    });

    it('its uninstallation is not begun by what only renders it, and one that failed is taken back', async () => {
      const uninstall = (...flags: string[]): Promise<string> =>
        run(process.execPath, [`${root}/src/main.ts`, 'uninstall', '--daemonset', `${namespace}/postern`, ...flags]);
      await assert.rejects(
        uninstall('--release', 'another'),
        /Helm did not install DaemonSet .* as release another: nothing is removed/,
      );
      const container = ['get', 'daemonset', 'postern', '--namespace', namespace, '--output'];
      const args = (): Promise<string> => kubectl(...container, 'jsonpath={.spec.template.spec.containers[0].args}');
      assert.equal(await args(), '["agent"]');
      await assert.rejects(uninstall('--release', 'postern', '--timeout', '0'), /1 node is not done after 0 s/);
      assert.equal(await args(), '["agent","--uninstall"]');
      // As after a hook that failed.
      await assert.rejects(helm('uninstall', 'postern', '--namespace', namespace, '--timeout', '1s'));
      await helm('rollback', 'postern', '1', '--namespace', namespace, '--force-conflicts');
      assert.equal(await args(), '["agent"]');
      await kubectl('delete', 'job', 'postern-uninstall', '--namespace', namespace);
    });

    it('is uninstalled by a Job that may do just that, and leaves nothing', async () => {
      const uninstalled = helm('uninstall', 'postern', '--namespace', namespace, '--timeout', '60s');
      const hook = ['postern-uninstall', '--namespace', namespace];
      await Promise.race([until(() => kubectl('get', 'job', ...hook)), uninstalled]);
      await until(async () => assert.equal(await can('postern-uninstall', 'patch', 'daemonsets.apps/postern'), 'yes'));
      assert.equal(await can('postern-uninstall', 'patch', 'daemonsets.apps/other'), 'no');
      assert.equal(await can('postern-uninstall', 'list', 'pods'), 'no');

      const command = [`${root}/src/main.ts`, 'uninstall', '--daemonset', `${namespace}/postern`, '--timeout', '60'];
      const rolled = run(process.execPath, [...command, '--kubeconfig', await signInAs('postern-uninstall')]);
      const field = (path: string): Promise<string> =>
        kubectl('get', 'daemonset', 'postern', '--namespace', namespace, '--output', `jsonpath={${path}}`);
      await until(async () => assert.equal(await field('.spec.template.spec.containers[0].args[1]'), '--uninstall'));
      const status = { desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1 };
      const observed = { ...status, observedGeneration: Number(await field('.metadata.generation')) };
      await patchStatus('daemonset', 'postern', observed);
      assert.match(await rolled, /1 of 1 nodes/);

      const now = new Date().toISOString().replace(/\.\d+/, '');
      const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({ type, status: 'True' }));
      const job = { succeeded: 1, startTime: now, completionTime: now, uncountedTerminatedPods: {}, conditions };
      await patchStatus('job', 'postern-uninstall', job);
      await uninstalled;
      const kinds =
        'daemonset,job,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,resourcequota,service,secret';
      const left = await kubectl('get', kinds, '--all-namespaces', '--selector', 'app.kubernetes.io/name=postern');
      assert.equal(left, '');
    });
  });

  const patchStatus = (kind: string, name: string, status: object): Promise<string> =>
    kubectl(
      ...['patch', kind, name, '--namespace', namespace, '--subresource', 'status', '--type', 'merge'],
      ...['--patch', JSON.stringify({ status })],
    );
});

/** Until it does not reject. */
async function until(probe: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      await probe();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await setTimeout(100);
  }
}
