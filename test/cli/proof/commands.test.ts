import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { statusCommand } from '../../../src/cli/commands/status.ts';
import { waitCommand } from '../../../src/cli/commands/wait.ts';
import { printable } from '../../../src/lib/printable.ts';
import { asAgent } from '../../support/agent-pod.ts';
import { runCommandLine } from '../../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../../support/exec-server.ts';
import { clusterPolicy, namespace, node, pod, policy } from '../../support/objects.ts';
import type { ApiObject } from '../../support/pipeline.ts';
import { PoliciesAgent } from '../../support/policies-agent.ts';

const agent = (name: string): ApiObject => {
  const { spec: _, ...rest } = pod(`system/agent-${name}`);
  return asAgent({ ...rest, spec: { nodeName: name } });
};
const versioned = (object: ApiObject, generation = 1): ApiObject => ({
  ...object,
  metadata: { ...object.metadata, generation, resourceVersion: `${generation}` },
});
const web = policy('x/web', { podSelector: {}, ingress: [] });
const objects = [
  ...['x', 'system'].map((name) => namespace(name)),
  node('n1', '192.0.2.1'),
  node('n2', '192.0.2.2'),
  pod('x/a', { node: 'n1', ips: ['10.1.0.1'] }),
  pod('x/b', { node: 'n2', ips: ['10.2.0.1'] }),
  pod('x/host', { node: 'n1', ips: ['192.0.2.1'], hostNetwork: true }),
  versioned(web),
  versioned(clusterPolicy('guard', { egress: [] })),
  agent('n1'),
  agent('n2'),
];
const policyLists = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';

