import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { flowsCommand } from '../../src/cli/commands/flows.ts';
import { suggestCommand } from '../../src/cli/commands/suggest.ts';
import type { FlowEnd, FlowHistory, KeptFlow } from '../../src/flows/kept-flow.ts';
import { readDocuments } from '../../src/manifests/documents.ts';
import { asAgent } from '../support/agent-pod.ts';
import { runCommandLine } from '../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../support/exec-server.ts';
import { namespace, node, pod } from '../support/objects.ts';
import type { ApiObject } from '../support/pipeline.ts';

const agent = (name: string): ApiObject => {
  const { spec: _, ...rest } = pod(`system/agent-${name}`);
  return asAgent({ ...rest, spec: { nodeName: name } });
};
const owned = (object: ApiObject, kind: string, name: string): ApiObject => ({
  ...object,
  metadata: { ...object.metadata, ownerReferences: [{ apiVersion: 'apps/v1', kind, name, controller: true }] },
});
const objects = [
  ...['shop', 'ops', 'system', 'kube-system'].map((name) => namespace(name)),
  node('n1', '192.0.2.1'),
  node('n2', '192.0.2.2'),
  owned(
    pod('shop/web-abc-1', { node: 'n1', ips: ['10.1.0.2'], labels: { app: 'web', 'pod-template-hash': 'abc' } }),
    'ReplicaSet',
    'web-abc',
  ),
  owned(
    pod('shop/db-0', {
      node: 'n2',
      ips: ['10.2.0.2'],
      labels: { app: 'db' },
      ports: [{ name: 'sql', containerPort: 5432 }],
    }),
    'StatefulSet',
    'db',
  ),
  pod('ops/probe', { node: 'n2', ips: ['10.2.0.3'], labels: { app: 'probe' } }),
  agent('n1'),
  agent('n2'),
];
const end = (home: string, app: string): FlowEnd => ({ kind: 'workload', namespace: home, labels: { app } });
const [web, db, probe] = [end('shop', 'web'), end('shop', 'db'), end('ops', 'probe')];
const flow = (from: FlowEnd, to: FlowEnd, more: Partial<KeptFlow> = {}): KeptFlow => ({
  ...{ from, to, local: 'source', protocol: 'TCP', port: 5432, verdict: 'allowed' },
  ...{
    first: 90,
    last: 100,
    minutes: [
      [90, 2],
      [100, 3],
    ],
  },
  ...more,
});
const history = (name: string, flows: readonly KeptFlow[], more: Partial<FlowHistory> = {}): FlowHistory => ({
  ...{ node: name, now: 100, since: 1, look: { seconds: 0.2, connections: 40 }, flows },
  ...more,
});
const ofNodes = [
  history('n1', [
    flow(web, db),
    flow({ kind: 'block', cidr: '203.0.113.9/32' }, web, { local: 'destination', port: 8080, minutes: [[100, 900]] }),
  ]),
  history('n2', [
    flow(web, db, { local: 'destination' }),
    flow(probe, db, { verdict: 'denied', local: 'both', minutes: [[99, 1]], last: 99 }),
    flow(end('ops', 'gone'), { kind: 'others' }, { port: 'other', local: 'source', minutes: [] }),
  ]),
];

