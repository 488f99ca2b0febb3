import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { denialsCommand } from '../../src/cli/commands/denials.ts';
import { compareText } from '../../src/lib/sort.ts';
import { asAgent } from '../support/agent-pod.ts';
import { runCommandLine } from '../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';
import { clusterPolicy, namespace, node, pod, policy } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';

const agent = (name: string, home = 'system'): ApiObject => {
  const { spec: _, ...rest } = pod(`${home}/agent-${name}`);
  return asAgent({ ...rest, spec: { nodeName: name } });
};
const objects = [
  ...['x', 'y', 'system'].map((name) => namespace(name)),
  node('n1', '192.0.2.1'),
  node('n2', '192.0.2.2'),
  pod('x/client', { node: 'n1', ips: ['10.1.1.2', 'fd01::2'] }),
  pod('y/other', { node: 'n1', ips: ['10.1.1.3'] }),
  pod('x/server', { node: 'n2', ips: ['10.1.2.2', 'fd02::2'], labels: { app: 'server' } }),
  policy('x/only-80', {
    podSelector: { matchLabels: { app: 'server' } },
    ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }],
  }),
  agent('n1'),
  agent('n2'),
];
const noted = { direction: 'ingress', family: 'ipv4', destination: '10.1.2.2', packets: 1, secondsAgo: 3 } as const;
const denials = [
  { ...noted, source: '10.1.1.2', protocol: 'tcp', port: 81, packets: 2, secondsAgo: 9 },
  { ...noted, source: '10.1.1.3', protocol: 'tcp', port: 80 },
  { ...noted, source: '10.1.1.2', protocol: 'tcp', port: 80, secondsAgo: 20 },
  { ...noted, family: 'ipv6', source: 'fd01::2', destination: 'fd02::2', protocol: '58', secondsAgo: 30 },
  { ...noted, source: '203.0.113.9', protocol: 'udp', port: 53, secondsAgo: 40 },
];

