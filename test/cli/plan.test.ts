import { deepEqual, doesNotMatch, equal, match, rejects } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { planCommand } from '../../src/cli/commands/plan.ts';
import { asAgent } from '../support/agent-pod.ts';
import { runCommandLine, type CommandAnswer } from '../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';

const main = join(import.meta.dirname, '../../src/main.ts');

const plan = (...args: readonly string[]): Promise<CommandAnswer> => runCommandLine(planCommand, args);

const world = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: office}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: office, labels: {app: client}}
---
apiVersion: lab.postern.dev/v1
kind: Host
metadata: {name: far}
spec: {addresses: [203.0.113.5], ports: [{port: 443}]}
`;

function policy(name: string, spec: string, namespace = 'shop'): string {
  return `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: ${spec}\n`;
}

const isolating = policy(
  'web',
  '{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}]}',
);

describe('postern plan', () => {
  let folder: string;
  let base: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-plan-'));
    base = await write('world.yaml', world);
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function write(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  }

  it('lists newly isolated pods and pairs that would be cut, by workload, from files only', async () => {
    const answer = await plan('-f', await write('policy.yaml', isolating), '--base', base);
    equal(
      answer.out,
      `Objects
  NetworkPolicy shop/web: created

2 pods become isolated
  shop/web-0, shop/web-1: ingress by shop/web

Would be cut: 4 pairs of pods and ports
  office/client → shop: app=web (2 pods) TCP/8080 (ipv4, ipv6)
    ingress: shop/web-0 is isolated for ingress by shop/web, and no rule allows this
      rule 1 of policy shop/web would allow, but without a namespaceSelector only pods of namespace shop match, not office/client
  host far → shop: app=web (2 pods) TCP/8080 (ipv4)
    ingress: shop/web-0 is isolated for ingress by shop/web, and no rule allows this
      rule 1 of policy shop/web would allow, but selectors match pods only, and 203.0.113.5 is not a pod
