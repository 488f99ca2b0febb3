import { deepEqual, doesNotMatch, match, rejects } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { uiCommand } from '../../../src/cli/commands/ui.ts';
import { RealClient } from '../../../src/lab/real/client.ts';
import type { PageData } from '../../../src/map/page-data.ts';
import { runCommandLine } from '../../support/command-line.ts';
import { skipTest } from '../../support/skip.ts';
import { startKubeApiserver, type KubeApiserver } from '../../watch/kube-apiserver.ts';

const assets = process.env['KUBEBUILDER_ASSETS'];
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const readers = [
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list'] },
  { apiGroups: [''], resources: ['namespaces'], verbs: ['get'] },
];

/** RBAC decides what the page has. */
describe('postern ui on a real API server', function () {
  this.timeout(120_000);
  let server: KubeApiserver | undefined;
  let folder: string;
  let admin: RealClient;

  const create = (path: string, body: object): Promise<unknown> => admin.request({ method: 'POST', path, body });
  const createPod = (namespace: string, name: string): Promise<unknown> =>
    create(`/api/v1/namespaces/${namespace}/pods`, {
      metadata: { name, labels: { app: name } },
      spec: { containers: [{ name: 'main', image: 'main', env: [{ name: 'PASSWORD', value: 'hunter2' }] }] },
    });
  const createPolicy = (namespace: string): Promise<unknown> =>
    create(`/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`, {
      metadata: { name: `all-of-${namespace}`, annotations: { note: 'hunter2', 'postern.dev/mode': 'audit' } },
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    });

  /** A kubeconfig of a service account with these rights, in one namespace or in all. */
  async function userWith(name: string, rules: readonly object[], namespace?: string): Promise<string> {
    const [kind, within] = namespace === undefined ? ['ClusterRole', ''] : ['Role', `/namespaces/${namespace}`];
    await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name } });
    await create(`${rbac}${within}/${kind.toLowerCase()}s`, { metadata: { name }, rules });
    await create(`${rbac}${within}/${kind.toLowerCase()}bindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
    });
    const path = `/api/v1/namespaces/default/serviceaccounts/${name}/token`;
    const { status } = (await create(path, { spec: {} })) as { status: { token: string } };
    const config = JSON.parse(server!.config.exportConfig()) as { users: [{ user: object }] };
    config.users[0].user = { token: status.token };
    await writeFile(join(folder, name), JSON.stringify(config));
    return join(folder, name);
  }

  async function exported(kubeconfig: string, ...args: readonly string[]): Promise<{ text: string; data: PageData }> {
    const file = join(folder, 'page.html');
    const tools = {
      buildPage: () => Promise.reject(new Error('not needed')),
      exportPage: async (data: PageData) => JSON.stringify(data),
      opener: undefined,
      onEnd: () => () => {},
    };
    const words = ['--kubeconfig', kubeconfig, '--export', file, ...args];
    await runCommandLine((streams) => uiCommand(streams, tools), words);
    const text = await readFile(file, 'utf8');
    return { text, data: JSON.parse(text) as PageData };
  }
  const namesOf = ({ objects }: PageData): string[] =>
    objects.map(({ kind, metadata }) => `${kind as string} ${(metadata as { name: string }).name}`);

  before(async function () {
    if (!assets) return skipTest(this, 'KUBEBUILDER_ASSETS names no folder with kube-apiserver and etcd');
    server = await startKubeApiserver(assets);
    folder = await mkdtemp(join(tmpdir(), 'postern-ui-test-'));
    await writeFile(join(folder, 'admin'), server.config.exportConfig());
    admin = await RealClient.load(join(folder, 'admin'));
    for (const name of ['shop', 'bank']) await create('/api/v1/namespaces', { metadata: { name } });
    for (const [namespace, name] of [
      ['shop', 'web'],
      ['bank', 'vault'],
    ] as const) {
      await createPod(namespace, name);
      await createPolicy(namespace);
    }
  });
  after(async () => {
    if (!server) return;
    await server.close();
    await rm(folder, { recursive: true });
  });

  it('shows a user of one namespace that namespace, and no word of another', async () => {
    const user = await userWith('of-shop', readers, 'shop');
    await rejects(
      exported(user),
      /cannot list Namespaces: namespaces is forbidden: .*; name the namespaces .* with -n/,
    );
    const { data, text } = await exported(user, '-n', 'shop');
    deepEqual(namesOf(data), ['Namespace shop', 'Pod web', 'NetworkPolicy all-of-shop']);
    doesNotMatch(text, /bank|vault|hunter2|PASSWORD|"image"/);
    match(text, /"postern\.dev\/mode":"audit"/);
    deepEqual([data.shows, data.histories, data.findings], ['part', [], []]);
    await rejects(exported(user, '-n', 'bank'), /cannot list Pods of namespace bank: pods is forbidden/);
    await rejects(exported(user, '-n', 'shop', '-n', 'bank'), /cannot list Pods of namespace bank/);
  });

  it('shows all namespaces to who may list them, and says that nodes and agents are missing', async () => {
    const rules = [...readers.slice(0, 2), { apiGroups: [''], resources: ['namespaces'], verbs: ['list'] }];
    const { data } = await exported(await userWith('viewer', rules));
    const names = namesOf(data);
    for (const name of ['Pod web', 'Pod vault', 'Namespace kube-system'])
      match(names.join('\n'), new RegExp(`^${name}$`, 'm'));
    deepEqual(data.shows, 'part');
    match(data.notes.join('\n'), /^nodes are missing, and with them their addresses: nodes is forbidden/m);
    match(data.notes.join('\n'), /^flows: missing: no Postern agent runs in this cluster/m);
  });

  it('shows the administrator all', async () => {
    const { data, text } = await exported(join(folder, 'admin'));
    deepEqual(data.shows, undefined);
    doesNotMatch(text, /hunter2/);
  });
});