describe('postern flows and suggest', () => {
  let folder: string;
  let server: ExecServer | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-flows-'));
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
    await rm(folder, { recursive: true });
  });

  const told = (answer: unknown): ExecAnswer => ({ stdout: [JSON.stringify(answer)] });
  const usual = { n1: told(ofNodes[0]), n2: told(ofNodes[1]) };

  async function ask(
    command: Parameters<typeof runCommandLine>[0],
    answers: Record<string, ExecAnswer>,
    ...args: readonly string[]
  ) {
    return askAs(command, {}, answers, ...args);
  }

  async function askAs(
    command: Parameters<typeof runCommandLine>[0],
    lists: Readonly<Record<string, object>>,
    answers: Record<string, ExecAnswer>,
    ...args: readonly string[]
  ) {
    await server?.close();
    const of = (kind: string) => objects.filter((each) => each.kind === kind);
    server = await startExecServer((path) => answers[/agent-(n[0-9])/.exec(path)![1]!]!, {
      '/api/v1/namespaces': of('Namespace'),
      '/api/v1/nodes': of('Node'),
      '/api/v1/pods': of('Pod'),
      '/apis/policy.networking.k8s.io': { versions: [] },
      ...lists,
    });
    await writeFile(join(folder, 'config'), server.config.exportConfig());
    return runCommandLine(command, ['--kubeconfig', join(folder, 'config'), ...args]);
  }

  it('shows a line for each, the most connections first, with names of controllers', async () => {
    const { out, notes, code } = await ask(flowsCommand, usual);
    deepEqual(out.split('\n'), [
      'FROM                 TO                   PORT             VERDICT  CONNECTIONS  LAST SEEN',
      '203.0.113.9          shop/deployment/web  TCP/8080         allowed  900          now',
      'shop/deployment/web  shop/statefulset/db  TCP/5432         allowed  5            now',
      'ops/pod/probe        shop/statefulset/db  TCP/5432         denied   1            1 min ago',
      'ops: app=gone        others               TCP/other ports  allowed  open         now',
      '',
    ]);
    deepEqual([notes, code], ['', 0]);
    deepEqual(
      server!.execs.map(({ command }) => command),
      Array.from({ length: 2 }, () => ['postern', 'node', 'history', '-o', 'json']),
    );
  });

  it('shows a namespace, and a time', async () => {
    const ofOps = await ask(flowsCommand, usual, '-n', 'ops');
    equal(ofOps.out.trim().split('\n').length, 3);
    const recent = await ask(flowsCommand, usual, '--since', '1m', '-A');
    match(recent.out, /shop\/deployment\/web +shop\/statefulset\/db +TCP\/5432 +allowed +3 /);
    ok(!recent.out.includes('denied'));
    const none = await ask(
      flowsCommand,
      { n1: told(history('n1', [])), n2: told(history('n2', [])) },
      '-n',
      'ops',
      '--since',
      '5m',
    );
    deepEqual([none.out, none.code], ['no connection with a pod of namespace ops was seen in the last 5 minutes\n', 0]);
  });

  it('prints JSON and YAML for machines', async () => {
    const { out } = await ask(flowsCommand, usual, '-o', 'json', '-n', 'ops');
    const answer = JSON.parse(out) as { nodes: unknown[]; flows: Record<string, unknown>[] };
    deepEqual(answer.nodes[0], {
      node: 'n1',
      since: '1970-01-01T00:40:00.000Z',
      look: { seconds: 0.2, connections: 40 },
    });
    deepEqual(answer.flows[0], {
      from: { name: 'ops/pod/probe', ...probe },
      to: { name: 'shop/statefulset/db', ...db },
      ...{ protocol: 'TCP', port: 5432, verdict: 'denied', connections: 1 },
      first: '1970-01-01T01:30:00.000Z',
      last: '1970-01-01T01:39:00.000Z',
      counts: [{ minute: '1970-01-01T01:39:00.000Z', connections: 1 }],
    });
    const yaml = await ask(flowsCommand, usual, '-o', 'yaml', '-n', 'ops');
    const [document] = readDocuments(yaml.out);
    deepEqual(document && 'value' in document && document.value, answer);
  });

  it('says which node did not answer, or cannot see', async () => {
    const broken = { n1: { refused: 403 }, n2: told(history('n2', [], { failing: 'error 1' })) };
    const { notes, code } = await ask(flowsCommand, broken);
    match(notes, /note: the flows of node n1 are missing: pod system\/agent-n1: /);
    match(notes, /note: the flows of node n2 are missing: its agent cannot read the tracked connections: error 1\n/);
    equal(code, 2);
    const odd = await ask(flowsCommand, { n1: told({ node: 'n1' }), n2: told(ofNodes[1]) });
    match(odd.notes, /node n1 are missing: now and since: not as expected/);
  });

  it('is enough with the rights for one namespace, and names no pod of others', async () => {
    const forbidden = { kind: 'Status', code: 403, reason: 'Forbidden', message: 'pods is forbidden' };
    const of = (home: string) => objects.filter((each) => each.kind === 'Pod' && each.metadata.namespace === home);
    const rights = {
      '/api/v1/pods': forbidden,
      '/api/v1/namespaces': forbidden,
      '/api/v1/namespaces/shop': forbidden,
      '/api/v1/nodes': forbidden,
      '/api/v1/namespaces/shop/pods': of('shop'),
      '/api/v1/namespaces/system/pods': of('system'),
    };
    const args = ['--agent-namespace', 'system'];
    const { out, notes, code } = await askAs(flowsCommand, rights, usual, '-n', 'shop', ...args);
    equal(code, 0);
    match(
      notes,
      /^note: only namespace shop is shown\nnote: rules that select namespace shop by its labels match nothing of it/,
    );
    match(out, /^shop\/deployment\/web +shop\/statefulset\/db +TCP\/5432 +allowed +5 /m);
    match(out, /^others +shop\/statefulset\/db +TCP\/5432 +denied +1 /m);
    ok(!out.includes('probe') && !out.includes('gone'), out);
    const suggested = await askAs(suggestCommand, rights, usual, '-n', 'shop', ...args);
    match(suggested.out, /# WARNING: only namespace shop is shown\n/);
    match(suggested.out, /name: db\n/);
    await rejects(askAs(flowsCommand, rights, usual, ...args), /cannot list Namespaces: .*with -n NAMESPACE/);
  });

  it('says so if the clock of a node differs, and shows its flows by that of others', async () => {
    const late = history('n2', [flow(web, probe, { first: 990, last: 1000, minutes: [[1000, 4]] })], {
      now: 1000,
      since: 940,
    });
    const { out, notes } = await ask(flowsCommand, { n1: usual.n1, n2: told(late) });
    match(out, /^shop\/deployment\/web +ops\/pod\/probe +TCP\/5432 +allowed +4 +now$/m);
    match(
      notes,
      /^note: the clock of node n1 is 900 minutes behind that of node n2: its flows are shown by the clock of n2$/m,
    );
  });

  it('does not let an agent write to the terminal', async () => {
    const evil = { kind: 'workload', namespace: 'shop', labels: { app: '\u001b[31mred\u202e' } } as const;
    const { out } = await ask(flowsCommand, { n1: told(history('n1', [flow(evil, db)])), n2: told(history('n2', [])) });
    ok(!out.includes('\u001b') && !out.includes('\u202e'), out);
    match(out, /shop: app=\?\[31mred\?/);
  });

  it('refuses what it does not know', async () => {
    const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [['-n', 'nowhere'], /--namespace: namespace "nowhere" does not exist/],
      [['--since', '2h'], /--since: "2h" is not a time from 1m to 1h/],
      [['--since', '0m'], /--since/],
      [['--name', 'x'], /--name and --state-dir need --lab/],
      [['--flows', 'x'], /--base and --flows need each other/],
    ];
    for (const [args, message] of wrong) await rejects(ask(flowsCommand, usual, ...args), message);
  });

  it('suggests policies for a namespace or a workload, with where they come from', async () => {
    const { out, notes, code } = await ask(suggestCommand, usual, '-n', 'shop');
    equal(code, 0);
    match(notes, /^note: no DNS server/);
    match(
      out,
      /^# Suggested from connections of the last 60 minutes on 2 nodes\.\n---\n# shop: deployment\/web\n# replay: 2 flows/,
    );
    match(
      out,
      /# shop: statefulset\/db\n# replay: .* 0 denied\n# not allowed:\n# - ops\/pod\/probe → shop\/statefulset\/db TCP\/5432 \(1 connection\): denied by a policy/,
    );
    const documents = readDocuments(out).map((each) => ('value' in each ? (each.value as ApiObject) : undefined));
    deepEqual(
      documents.map((each) => each?.metadata.name),
      ['web', 'db'],
    );
    const one = await ask(suggestCommand, usual, '-n', 'shop', 'db', '-o', 'json');
    const { suggestions } = JSON.parse(one.out) as {
      suggestions: { policy: unknown; leftOut: { whyNot: string }[] }[];
    };
    deepEqual([suggestions.length, suggestions[0]?.policy], [1, documents[1]]);
    deepEqual(
      suggestions[0]?.leftOut.map(({ whyNot }) => whyNot),
      ['denied'],
    );
    const denied = await ask(suggestCommand, usual, '-n', 'shop', 'statefulset/db', '--include-denied');
    ok(!denied.out.includes('not allowed'));
  });

  it('says in the file what the agents cannot have seen', async () => {
    const young = { n1: told(history('n1', ofNodes[0]!.flows, { since: 98 })), n2: { refused: 403 } };
    const { out, notes, code } = await ask(suggestCommand, young, '-n', 'shop');
    equal(code, 2);
    match(
      out,
      /^# Suggested from connections of the last 2 minutes on 1 node\.\n# WARNING: the flows of node n2 are missing: /,
    );
    match(out, /\n# WARNING: the agent of node n1 has kept flows for 2 minutes only\n/);
    ok(!out.includes('name: db\n'), out);
    match(notes, /note: shop\/statefulset\/db: its pods run where no agent has told what it saw \(n2\): no policy/);
    const seen = await ask(flowsCommand, young, '-n', 'kube-system');
    match(seen.out, /^no connection with a pod of namespace kube-system was seen in the last 2 minutes\n/);
    match(seen.notes, /note: the agent of node n1 has kept flows for 2 minutes only\n/);
  });

  it('names what there is if a workload or a namespace has none', async () => {
    await rejects(
      ask(suggestCommand, usual, '-n', 'shop', 'wep'),
      /workload "wep" does not run in namespace shop; (did you mean|known: deployment\/web, statefulset\/db)/,
    );
    await rejects(ask(suggestCommand, usual, '-n', 'kube-system'), /no workload runs in namespace kube-system/);
  });

  it('writes to a new file only', async () => {
    const file = join(folder, 'shop.yaml');
    const { out } = await ask(suggestCommand, usual, '-n', 'shop', '-f', file);
    equal(out, '');
    const text = await readFile(file, 'utf8');
    match(text, /kind: NetworkPolicy/);
    await rejects(
      ask(suggestCommand, usual, '-n', 'ops', '-f', file),
      /--file: .* exists: name another file, or delete it/,
    );
    equal(await readFile(file, 'utf8'), text);
    await rejects(ask(suggestCommand, usual, '-n', 'shop', '-f', '-'), /-f names a file to write/);
  });

  it('works on files', async () => {
    const [base, first, second] = ['cluster.json', 'n1.json', 'n2.json'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const items = objects.map((each) => ({ apiVersion: 'v1', ...each }));
    await writeFile(base, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await writeFile(first, JSON.stringify(ofNodes[0]));
    await writeFile(second, JSON.stringify(ofNodes[1]));
    const args = ['--base', base, '--flows', first, '--flows', second];
    const flows = await runCommandLine(flowsCommand, args);
    match(flows.out, /shop\/deployment\/web +shop\/statefulset\/db +TCP\/5432 +allowed +5 /);
    const suggested = await runCommandLine(suggestCommand, [...args, '-n', 'shop', 'db']);
    match(suggested.out, /name: db\n/);
    await writeFile(second, '{}');
    await rejects(
      runCommandLine(flowsCommand, args),
      /--flows: .*n2\.json: node: not as expected.*postern node history -o json/,
    );
  });
});