describe('postern status and wait', () => {
  let folder: string;
  let server: ExecServer | undefined;
  /** Of the kubeconfig. */
  let contextNamespace: string | undefined;
  /** By path, how often it was listed. */
  let listed: Map<string, number>;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-proof-'));
    listed = new Map();
    contextNamespace = undefined;
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
    await rm(folder, { recursive: true });
  });

  const told = (name: string, known: readonly ApiObject[] = objects): ExecAnswer => ({
    stdout: [JSON.stringify(new PoliciesAgent(name, known).apply().page)],
  });

  async function ask(
    command: typeof statusCommand | typeof waitCommand,
    answers: Record<string, ExecAnswer>,
    args: readonly string[],
    there: readonly ApiObject[] = objects,
  ) {
    const list = (kind: string): object => there.filter((each) => each.kind === kind);
    const lists: Record<string, object> = {
      '/api/v1/namespaces': list('Namespace'),
      '/api/v1/nodes': list('Node'),
      '/api/v1/pods': list('Pod'),
      '/apis/networking.k8s.io/v1/networkpolicies': list('NetworkPolicy'),
      '/apis/policy.networking.k8s.io': { preferredVersion: { version: 'v1alpha2' } },
      '/apis/policy.networking.k8s.io/v1alpha2': { resources: [{ name: 'clusternetworkpolicies' }] },
      [policyLists]: list('ClusterNetworkPolicy'),
    };
    const counted = new Proxy(lists, {
      get(target, path: string) {
        listed.set(path, (listed.get(path) ?? 0) + 1);
        return target[path];
      },
    });
    await server?.close();
    server = await startExecServer((path) => answers[/agent-(n[0-9])/.exec(path)![1]!] ?? { refused: 404 }, counted);
    const config = JSON.parse(server.config.exportConfig()) as { contexts: { context: { namespace?: string } }[] };
    for (const { context } of config.contexts) if (contextNamespace !== undefined) context.namespace = contextNamespace;
    await writeFile(join(folder, 'config'), JSON.stringify(config));
    return runCommandLine(command, ['--kubeconfig', join(folder, 'config'), ...args]);
  }

  it('show each policy with the nodes that hold it, and name pods that it is not for', async () => {
    const { code, out } = await ask(statusCommand, { n1: told('n1'), n2: told('n2') }, []);
    deepEqual(out.split('\n'), [
      'POLICY                      GENERATION  NODES  PODS  STATE',
      'x/web                       1           2/2    2     enforced',
      'clusternetworkpolicy/guard  1           2/2    2     enforced',
      'pod x/host on n1: it is on the network of its node, where policies do not apply (x/web, clusternetworkpolicy/guard)',
      // The agents are on the host network too.
      'pod system/agent-n1 on n1: it is on the network of its node, where policies do not apply (clusternetworkpolicy/guard)',
      'pod system/agent-n2 on n2: it is on the network of its node, where policies do not apply (clusternetworkpolicy/guard)',
      '2 policies enforced on every node with pods that they select',
      '',
    ]);
    equal(code, 0);
  });

  it('name the nodes that lag, and why', async () => {
    const newer = objects.map((each) => (each.metadata.name === 'web' ? versioned(web, 2) : each));
    const some = await ask(statusCommand, { n1: told('n1', newer), n2: told('n2') }, ['x/web'], newer);
    match(some.out, /^x\/web +2 +1\/2 +2 +lagging$/m);
    match(some.out, /^node n2: its kernel holds generation 1, not 2 \(x\/web\)$/m);
    match(some.out, /^0 of 1 policy enforced/m);
    equal(some.code, 1);
    const json = await ask(statusCommand, { n1: told('n1', newer), n2: told('n2') }, ['-n', 'x', '-o', 'json'], newer);
    const { policies } = JSON.parse(json.out) as { policies: { policy: string; lagging: unknown }[] };
    deepEqual(
      policies.map(({ policy: name, lagging }) => [name, lagging]),
      [['x/web', [{ node: 'n2', why: 'its kernel holds generation 1, not 2' }]]],
    );
    const waited = await ask(
      waitCommand,
      { n1: told('n1', newer), n2: told('n2') },
      ['-n', 'x', 'web', '--timeout', '1'],
      newer,
    );
    deepEqual([waited.code, waited.out], [1, '']);
    match(waited.notes, /^0 of 1 policies are enforced; node n2: its kernel holds generation 1, not 2\n/);
    match(waited.notes, /^node n2: its kernel holds generation 1, not 2 \(x\/web\)$/m);
    match(waited.notes, /\npostern: not enforced within 1 s: 0 of 1 policy enforced on [^\n]*\n$/);
  });

  it('take no missing, failing or older agent for one that holds the policies', async () => {
    const bare = objects.filter(({ metadata }) => metadata.name !== 'agent-n2');
    const answers: readonly (readonly [ExecAnswer | undefined, RegExp, (readonly ApiObject[])?])[] = [
      [undefined, /it has no agent/, bare],
      [{ refused: 403 }, /pods\/exec/],
      [
        { stderr: "error: unknown command 'policies'\n(run with --help for the flags)\n", exitCode: 2 },
        /its agent is of an older version, which cannot say what its kernel holds/,
      ],
      [{ stderr: 'postern: the agent does not answer', exitCode: 2 }, /the agent does not answer/],
      [{ stdout: ['{}'] }, /unexpected response from its agent/],
      [{ stdout: [''] }, /unexpected response from its agent/],
      [told('n1'), /its agent says that it is the agent of node n1/],
    ];
    for (const [answer, why, there] of answers) {
      const { code, out } = await ask(
        statusCommand,
        { n1: told('n1'), ...(answer && { n2: answer }) },
        ['x/web'],
        there,
      );
      match(out, /^x\/web +1 +1\/2 +2 +lagging$/m);
      match(out, new RegExp(`^node n2: .*${why.source}.* \\(x/web\\)$`, 'm'));
      equal(code, 1);
    }
  });

  it('say when a kernel was not compared with what it should hold in the last ten minutes', async () => {
    const late = new PoliciesAgent('n2', objects).apply();
    const answer = (ages: Record<string, number>): ExecAnswer => {
      late.comparedSecondsAgo = ages;
      return { stdout: [JSON.stringify(late.page)] };
    };
    const line = async (ages: Record<string, number>): Promise<string | undefined> => {
      const { code, out } = await ask(statusCommand, { n1: told('n1'), n2: answer(ages) }, ['x/web']);
      equal(code, 0);
      return /^(not compared|the rules inside).*$/m.exec(out)?.[0];
    };
    const prefix = 'not compared with the kernel in the last ten minutes: n2';
    equal(await line({ ip: 601, ip6: 1, bridge: 1 }), `${prefix} (601 s ago)`);
    equal(await line({ ip: 1, ip6: 1 }), `${prefix} (not yet in full)`);
    equal(await line({ ip: 600, ip6: 1, bridge: 1, pods: 600 }), undefined);
    equal(
      await line({ ip: 1, ip6: 1, bridge: 1, pods: 601 }),
      'the rules inside of a pod were not as they should be, or could not be read, for ten minutes: n2 (601 s ago)',
    );
    const { out } = await ask(statusCommand, { n1: told('n1'), n2: { refused: 403 } }, ['x/web', '-o', 'json']);
    deepEqual((JSON.parse(out) as { nodes: unknown }).nodes, [{ node: 'n1', comparedSecondsAgo: 20 }]);
  });

  it('read an answer that is in doubt, which ends with the exit code of a finding', async () => {
    const doubting = new PoliciesAgent('n2', objects).apply();
    doubting.isCertain = false;
    const answer = { stdout: [JSON.stringify(doubting.page)], exitCode: 1 };
    const { out } = await ask(statusCommand, { n1: told('n1'), n2: answer }, ['x/web']);
    match(out, /^node n2: another program may have changed the rules/m);
  });

  it('wait names a pod that the policies cannot be enforced for, with its node and the reason', async () => {
    const odd = new PoliciesAgent('n1', objects);
    const message = 'the device of this pod is a macvlan, so its packets do not cross the node';
    odd.issues = [
      {
        ...{ kind: 'pod', object: 'x/a', code: 'not-enforceable', path: 'status.podIPs' },
        message,
        effect: 'not-enforced',
      },
    ];
    const answers = { n1: { stdout: [JSON.stringify(odd.apply().page)] }, n2: told('n2') };
    const { code, out, notes } = await ask(waitCommand, answers, ['x/web', '--timeout', '1']);
    deepEqual([code, out], [1, '']);
    match(notes, /^pod x\/a on n1: .*the device of this pod is a macvlan.* \(x\/web\)$/m);
    match(notes, /^postern: not enforced within 1 s: 0 of 1 policy enforced/m);
  });

  it('end with 0 if all nodes hold the policies, also those of manifests', async () => {
    const file = join(folder, 'policies.yaml');
    await writeFile(
      file,
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: {podSelector: {}}\n',
    );
    const answers = { n1: told('n1'), n2: told('n2') };
    const { code, out, notes } = await ask(waitCommand, answers, ['-f', file, '-n', 'x']);
    deepEqual([code, out], [0, '1 policy enforced on every node with pods that they select\n']);
    match(notes, /^pod x\/host on n1: it is on the network of its node/);
    equal(server!.execs.length, 2);
    // As kubectl places it.
    contextNamespace = 'x';
    equal((await ask(waitCommand, answers, ['-f', file])).code, 0);
    contextNamespace = undefined;
    await rejects(ask(waitCommand, answers, ['-f', file]), /no policy default\/web/);
  });

  it('do not take another version of a manifest for the policy', async () => {
    const file = join(folder, 'policies.yaml');
    await writeFile(
      file,
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: x}\nspec: {podSelector: {}, ingress: [{}]}\n',
    );
    const answers = { n1: told('n1'), n2: told('n2') };
    const waited = await ask(waitCommand, answers, ['-f', file, '--timeout', '1']);
    deepEqual([waited.code, waited.out], [1, '']);
    match(waited.notes, /^0 of 1 policies are enforced; the cluster has another version .* manifest: x\/web\n/);
    match(waited.notes, /^the cluster has another version of it than the manifest \(x\/web\)$/m);
    const { code, out } = await ask(statusCommand, answers, ['-f', file]);
    match(out, /^x\/web +1 +2\/2 +2 +another version$/m);
    equal(code, 1);
  });

  it('end with 2 if a manifest is a policy of another project', async () => {
    const file = join(folder, 'policies.yaml');
    const foreign = (apiVersion: string, kind: string, name: string): string =>
      `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: x}\n---\n`;
    const others = [
      foreign('policy.networking.k8s.io/v1alpha1', 'AdminNetworkPolicy', 'admin'),
      foreign('crd.projectcalico.org/v1', 'NetworkPolicy', 'web'),
    ].join('');
    const own = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: x}\n';
    await writeFile(file, `${others}${own}spec: {podSelector: {}}\n`);
    const answers = { n1: told('n1'), n2: told('n2') };
    for (const command of [waitCommand, statusCommand]) {
      const { code, notes } = await ask(command, answers, ['-f', file]);
      equal(code, 2);
      match(
        notes,
        /^note: policy\S+ AdminNetworkPolicy admin is ignored: .*\nnote: crd\S+ NetworkPolicy web is ignored: /,
      );
    }
    await writeFile(file, others);
    await rejects(
      ask(waitCommand, answers, ['-f', file]),
      /has no NetworkPolicy.*\n.*AdminNetworkPolicy admin is ignored/,
    );
  });

  it('name a policy that selects no pod', async () => {
    const idle = versioned(policy('x/one', { podSelector: { matchLabels: { app: 'none' } }, ingress: [] }));
    const { code, out, notes } = await ask(waitCommand, {}, ['x/one'], [...objects, idle]);
    deepEqual([code, notes], [0, 'x/one selects no pod\n']);
    match(out, /^1 policy enforced/);
  });

  it('print no control characters that a policy chooses', async () => {
    const evil = {
      ...clusterPolicy('evil', { 'x\u001b[2J\u009b\nx/web 9 9/9 enforced': 1, ingress: [] }),
      metadata: { name: 'evil', uid: 'e', generation: 1 },
    };
    const there = [...objects, evil];
    const answers = { n1: told('n1', there), n2: told('n2', there) };
    for (const command of [statusCommand, waitCommand]) {
      const { out, notes } = await ask(
        command,
        answers,
        ['clusternetworkpolicy/evil', '--timeout', '1'].slice(0, command === waitCommand ? 3 : 1),
        there,
      );
      match(out + notes, /^spec\.x\?\[2J\? x\/web 9 9\/9 enforced/m);
      equal(printable((out + notes).replaceAll('\n', ' ')), (out + notes).replaceAll('\n', ' '));
    }
  });

  it('ask the API server for each resource once, and each agent once, for a thousand policies', async () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      versioned(policy(`x/p${index}`, { podSelector: {}, ingress: [] })),
    );
    const there = [...objects, ...many];
    const answers = { n1: told('n1', there), n2: told('n2', there) };
    const { code, out } = await ask(waitCommand, answers, ['-A'], there);
    deepEqual([code, out], [0, '1002 policies enforced on every node with pods that they select\n']);
    deepEqual(Object.fromEntries(listed), {
      '/api/v1/namespaces': 1,
      '/api/v1/nodes': 1,
      '/api/v1/pods': 1,
      '/apis/networking.k8s.io/v1/networkpolicies': 1,
      '/apis/policy.networking.k8s.io': 1,
      '/apis/policy.networking.k8s.io/v1alpha2': 1,
      [policyLists]: 1,
    });
    deepEqual(
      server!.execs.map(({ command }) => command.join(' ')),
      ['postern node policies -o json', 'postern node policies -o json'],
    );
  });

  it('ask only the nodes that the policies concern', async () => {
    const one = [
      ...objects,
      versioned(policy('x/one', { podSelector: { matchLabels: { app: 'none' } }, ingress: [] })),
    ];
    const { code, out } = await ask(statusCommand, {}, ['x/one'], one);
    match(out, /^x\/one +1 +0\/0 +0 +selects no pod$/m);
    deepEqual([code, server!.execs.length], [0, 0]);
  });

  it('refuse what names no policy, and a cluster without agents', async () => {
    await rejects(ask(waitCommand, {}, []), /name the policies to wait for, or use -f, -n or -A/);
    await rejects(ask(waitCommand, {}, ['-A', 'x/web']), /-A: names all policies/);
    await rejects(ask(waitCommand, {}, ['x/wbe']), /the API server has no policy x\/wbe/);
    await rejects(ask(waitCommand, {}, ['x/web', '--timeout', 'soon']), /--timeout/);
    const bare = objects.filter(({ metadata }) => !metadata.name.startsWith('agent-'));
    await rejects(ask(statusCommand, {}, [], bare), /no Postern agent runs in this cluster/);
  });
});