`,
    );
    deepEqual([answer.code, answer.notes], [1, '']);
  });

  it('exits 0 if nothing would be cut: no change, or only new connections', async () => {
    const known = await write('known.yaml', `${world}---\n${isolating}`);
    const file = await write('policy.yaml', isolating);
    const same = await plan('-f', file, '--base', known);
    match(same.out, /NetworkPolicy shop\/web: unchanged\n\nWould be cut: no pair of pods on their declared ports\n$/);
    const opening = await plan('-f', file, '--base', known, '--delete');
    match(
      opening.out,
      /web: deleted\n\n2 pods are no longer isolated\n[^]*no pair of pods on their declared ports\n\nWould open: 4 pairs/,
    );
    deepEqual([same.code, opening.code], [0, 0]);
  });

  it('exits 1 if a deletion cuts', async () => {
    const denyAll = policy('deny', '{podSelector: {}}');
    const known = await write('known.yaml', [world, isolating, denyAll].join('---\n'));
    const answer = await plan('-f', await write('policy.yaml', isolating), '--base', known, '--delete');
    match(answer.out, /Would be cut: [^]*shop: app=web \(2 pods\) → shop: app=web \(2 pods\) TCP\/8080/);
    equal(answer.code, 1);
  });

  it('evaluates a valid document beside an invalid one, names the invalid one, and exits with 2', async () => {
    const broken = await write('broken.yaml', `kind: NetworkPolicy\n---\na: b: c\n---\n${isolating}`);
    const { code, out, notes } = await plan('-f', broken, '--base', base);
    match(out, /2 pods become isolated/);
    match(notes, /^postern: .*broken.yaml: document 1, line 1: apiVersion: missing; document skipped$/m);
    match(notes, /^postern: .*broken.yaml: document 2, line 3: bad indentation/m);
    equal(code, 2);
    const { problems } = JSON.parse((await plan('-f', broken, '--base', base, '-o', 'json')).out) as {
      problems: string[];
    };
    equal(problems.length, 2);
  });

  it('names the invalid field of a policy, and evaluates the policy as agents would enforce it', async () => {
    const file = await write(
      'odd.yaml',
      policy('odd', '{podSelector: {}, ingress: [{ports: [{port: 80, protocol: tcp}]}]}'),
    );
    const { code, out } = await plan('-f', file, '--base', base);
    match(
      out,
      /NetworkPolicy shop\/odd: created, not valid\n    spec\.ingress\[0\]\.ports\[0\]\.protocol: "tcp" is none of TCP, UDP, SCTP; it allows nothing\n/,
    );
    match(out, /Would be cut:/);
    equal(code, 2);
  });

  it('refuses a policy in a namespace that does not exist', async () => {
    const { code, out } = await plan(
      '-f',
      await write('lost.yaml', policy('web', '{podSelector: {}}', 'shpo')),
      '--base',
      base,
    );
    match(out, /NetworkPolicy shpo\/web: not valid: namespace shpo does not exist/);
    doesNotMatch(out, /isolated/);
    equal(code, 2);
  });

  it('takes a policy and the namespace label that it needs from the same files', async () => {
    const asks = policy(
      'web',
      '{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {purpose: staff}}}]}]}',
    );
    const label = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: office, labels: {purpose: staff}}\n';
    const cutFrom = async (text: string): Promise<string[]> => {
      const { out } = await plan('-f', await write('given.yaml', text), '--base', base, '-o', 'json');
      const { pairs } = JSON.parse(out) as { pairs: { cut: { source: { name: string } }[] } };
      return pairs.cut.map(({ source }) => source.name).sort();
    };
    deepEqual(await cutFrom(asks), ['host far', 'office: app=client', 'shop: app=web']);
    deepEqual(await cutFrom(`${asks}---\n${label}`), ['host far', 'shop: app=web']);
  });

  it('replaces an existing workload and keeps the others', async () => {
    const known = await write('known.yaml', `${world}---\n${isolating}`);
    const renamed = world.split('---')[2]!.replace('app: web', 'app: other');
    const { code, out } = await plan('-f', await write('web.yaml', renamed), '--base', known, '-o', 'json');
    const answer = JSON.parse(out) as {
      objects: unknown;
      isolation: unknown;
      pairs: { cut: unknown[]; opened: unknown[] };
    };
    deepEqual(answer.objects, [{ object: 'Deployment shop/web', change: 'changed' }]);
    deepEqual(answer.isolation, [
      { pod: 'shop/web-0', direction: 'ingress', isolated: false, by: ['shop/web'] },
      { pod: 'shop/web-1', direction: 'ingress', isolated: false, by: ['shop/web'] },
    ]);
    deepEqual([code, answer.pairs.cut.length, answer.pairs.opened.length], [0, 0, 2]);
  });

  it('keeps the assigned addresses of pods when another pod is added or deleted', async () => {
    const first = 'apiVersion: v1\nkind: Pod\nmetadata: {name: first, namespace: office}\n';
    const blocked = policy('web', '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.244.1.0/24}}]}]}');
    const known = await write('known.yaml', [first, world, blocked].join('---\n'));
    const gone = await plan('-f', await write('first.yaml', first), '--base', known, '--delete');
    match(gone.out, /Pod office\/first: deleted\n\nWould be cut: no pair of pods on their declared ports\n$/);
    await write('known.yaml', [world, blocked].join('---\n'));
    const come = await plan('-f', join(folder, 'first.yaml'), '--base', known);
    match(come.out, /Pod office\/first: created\n\nWould be cut: no pair of pods on their declared ports\n$/);
  });

  /** The manifests as a cluster returns them: with addresses. */
  const addressed = (): Promise<string> => {
    const podOf = (namespace: string, name: string, app: string, nodeName: string, ip: string): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name, labels: { app } },
      spec: { nodeName, containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
      status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
    });
    const others = [
      ['Node', 'n1'],
      ['Namespace', 'shop'],
      ['Namespace', 'office'],
    ].map(([kind, name]) => {
      return { apiVersion: 'v1', kind, metadata: { name } };
    });
    const pods = [
      podOf('shop', 'web-0', 'web', 'n1', '10.244.1.2'),
      podOf('shop', 'web-1', 'web', 'n2', '10.244.2.2'),
      podOf('office', 'client', 'client', 'n1', '10.244.1.3'),
    ];
    return write('cluster.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...others, ...pods] }));
  };

  it('needs pod addresses for flows: assigned addresses would give a false all-clear', async () => {
    const flows = await write('n1.json', '{"node": "n1", "flows": []}');
    const args = ['-f', await write('policy.yaml', isolating), '--base', base, '--flows', flows];
    await rejects(plan(...args), {
      code: 'config',
      message: /^--flows: flows need pod addresses, but no pod of --base has one: pass the output of "kubectl get /,
    });
  });

  it('names the flows that are cut, with their Service and number of connections', async () => {
    const flows = await write(
      'n1.json',
      JSON.stringify({
        node: 'n1',
        addresses: ['172.30.0.2', '10.244.1.1'],
        flows: [
          {
            protocol: 'TCP',
            source: '10.244.1.3',
            destination: '10.244.1.2',
            destinationPort: 8080,
            via: '10.96.0.9:80',
            connections: 3,
            open: 2,
          },
          {
            protocol: 'TCP',
            source: '10.244.2.2',
            destination: '10.244.1.2',
            destinationPort: 8080,
            connections: 5,
            open: 5,
          },
          {
            protocol: 'TCP',
            source: '10.244.1.1',
            destination: '10.244.1.2',
            destinationPort: 8080,
            connections: 1,
            open: 0,
          },
        ],
      }),
    );
    const { code, out } = await plan(
      '-f',
      await write('policy.yaml', isolating),
      '--base',
      await addressed(),
      '--flows',
      flows,
    );
    match(
      out,
      /\n\nWould be cut: 1 flow of 3 seen, 3 connections\n  office\/client → shop\/web-0 TCP\/8080 via 10\.96\.0\.9:80 \(ipv4\): 3 connections, 2 open\n    ingress: shop\/web-0 is isolated for ingress by shop\/web, and no rule allows this\n      rule 1 of policy shop\/web would allow, but .*\n$/,
    );
    doesNotMatch(out, /pairs?\b/);
    equal(code, 1);
    match(
      (await plan('-f', join(folder, 'policy.yaml'), '--base', await addressed(), '--flows', flows, '--pairs')).out,
      /2 pairs/,
    );
  });

  it('reports flows of a node that does not exist', async () => {
    const flows = await write('n7.json', '{"node": "n7", "flows": []}');
    const { notes } = await plan(
      '-f',
      await write('policy.yaml', isolating),
      '--base',
      await addressed(),
      '--flows',
      flows,
    );
    equal(notes, 'note: node n7 does not exist: the plan cannot tell which flows are its own\n');
  });

  const badFlows: readonly (readonly [text: string, message: RegExp])[] = [
    ['nonsense', /flows\.json: the file: is not JSON \(expected the output of "postern node flows -o json"\)$/],
    ['[]', /the file: is not a JSON object/],
    ['{}', /flows: expected a list/],
    ['{"flows": [{"protocol": "tcp"}]}', /flows\[0\]\.protocol: expected one of TCP, UDP, SCTP, ICMP/],
    ['{"flows": [{"protocol": "TCP", "source": "x"}]}', /flows\[0\]\.source: "x" is not an address/],
    [
      '{"flows": [{"protocol": "TCP", "source": "10.0.0.1", "destination": "fd00::1"}]}',
      /flows\[0\]\.destination: has another address family/,
    ],
    [
      '{"flows": [{"protocol": "TCP", "source": "10.0.0.1", "destination": "10.0.0.2"}]}',
      /flows\[0\]\.destinationPort: expected a port/,
    ],
    ['{"flows": [], "addresses": [7]}', /addresses\[0\]: 7 is not an address/],
  ];
  for (const [text, message] of badFlows) {
    it(`refuses flows that are ${text}, with the reason`, async () => {
      const args = ['-f', await write('policy.yaml', isolating), '--base', await addressed()];
      await rejects(plan(...args, '--flows', await write('flows.json', text)), { code: 'config', message });
    });
  }

  it('limits long lists in text, and prints the number of the rest; JSON has all', async () => {
    const pods = Array.from(
      { length: 30 },
      (_, n) =>
        `apiVersion: v1\nkind: Pod\nmetadata: {name: p${n}, namespace: shop, labels: {app: p${n}}}\nspec: {containers: [{name: c, ports: [{containerPort: ${8000 + n}}]}]}\n`,
    );
    const many = await write('many.yaml', [world, ...pods].join('---\n'));
    const args = ['-f', await write('policy.yaml', policy('deny', '{podSelector: {}}')), '--base', many];
    const { out } = await plan(...args);
    match(out, /^ {2}… and [0-9]+ more such groups \(-o json has them all\)$/m);
    const json = JSON.parse((await plan(...args, '-o', 'json')).out) as {
      pairs: { cut: { destination: { name: string } }[] };
    };
    equal(new Set(json.pairs.cut.map(({ destination }) => destination.name)).size, 31);
  });

  it('exits 2 for wrong usage', async () => {
    const exitOf = (...args: string[]): Promise<unknown> =>
      promisify(execFile)(process.execPath, [main, 'plan', ...args]).then(
        () => 0,
        ({ code, stderr }: { code: number; stderr: string }) => `${code} ${stderr.split('\n')[0]}`,
      );
    deepEqual(
      await Promise.all([
        exitOf('--base', base),
        exitOf('-f', 'nowhere.yaml', '--base', base),
        exitOf('-f', base, '--base', base, '--context', 'x'),
        exitOf('-f', base, '--kubeconfig', '/nonexistent'),
      ]),
      [
        '2 postern: -f is missing: name the manifests to apply',
        '2 postern: nowhere.yaml: no such file or folder',
        "2 error: option '--context <name>' cannot be used with option '--base <PATH>'",
        '2 postern: cannot read the cluster: kubeconfig: no such file: /nonexistent; name one with --kubeconfig, or pass the cluster as manifests with --base',
      ],
    );
  });
});

describe('postern plan on a live cluster', () => {
  let server: ExecServer | undefined;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-plan-'));
  });
  afterEach(async () => {
    await server?.close();
    await rm(folder, { recursive: true });
  });

  const pod = (namespace: string, name: string, nodeName: string, ip: string, more: object = {}) => ({
    metadata: { namespace, name, ...more },
    spec: { nodeName, containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: 'Running', podIPs: [{ ip }] },
  });
  const agent = (node: string, home = 'system') => ({
    ...asAgent({ ...pod(home, `agent-${node}`, node, '192.0.2.1'), spec: { nodeName: node } }),
  });
  const owned = {
    labels: { app: 'web', 'pod-template-hash': '5d' },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'web-5d' }],
  };
  const podList = [
    pod('shop', 'web-5d-x', 'n1', '10.1.1.2', owned),
    pod('office', 'client', 'n2', '10.1.2.3'),
    agent('n1'),
    agent('n2'),
  ];

  const opening = policy('web', '{podSelector: {}, ingress: [{}]}');
  const flow = {
    protocol: 'TCP',
    source: '10.1.2.3',
    destination: '10.1.1.2',
    destinationPort: 8080,
    connections: 2,
    open: 1,
  };
  const told = (node: string, flows: object[]): ExecAnswer => ({
    stdout: [JSON.stringify({ node, addresses: [], flows })],
  });

  async function ask(
    answers: Record<string, ExecAnswer>,
    given: string,
    pods: readonly object[] = podList,
  ): Promise<CommandAnswer> {
    const known = {
      '/api/v1/namespaces': ['shop', 'office', 'system'].map((name) => ({ metadata: { name } })),
      '/api/v1/nodes': ['n1', 'n2'].map((name) => ({ metadata: { name } })),
      '/api/v1/pods': pods,
    };
    server = await startExecServer((path) => answers[/agent-(n[0-9])/.exec(path)![1]!]!, known);
    await writeFile(join(folder, 'config'), server.config.exportConfig());
    await writeFile(join(folder, 'given.yaml'), given);
    return plan('-f', join(folder, 'given.yaml'), '--kubeconfig', join(folder, 'config'));
  }

  it('asks the agent of each node for its flows, and counts a flow of both nodes once', async () => {
    const { code, out, notes } = await ask({ n1: told('n1', [flow]), n2: told('n2', [flow]) }, isolating);
    match(
      out,
      /Would be cut: 1 flow of 1 seen, 2 connections\n  office\/client → shop\/web-5d-x TCP\/8080 \(ipv4\): 2 connections, 1 open\n/,
    );
    doesNotMatch(out, /pairs?\b/);
    deepEqual([code, notes], [1, '']);
    deepEqual(new Set(server!.execs.map(({ command }) => command.join(' '))), new Set(['postern node flows -o json']));
  });

  it('exits 0 if no flow would be cut', async () => {
    const { code, out } = await ask({ n1: told('n1', []), n2: told('n2', []) }, isolating);
    match(out, /1 pod becomes isolated[^]*Would be cut: none of 0 flows seen\n$/);
    equal(code, 0);
  });

  it('names a node that does not answer, and gives no all-clear', async () => {
    const silent: ExecAnswer = { stderr: "error: unknown command 'node'", exitCode: 2 };
    const { code, out, notes } = await ask({ n1: silent, n2: told('n2', []) }, isolating);
    match(
      notes,
      /^note: the flows of node n1 are missing: postern node flows in pod system\/agent-n1: error: unknown command 'node'$/m,
    );
    match(out, /Would be cut: none of/);
    equal(code, 2);
  });

  it('counts the flows that other nodes track for its pods', async () => {
    const { code, out } = await ask({ n1: { refused: 500 }, n2: told('n2', [flow]) }, isolating);
    match(out, /Would be cut: 1 flow/);
    equal(code, 1);
  });

  it('evaluates declared ports if the user may not ask the nodes, says so, and gives no all-clear', async () => {
    const { out, notes } = await ask({ n1: { refused: 403 }, n2: { refused: 403 } }, isolating);
    match(
      notes,
      /node n1 are missing: pod system\/agent-n1: not allowed: you need the verbs get and create on pods\/exec/,
    );
    match(notes, /note: no node answered, so the plan evaluates pairs of pods on their declared ports/);
    match(out, /office\/client → shop\/web-5d-x TCP\/8080/);
    await server!.close();
    equal((await ask({ n1: { refused: 403 }, n2: { refused: 403 } }, opening)).code, 2);
  });

  it('does the same without any agent, which is not a failure', async () => {
    const { code, notes } = await ask({}, opening, podList.slice(0, 2));
    equal(notes, 'note: no node has an agent, so the plan evaluates pairs of pods on their declared ports\n');
    equal(code, 0);
  });

  it('gives no all-clear if an agent does not run; an evicted agent does not hide its successor', async () => {
    const evicted = {
      ...agent('n1'),
      metadata: { ...agent('n1').metadata, name: 'old' },
      status: { phase: 'Failed' },
    };
    const alone = await ask({}, opening, [...podList.slice(0, 1), evicted]);
    match(alone.notes, /node n1 are missing: pod system\/old: the agent does not run: Failed/);
    equal(alone.code, 2);
    await server!.close();
    const waiting = { name: 'agent', state: { waiting: { reason: 'CrashLoopBackOff' } } };
    const crashing = { ...agent('n1'), status: { phase: 'Running', containerStatuses: [waiting] } };
    const crashed = await ask({}, opening, [...podList.slice(0, 1), crashing]);
    match(crashed.notes, /pod system\/agent-n1: the agent does not run: CrashLoopBackOff/);
    equal(crashed.code, 2);
    await server!.close();
    const beside = await ask({ n1: told('n1', []), n2: told('n2', []) }, opening, [...podList, evicted]);
    deepEqual([beside.code, beside.notes], [0, '']);
  });

  it('asks no pod of a tenant, and wants the namespace of the agents if it could be one', async () => {
    const tenant = agent('n1', 'alice');
    const plain = { ...tenant, spec: { ...tenant.spec, hostNetwork: false } };
    const answers = { n1: told('n1', [flow]), n2: told('n2', [flow]) };
    for (const pods of [
      [plain, ...podList],
      [...podList, plain],
    ]) {
      equal((await ask(answers, isolating, pods)).code, 1);
      deepEqual(
        server!.execs.filter(({ path }) => path.includes('alice')),
        [],
      );
      await server!.close();
    }
    const { notes } = await ask(answers, opening, [...podList.slice(0, 2), plain]);
    match(
      notes,
      /no node has an agent, [^\n]*; pod alice\/agent-n1 has the labels of an agent but is none: it is not on the host network\n/,
    );
    await server!.close();
    await rejects(
      ask(answers, isolating, [tenant, ...podList]),
      /several namespaces .*: alice, system; name .* --agent-namespace$/,
    );
    equal(server!.execs.length, 0);
  });

  it('applies the labels of a workload to its running pods', async () => {
    const template =
      'template: {metadata: {labels: {app: other}}, spec: {containers: [{name: web, ports: [{containerPort: 8080}]}]}}';
    const deployment = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 1, ${template}}\n`;
    const other = isolating.replace('app: web', 'app: other');
    const { out, notes } = await ask({ n1: told('n1', [flow]), n2: told('n2', [flow]) }, `${deployment}---\n${other}`);
    match(out, /Pod shop\/web-5d-x: changed[^]*shop\/web-5d-x: ingress by shop\/web[^]*Would be cut: 1 flow/);
    match(notes, /assuming that the pods of Deployment shop\/web keep their addresses/);
  });
});
