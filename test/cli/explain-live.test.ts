import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { explainCommand } from '../../src/cli/commands/explain.ts';
import { traceIn } from '../../src/cli/node/trace.ts';
import type { NftRule, Ruleset } from '../../src/nftables/ruleset.ts';
import { asAgent } from '../support/agent-pod.ts';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';

const agent = (name: string, home = 'system'): ApiObject => {
  const { spec: _, ...rest } = pod(`${home}/agent-${name}`);
  return asAgent({ ...rest, spec: { nodeName: name } });
};
const deny = policy('x/deny', { podSelector: { matchLabels: { app: 'server' } }, policyTypes: ['Ingress'] });
const world = [
  ...['x', 'system'].map((name) => namespace(name)),
  node('n1', '192.0.2.1'),
  node('n2', '192.0.2.2'),
  pod('x/client', { node: 'n1', ips: ['10.1.1.2'] }),
  pod('x/server', { node: 'n2', ips: ['10.1.2.2'], labels: { app: 'server' } }),
];
const agents = [agent('n1'), agent('n2')];

function isRuleset(held: Ruleset | ExecAnswer): held is Ruleset {
  return 'ip' in held;
}

describe('postern explain, and the kernels of a cluster', () => {
  let folder: string;
  let server: ExecServer | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-explain-'));
  });
  afterEach(async () => {
    await server?.close();
    await rm(folder, { recursive: true });
  });

  /** The answer to `postern node policies`. */
  let held: (name: string) => ExecAnswer;
  beforeEach(() => (held = () => ({ stderr: 'unknown command', exitCode: 2 })));

  /** `kernels`: the rules in the kernel of each node, for each question in turn. */
  async function explain(
    objects: readonly ApiObject[],
    kernels: Readonly<Record<string, readonly (Ruleset | undefined | ExecAnswer)[]>>,
    ...more: readonly string[]
  ): Promise<CommandAnswer> {
    return ask(objects, kernels, 'x/client', 'x/server', '80', ...more);
  }

  async function ask(
    objects: readonly ApiObject[],
    kernels: Readonly<Record<string, readonly (Ruleset | undefined | ExecAnswer)[]>>,
    ...words: readonly string[]
  ): Promise<CommandAnswer> {
    const of = (kind: string) => objects.filter((each) => each.kind === kind);
    const lists = {
      '/api/v1/namespaces': of('Namespace'),
      '/api/v1/nodes': of('Node'),
      '/api/v1/pods': of('Pod'),
      '/api/v1/services': of('Service'),
      '/apis/networking.k8s.io/v1/networkpolicies': of('NetworkPolicy'),
    };
    const asked: Record<string, number> = {};
    server = await startExecServer((path, command) => {
      const name = /agent-(n[0-9])/.exec(path)![1]!;
      if (command.includes('policies')) return held(name);
      const turn = (asked[name] = (asked[name] ?? -1) + 1);
      const rules = kernels[name]![Math.min(turn, kernels[name]!.length - 1)];
      if (rules && !isRuleset(rules)) return rules;
      const connection = {
        hook: 'forward',
        source: '10.1.1.2',
        destination: '10.1.2.2',
        protocol: 'tcp',
        port: 80,
      } as const;
      const noted = { direction: 'ingress', family: 'ipv4', packets: 2, secondsAgo: 7 };
      const trace = { node: name, ...traceIn(rules?.ip, connection), denials: rules === closed ? [noted] : [] };
      return { stdout: [JSON.stringify(trace)], exitCode: trace.verdict === 'accept' ? 0 : 1 };
    }, lists);
    await writeFile(join(folder, 'config'), server.config.exportConfig());
    return runCommandLine(explainCommand, ['--kubeconfig', join(folder, 'config'), ...words]);
  }

  const denied = [...world, ...agents, deny];
  const [open, closed] = [[...world, ...agents], denied].map((objects) => compileNode('n2', objects));
  const client = compileNode('n1', denied);

  it('names the rule with which the kernel of each node agrees', async () => {
    const { code, out, notes } = await explain(denied, { n1: [client], n2: [closed] });
    match(
      out,
      /\nkernel of n1 \(egress; ipv4\): allowed\nkernel of n2 \(ingress; ipv4\): denied by deny-ingress: counter drop\n {2}denied for ingress in the last minute: 2 packets, first 7 s ago\n$/,
    );
    deepEqual([code, notes], [1, '']);
    deepEqual(
      server!.execs.map(({ command }) => command.join(' ')),
      ['n1', 'n2'].map(() => 'postern node trace --hook forward 10.1.1.2 10.1.2.2 TCP/80 -o json'),
    );
  });

  it('warns and exits with 3 if a kernel differs, in both directions', async () => {
    const passes = await explain(denied, { n1: [client], n2: [open] });
    match(passes.out, /kernel of n2 \(ingress; ipv4\): allowed\n {2}MISMATCH: the policies say denied/);
    equal(passes.code, 3);
    await server!.close();
    const drops = await explain([...world, ...agents], { n1: [client], n2: [closed] });
    match(
      drops.out,
      /kernel of n2 \(ingress; ipv4\): denied by deny-ingress: counter drop\n {2}denied for[^\n]*\n {2}MISMATCH: the policies say allowed/,
    );
    equal(drops.code, 3);
    await server!.close();
    const bare = await explain(denied, { n1: [client], n2: [undefined] }, '-o', 'json');
    equal(bare.code, 3);
    const { kernels } = JSON.parse(bare.out) as {
      kernels: { node: string; agrees: boolean; trace: { hasTable: boolean } }[];
    };
    deepEqual(
      kernels.map(({ node: name, agrees, trace }) => [name, agrees, trace.hasTable]),
      [
        ['n1', true, true],
        ['n2', false, false],
      ],
    );
  });

  it('says what a node enforces otherwise than policies say, where it denies more', async () => {
    const named = policy('x/web', { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] });
    const policies = [
      { id: 'x/other', uid: 'o', generation: 1, leftOut: 'too-large' },
      { id: 'x/web', uid: 'u', generation: 1, leftOut: 'refused-by-kernel' },
      {
        id: '/guard',
        uid: 'g',
        generation: 1,
        issues: [{ code: 'unknown-port-numbers', effect: 'failed-closed', message: 'pods declare more' }],
      },
    ];
    const server2 = { pod: 'x/server', uid: 's', addresses: ['10.1.2.2'], policies: [1, 2] };
    const page = { version: '0', comparedSecondsAgo: {}, policies, pods: [server2] };
    held = (name) => ({ stdout: [JSON.stringify({ node: name, ...page })] });
    const drops = await explain([...world, ...agents, named], { n1: [client], n2: [closed] });
    match(
      drops.out,
      /MISMATCH: the policies say allowed\. This node allows less than they say:\n {2}- x\/web: node n2 leaves out the rules of this policy, because the kernel refuses them\n {2}- ClusterNetworkPolicy guard: pods declare more\n$/,
    );
    equal(drops.code, 3);
    await server!.close();
    const json = await explain([...world, ...agents, named], { n1: [client], n2: [closed] }, '-o', 'json');
    equal((JSON.parse(json.out) as { kernels: { deviations?: string[] }[] }).kernels[1]!.deviations?.length, 2);
    await server!.close();
    // A node that allows more is not excused by that.
    const passes = await explain(denied, { n1: [client], n2: [open] });
    match(
      passes.out,
      /MISMATCH: the policies say denied[^\n]*Read the agent's log and run `postern doctor --node n2`\n$/,
    );
  });

  it('prints no control characters of an agent, and believes no answer of another form', async () => {
    const path = [{ chain: '\u001b]0;x\u0007deny', rule: 'drop\nkernel of n2: allowed' }];
    const forged = { node: 'n2', hasTable: true, verdict: 'drop', path, denials: [], foreign: ['a\u202e'] };
    const answered = (answer: object): ExecAnswer => ({ stdout: [JSON.stringify(answer)], exitCode: 1 });
    const { out } = await explain(denied, { n1: [client], n2: [answered(forged)] });
    match(out, /denied by \?]0;x\?deny: drop kernel of n2: allowed\n.*\(a\?\)/);
    await server!.close();
    const { notes } = await explain(denied, { n1: [client], n2: [answered({ ...forged, path: [null, {}] })] });
    match(notes, /n2 were not checked: unexpected response from its agent; check its version\n$/);
  });

  it('asks no pod of a tenant, and wants the namespace of the agents if it could be one', async () => {
    const tenant = agent('n2', 'alice');
    const plain = { ...tenant, spec: { ...(tenant.spec as object), hostNetwork: false } };
    const kernels = { n1: [client], n2: [closed] };
    for (const there of [
      [plain, ...denied],
      [...denied, plain],
    ]) {
      equal((await explain(there, kernels)).code, 1);
      deepEqual(
        server!.execs.filter(({ path }) => path.includes('alice')),
        [],
      );
      await server!.close();
    }
    await rejects(
      explain([tenant, ...denied], kernels),
      /several namespaces .*: alice, system; name .* --agent-namespace$/,
    );
    equal(server!.execs.length, 0);
    await server!.close();
    equal((await explain([tenant, ...denied], kernels, '--agent-namespace', 'system')).code, 1);
    deepEqual(
      server!.execs.filter(({ path }) => path.includes('alice')),
      [],
    );
  });

  it('asks again before the warning, because the policies may just have changed', async () => {
    const { code, out } = await explain(denied, { n1: [client], n2: [open, closed] });
    match(out, /kernel of n2 \(ingress; ipv4\): denied by deny-ingress/);
    equal(code, 1);
  });

  it('reports changes of another program to our table, also if the verdicts agree', async () => {
    const forward = client.ip!.chains.get('forward')!;
    const foreign: NftRule = { matches: [{ kind: 'foreign', text: '{}' }], verdict: { kind: 'return' } };
    const chains = new Map(client.ip!.chains).set('forward', { ...forward, rules: [foreign, ...forward.rules] });
    const { code, out } = await explain(denied, { n1: [{ ...client, ip: { ...client.ip!, chains } }], n2: [closed] });
    match(
      out,
      /kernel of n1 \(egress; ipv4\): allowed\n {2}another program has changed the tables of Postern \(forward\)/,
    );
    equal(code, 1);
  });

  it('prints a note for a node that does not answer, and changes nothing else', async () => {
    const { code, out, notes } = await explain([...world, agents[0]!, deny], { n1: [{ refused: 403 }], n2: [] });
    equal(code, 1);
    match(
      notes,
      /^note: the rules in the kernel of n1 were not checked: pod system\/agent-n1: not allowed: you need the verbs get and create on pods\/exec/m,
    );
    match(notes, /^note: the rules in the kernel of n2 were not checked: it has no agent$/m);
    match(out, /^denied: x\/client → x\/server/);
  });

  it('asks no node with --no-nodes', async () => {
    const { code, out, notes } = await explain(denied, { n1: [], n2: [] }, '--no-nodes');
    deepEqual([code, notes, server!.execs.length], [1, '', 0]);
    equal(out.includes('kernel'), false);
  });

  it('does not evaluate the address of a Service, which no packet has when policies see it', async () => {
    const service = (name: string, spec: object, status = {}) => ({
      kind: 'Service',
      metadata: { namespace: 'x', name, uid: name },
      spec,
      status,
    });
    const ports = [{ port: 80, nodePort: 30080 }];
    const services = [
      service('web', { clusterIPs: ['10.96.0.7', 'fd96::7'], selector: { app: 'server' }, ports }),
      service('api', { clusterIPs: ['10.96.0.1'], ports: [{ port: 443 }] }),
      service('none', {
        clusterIPs: ['None'],
        selector: { app: 'no' },
        externalIPs: ['192.0.2.1'],
        ports: [{ port: 81 }],
      }),
    ];
    const refusal = async (...words: readonly string[]): Promise<string> => {
      await server?.close();
      return ask([...denied, ...services], { n1: [], n2: [] }, 'x/client', ...words).then(
        ({ code }) => `exit code ${code}`,
        (error: Error) => error.message,
      );
    };
    const behind = "policies apply to the pod behind it and to that pod's own port";
    equal(
      await refusal('10.96.0.7', '80'),
      `10.96.0.7 is Service x/web; ${behind}: use x/server instead. To try the Service: postern probe FROM x/svc:web 80`,
    );
    match(await refusal('fd96:0::7', '80'), /^fd96:0::7 is Service x\/web;/);
    match(await refusal('x/svc:web', 'http'), /^x\/svc:web is a Service;.* postern probe FROM x\/svc:web http$/);
    equal(await refusal('x/service/nope', '80'), 'Service x/nope does not exist; known: x/web, x/api, x/none');
    match(await refusal('10.96.0.1', '443'), /own port: use one of its endpoints instead\./);
    equal(await refusal('node/n2', '30080'), `TCP/30080 of node/n2 is Service x/web; ${behind}: use x/server instead`);
    equal(await refusal('192.0.2.1', '81'), `TCP/81 of 192.0.2.1 is Service x/none; ${behind}, and it selects no pod`);
    deepEqual(
      [await refusal('node/n2', 'UDP/30080', '--no-nodes'), await refusal('192.0.2.1', '82', '--no-nodes')],
      ['exit code 0', 'exit code 0'],
    );
  });
});