describe('postern denials', () => {
  let folder: string;
  let server: ExecServer | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-denials-'));
  });
  afterEach(async () => {
    await server?.close();
    await rm(folder, { recursive: true });
  });

  const told = (name: string, of: readonly object[]): ExecAnswer => ({
    stdout: [JSON.stringify({ node: name, denials: of })],
  });

  /** The answer to `postern node policies`. */
  const holding = (name: string, policies: readonly object[] = [], pods: readonly object[] = []): ExecAnswer => ({
    stdout: [JSON.stringify({ node: name, version: '0', comparedSecondsAgo: {}, policies, pods })],
  });
  let held: (name: string) => ExecAnswer = holding;
  beforeEach(() => (held = holding));

  async function ask(answers: Record<string, ExecAnswer>, ...args: readonly string[]) {
    return askOf(objects, answers, ...args);
  }

  /** The pods whose agent was asked for its denials. */
  const askedPods = () =>
    server!.execs.filter(({ command }) => command.includes('denials')).map(({ path }) => /pods\/[^/]+/.exec(path)![0]);

  async function askOf(there: readonly ApiObject[], answers: Record<string, ExecAnswer>, ...args: readonly string[]) {
    const of = (kind: string) => there.filter((each) => each.kind === kind);
    const answerOf = (path: string, command: readonly string[]): ExecAnswer => {
      const name = /agent-(n[0-9])/.exec(path)![1]!;
      return command.includes('policies') ? held(name) : answers[name]!;
    };
    server = await startExecServer(answerOf, {
      '/api/v1/namespaces': of('Namespace'),
      '/api/v1/nodes': of('Node'),
      '/api/v1/pods': of('Pod'),
      '/apis/networking.k8s.io/v1/networkpolicies': of('NetworkPolicy'),
      '/apis/policy.networking.k8s.io': { preferredVersion: { version: 'v1alpha2' } },
      '/apis/policy.networking.k8s.io/v1alpha2': { resources: [{ name: 'clusternetworkpolicies' }] },
      '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies': of('ClusterNetworkPolicy'),
    });
    await writeFile(join(folder, 'config'), server.config.exportConfig());
    return runCommandLine(denialsCommand, ['--kubeconfig', join(folder, 'config'), ...args]);
  }

  it('names both ends, the policies and the near misses, the newest first', async () => {
    const { code, out, notes } = await ask({ n1: told('n1', []), n2: told('n2', denials) });
    deepEqual([code, notes], [0, '']);
    const headings = out.split('\n').filter((line) => line.startsWith('ingress'));
    deepEqual(headings, [
      'ingress of x/server denied: y/other → x/server, TCP/80; 1 packet, first 3 s ago (node n2)',
      'ingress of x/server denied: x/client → x/server, TCP/81; 2 packets, first 9 s ago (node n2)',
      'ingress of x/server denied: x/client → x/server, TCP/80; 1 packet, first 20 s ago (node n2)',
      'ingress of x/server denied: x/client → x/server, ICMP; 1 packet, first 30 s ago (node n2)',
      'ingress of x/server denied: 203.0.113.9 → x/server, UDP/53; 1 packet, first 40 s ago (node n2)',
    ]);
    match(
      out,
      /TCP\/81;[^\n]*\n {2}x\/server is isolated for ingress by x\/only-80[^\n]*\n {2}- [^\n]*the port is 81, not 80\n {4}x\/only-80 spec\.ingress\[0\]\.ports/,
    );
    // By now a policy allows it.
    match(out, /x\/client → x\/server, TCP\/80;[^\n]*\n {2}allowed now: /);
  });

  it('does not accept manifests', () =>
    rejects(runCommandLine(denialsCommand, ['--kubeconfig', '/nonexistent/config']), {
      message: 'cannot read the cluster: kubeconfig: no such file: /nonexistent/config; name one with --kubeconfig',
    }));

  it('prints one JSON object per line, with all facts about the end that dropped', async () => {
    const { out } = await ask({ n1: told('n1', []), n2: told('n2', denials) }, '-o', 'json');
    const lines = out
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as { from: string; protocol: string; end: { verdict: string; isolatedBy: string[] } },
      );
    equal(lines.length, 5);
    deepEqual(
      [lines[0]!.from, lines[0]!.protocol, lines[0]!.end.verdict, lines[0]!.end.isolatedBy],
      ['y/other', 'TCP', 'denied', ['x/only-80']],
    );
  });

  it('names the rule of a ClusterNetworkPolicy, in text and in JSON', async () => {
    const rules = [
      { action: 'Pass', from: [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'x' } } }] },
      { name: 'no-tenants', action: 'Deny', from: [{ namespaces: {} }] },
    ];
    const there = [...objects, clusterPolicy('guard', { ingress: rules })];
    const self = { ...noted, source: '10.1.2.2', protocol: 'tcp', port: 80 };
    const answers = { n1: told('n1', []), n2: told('n2', [...denials.slice(0, 2), self]) };
    const { out } = await askOf(there, answers);
    match(
      out,
      /y\/other → x\/server, TCP\/80;[^\n]*\n {2}rule 2 "no-tenants" of ClusterNetworkPolicy guard \(Admin tier, priority 10\) denies this\n {4}ClusterNetworkPolicy guard spec\.ingress\[1\]\n/,
    );
    await server!.close();
    const json = await askOf(there, answers, '-o', 'json');
    const deniedBy = json.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { deniedBy: unknown }).deniedBy);
    const place = { rule: 1, name: 'no-tenants', path: 'spec.ingress[1]' };
    const rule = { tier: 'Admin', policy: 'ClusterNetworkPolicy guard', priority: 10, ...place };
    // The namespaces have no label, so the first rule passes nothing on. A pod's connection to itself came back from a Service (S10.18).
    deepEqual(deniedBy, [rule, rule, rule]);
  });

  it('names a policy whose rules the node leaves out, and why, in place of what they say (S9.10)', async () => {
    const fitting = { ...noted, source: '10.1.1.2', protocol: 'tcp', port: 80 };
    const answers = { n1: told('n1', []), n2: told('n2', [fitting, { ...fitting, port: 81 }]) };
    const version = { id: 'x/only-80', uid: 'u', generation: 1 };
    held = (name) => holding(name, [{ ...version, leftOut: 'refused-by-kernel' }]);
    const { code, out, notes } = await ask(answers);
    deepEqual([code, notes], [0, '']);
    const why = 'node n2 leaves out the rules of this policy, because the kernel refuses them';
    equal(out.includes('allowed now'), false, out);
    match(out, new RegExp(`TCP/80;[^\\n]*\\n[^\\n]*\\n {2}- rule 1 of policy x/only-80 would allow, but ${why}\\n`));
    match(
      out,
      new RegExp(`TCP/81;[^\\n]*\\n[^\\n]*\\n {2}- rule 1 .* would allow, but ${why}, and the port is 81, not 80`),
    );
    await server!.close();

    held = () => ({ stderr: 'unknown command', exitCode: 2 });
    const silent = await ask(answers);
    equal(silent.code, 2);
    match(silent.notes, /^note: node n2 did not say which policies it leaves out, so reasons assume none: /);
    match(silent.out, /TCP\/80;[^\n]*\n {2}allowed now: /);
  });

  it('says of a connection that policies allow that the node does not know all numbers of a port name (S10.17)', async () => {
    const issues = [{ code: 'unknown-port-numbers', effect: 'failed-closed', message: 'pods declare more' }];
    const guard = { id: '/guard', uid: 'g', generation: 1, issues };
    const selected = { pod: 'x/server', uid: 's', addresses: ['10.1.2.2'], policies: [0] };
    held = (name) => holding(name, [guard], [selected]);
    const { out } = await ask({ n1: told('n1', []), n2: told('n2', [denials[0]!, denials[2]!]) });
    match(out, /TCP\/80;[^\n]*\n {2}allowed now: [^\n]*\n {2}ClusterNetworkPolicy guard: pods declare more\n$/);
    equal(out.split('pods declare more').length, 2);
  });

  it('names a ClusterNetworkPolicy whose rules the node leaves out: it denies everything (S10.23)', async () => {
    const rules = [
      { action: 'Accept', from: [{ namespaces: {} }] },
      { action: 'Deny', from: [{ namespaces: {} }] },
    ];
    const there = [...objects, clusterPolicy('guard', { ingress: rules })];
    const denial = { ...noted, source: '10.1.1.2', protocol: 'tcp', port: 80 };
    const answers = { n1: told('n1', []), n2: told('n2', [denial]) };
    held = (name) => holding(name, [{ id: '/guard', uid: 'u', generation: 1, leftOut: 'too-large' }]);
    const { out } = await askOf(there, answers);
    match(
      out,
      /TCP\/80;[^\n]*\n {2}ClusterNetworkPolicy guard \(Admin tier, priority 10\) denies everything in this direction: node n2 leaves out the rules of this policy, because they cost the node too much\n$/,
    );
    await server!.close();
    const json = await askOf(there, answers, '-o', 'json');
    const { deniedBy } = JSON.parse(json.out) as { deniedBy: unknown };
    deepEqual(deniedBy, { tier: 'Admin', policy: 'ClusterNetworkPolicy guard', priority: 10 });
  });

  it('filters by namespace and node', async () => {
    const some = await ask({ n1: told('n1', []), n2: told('n2', denials) }, '-n', 'y');
    deepEqual(some.out.match(/^ingress/gm)?.length, 1);
    await server!.close();
    const none = await ask({ n1: told('n1', []), n2: told('n2', denials) }, '--node', 'n1');
    deepEqual([none.out, none.code, askedPods().length], ['no connection was denied in the last minute\n', 0, 1]);
    await server!.close();
    await rejects(ask({}, '--node', 'n9'), /--node: node "n9" does not exist/);
    await server!.close();
    await rejects(ask({}, '-n', 'z'), /--namespace: namespace "z" does not exist/);
  });

  it('does not report zero denials if no node answered', async () => {
    const some = await ask({ n1: told('n1', []), n2: { refused: 403 } });
    deepEqual([some.out, some.code], ['no connection was denied in the last minute on n1\n', 2]);
    await server!.close();
    const none = await ask({ n1: { refused: 403 }, n2: { refused: 403 } });
    deepEqual([none.out, none.code], ['', 2]);
    await server!.close();
    const bare = objects.filter(({ metadata }) => !metadata.name.startsWith('agent-'));
    await rejects(askOf(bare, {}), /^ConfigError: no Postern agent runs in this cluster/);
  });

  it('asks no pod of a tenant in place of an agent, and says which pods it passed over', async () => {
    const { metadata, spec, ...rest } = agent('n2', 'alice');
    const forged = { ...rest, metadata, spec: { ...(spec as object), hostNetwork: false } };
    const answers = { n1: told('n1', []), n2: told('n2', denials) };
    for (const there of [
      [forged, ...objects],
      [...objects, forged],
    ]) {
      const { code } = await askOf(there, answers);
      deepEqual([code, askedPods().toSorted(compareText)], [0, ['pods/agent-n1', 'pods/agent-n2']]);
      deepEqual(
        server!.execs.filter(({ path }) => path.includes('alice')),
        [],
      );
      await server!.close();
    }
    const bare = objects.filter((each) => !each.metadata.name.startsWith('agent-'));
    await rejects(
      askOf([...bare, forged], {}),
      /no Postern agent runs in this cluster: install Postern first; pod alice\/agent-n2 has the labels of an agent but is none: it is not on the host network$/,
    );
  });

  it('wants the namespace of the agents if a tenant has the host network, too', async () => {
    const there = [agent('n2', 'alice'), ...objects];
    const answers = { n1: told('n1', []), n2: told('n2', denials) };
    await rejects(
      askOf(there, answers),
      /several namespaces look like Postern's agents: alice, system; name .* --agent-namespace$/,
    );
    equal(server!.execs.length, 0);
    await server!.close();
    const { code } = await askOf(there, answers, '--agent-namespace', 'system');
    deepEqual([code, server!.execs.filter(({ path }) => path.includes('alice')), askedPods().length], [0, [], 2]);
  });

  it('prints no control characters of an agent, and believes no answer of another form', async () => {
    const odd = { ...denials[0]!, protocol: 'tcp\u001b[2J\u009b0m', port: 81 };
    const { out } = await ask({ n1: told('n1', []), n2: told('n2', [odd]) });
    match(out, /y\/|x\/client/);
    equal(/[^\n\P{C}]/u.test(out), false, JSON.stringify(out));
    await server!.close();
    const loud = await ask({ n1: told('n1', []), n2: { stderr: 'no\u001b[2J\nnote: node n1 is gone\n', exitCode: 2 } });
    match(loud.notes, /^note: node n2 did not answer: [^\n]*no\?\[2J note: node n1 is gone\n$/);
    await server!.close();
    for (const wrong of [
      null,
      {},
      { ...denials[0], source: 'x' },
      { ...denials[0], packets: '1' },
      { ...denials[0], family: 'ipv6' },
    ]) {
      const { code, notes } = await ask({ n1: told('n1', []), n2: told('n2', [wrong as object]) });
      deepEqual(
        [code, notes],
        [2, 'note: node n2 did not answer: unexpected response from its agent; check its version\n'],
      );
      await server!.close();
    }
  });

  it('reports a lost node, with the error of the API server', async () => {
    const ready = [{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' }];
    const there = objects.map((each) =>
      each.kind === 'Node' && each.metadata.name === 'n1' ? { ...each, status: { conditions: ready } } : each,
    );
    const { code, notes } = await askOf(there, { n1: { refused: 500 }, n2: told('n2', denials) });
    equal(
      notes,
      'note: node n1 did not answer: the node is not ready: its kubelet does not report; pod system/agent-n1: the API server answered with status 500\n',
    );
    equal(code, 2);
  });

  it('names a node that does not answer, with its own exit code', async () => {
    const { code, out, notes } = await ask({ n1: { refused: 403 }, n2: told('n2', denials) });
    equal(code, 2);
    match(notes, /^note: node n1 did not answer: .*pods\/exec/m);
    match(out, /^ingress of x\/server/);
  });
});
