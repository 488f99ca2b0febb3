import { deepEqual, doesNotMatch, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { uiCommand, type UiTools } from '../../../src/cli/commands/ui.ts';
import type { FlowEnd, FlowHistory, KeptFlow } from '../../../src/flows/kept-flow.ts';
import type { PageData } from '../../../src/map/page-data.ts';
import { asAgent } from '../../support/agent-pod.ts';
import { runCommandLine, type CommandAnswer } from '../../support/command-line.ts';
import { startExecServer, type ExecAnswer, type ExecServer } from '../../support/exec-server.ts';
import { namespace, node, pod, policy } from '../../support/objects.ts';
import type { ApiObject } from '../../support/pipeline.ts';

const agent = (name: string): ApiObject => {
  const { spec: _, ...rest } = pod(`system/agent-${name}`);
  return asAgent({ ...rest, spec: { nodeName: name } });
};
const objects = [
  ...['shop', 'bank', 'system'].map((name) => namespace(name, { of: name })),
  node('n1', '192.0.2.1'),
  node('n2', '192.0.2.2'),
  pod('shop/web', { node: 'n1', ips: ['10.1.0.2'], labels: { app: 'web' } }),
  pod('bank/vault', { node: 'n2', ips: ['10.2.0.2'], labels: { app: 'vault' } }),
  policy('shop/web', { podSelector: {} }),
  policy('bank/vault', { podSelector: {} }),
  agent('n1'),
  agent('n2'),
];
const end = (home: string, app: string): FlowEnd => ({ kind: 'workload', namespace: home, labels: { app } });
const flow = (from: FlowEnd, to: FlowEnd): KeptFlow => ({
  ...{ from, to, local: 'both', protocol: 'TCP', port: 80, verdict: 'allowed', first: 90, last: 100 },
  minutes: [[100, 3]],
});
const history = (name: string, ...flows: readonly KeptFlow[]): FlowHistory => ({
  node: name,
  now: 100,
  since: 40,
  flows,
});
const [web, vault] = [end('shop', 'web'), end('bank', 'vault')];
const answers: Readonly<Record<string, ExecAnswer>> = {
  n1: { stdout: [JSON.stringify(history('n1', flow(vault, web), flow(vault, vault)))] },
  n2: { stdout: [JSON.stringify(history('n2', flow(vault, end('bank', 'evil\u202e'))))] },
};
const refusal = (message: string) => ({
  kind: 'Status',
  status: 'Failure',
  code: 403,
  message: `${message} is forbidden`,
});

describe('postern ui', () => {
  let folder: string;
  const servers: ExecServer[] = [];
  const open = async (...args: Parameters<typeof startExecServer>): Promise<ExecServer> => {
    const server = await startExecServer(...args);
    servers.push(server);
    return server;
  };
  let ending: PromiseWithResolvers<() => void>;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-ui-test-'));
    ending = Promise.withResolvers();
  });
  afterEach(async () => {
    // One that stays open keeps mocha from its end.
    await Promise.all(servers.splice(0).map((each) => each.close()));
    await rm(folder, { recursive: true });
  });

  const tools = (more: Partial<UiTools> = {}): UiTools => ({
    buildPage: async () => ({ html: 'page', script: 'script', style: 'style' }),
    exportPage: async (data) => JSON.stringify(data),
    opener: undefined,
    onEnd: (stop) => {
      ending.resolve(stop);
      return () => {};
    },
    ...more,
  });
  const of = (kind: string, home?: string) =>
    objects.filter((each) => each.kind === kind && (home === undefined || each.metadata['namespace'] === home));
  const whole = {
    '/api/v1/namespaces': of('Namespace'),
    '/api/v1/nodes': of('Node'),
    '/api/v1/pods': of('Pod'),
    '/apis/networking.k8s.io/v1/networkpolicies': of('NetworkPolicy'),
    '/apis/policy.networking.k8s.io': { versions: [] },
  };
  /** A user with rights in the namespaces shop and system. */
  const part = {
    ...Object.fromEntries(Object.keys(whole).map((path) => [path, refusal(path)])),
    '/apis/policy.networking.k8s.io': { versions: [] },
    '/api/v1/namespaces/shop': of('Namespace')[0]!,
    '/api/v1/namespaces/shop/pods': of('Pod', 'shop'),
    '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies': of('NetworkPolicy', 'shop'),
    '/api/v1/namespaces/system/pods': of('Pod', 'system'),
  };

  async function reach(lists: Readonly<Record<string, object>>): Promise<readonly string[]> {
    const server = await open((path) => answers[/agent-(n[0-9])/.exec(path)![1]!]!, lists);
    await writeFile(join(folder, 'config'), server.config.exportConfig());
    return ['--kubeconfig', join(folder, 'config')];
  }
  async function exported(...args: readonly string[]): Promise<CommandAnswer & { data: PageData; text: string }> {
    const file = join(folder, 'page.html');
    const answer = await runCommandLine((streams) => uiCommand(streams, tools()), [...args, '--export', file]);
    const text = await readFile(file, 'utf8');
    return { ...answer, text, data: JSON.parse(text) as PageData };
  }
  const namesOf = ({ objects: all }: PageData) =>
    all.map(({ kind, metadata }) => {
      const { namespace: home, name } = metadata as { namespace?: string; name: string };
      return `${kind as string} ${home === undefined ? '' : `${home}/`}${name}`;
    });

  it('has the objects, flows and findings of a cluster', async () => {
    const { data, code, notes } = await exported(...(await reach(whole)));
    equal(code, 0);
    deepEqual(data.source, { kind: 'cluster', name: servers.at(-1)!.config.getCurrentContext() });
    deepEqual(namesOf(data).toSorted(), [
      ...['Namespace bank', 'Namespace shop', 'Namespace system', 'NetworkPolicy bank/vault', 'NetworkPolicy shop/web'],
      ...['Node n1', 'Node n2', 'Pod bank/vault', 'Pod shop/web', 'Pod system/agent-n1', 'Pod system/agent-n2'],
    ]);
    deepEqual(
      new Map(data.histories.map(({ node: name, flows }) => [name, flows.length])),
      new Map([
        ['n1', 2],
        ['n2', 1],
      ]),
    );
    equal(data.shows, undefined);
    // The agents of this test have no doctor.
    ok(data.findings.some(({ check, subject }) => check === 'no-answer' && subject === 'node n1'));
    match(notes, /^wrote .*page\.html: /m);
  });

  it('cleans what agents say, and sends no arguments of containers', async () => {
    const { text } = await exported(...(await reach(whole)));
    match(text, /"app":"evil\?"/);
    doesNotMatch(text, /serviceAccountName|"args"|"image"/);
  });

  it('shows of other namespaces nothing', async () => {
    const { data, text, code } = await exported(
      ...(await reach(part)),
      ...['-n', 'shop', '--agent-namespace', 'system'],
    );
    equal(code, 0);
    deepEqual(namesOf(data), ['Namespace shop', 'Pod shop/web', 'NetworkPolicy shop/web']);
    // Pods of the namespace may have been on the other node before.
    deepEqual(data.histories, [history('n1', flow({ kind: 'others' }, web)), history('n2')]);
    equal(data.shows, 'part');
    doesNotMatch(text, /bank|vault|evil/);
    deepEqual(data.findings, []);
    deepEqual(data.notes, [
      'only namespace shop is shown',
      'nodes are missing, and with them their addresses: /api/v1/nodes is forbidden',
      'findings of postern doctor are missing: it reads all namespaces, and -n names some',
    ]);
    deepEqual(
      servers
        .at(-1)!
        .execs.map(({ path }) => path)
        .sort(),
      ['n1', 'n2'].map((name) => `/api/v1/namespaces/system/pods/agent-${name}/exec`),
    );
  });

  it('shows of other namespaces nothing to who may list them, so that a file for others has none', async () => {
    const { data } = await exported(...(await reach(whole)), ...['-n', 'shop', '--agent-namespace', 'system']);
    deepEqual(
      namesOf(data).filter((name) => name.startsWith('Namespace ')),
      ['Namespace shop'],
    );
  });

  it('says what is missing, and shows the rest', async () => {
    const { data } = await exported(...(await reach(part)), '-n', 'shop');
    deepEqual(namesOf(data), ['Namespace shop', 'Pod shop/web', 'NetworkPolicy shop/web']);
    ok(
      data.notes.includes(
        'flows: missing: you may not list the pods of all namespaces: name that of the agents with --agent-namespace',
      ),
      data.notes.join('\n'),
    );
    const unlabelled = { ...part, '/api/v1/namespaces/shop': refusal('namespaces "shop"') };
    const { data: less } = await exported(...(await reach(unlabelled)), '-n', 'shop');
    match(less.notes.join('\n'), /^rules that select namespace shop by its labels match nothing of it: .* forbidden$/m);
  });

  it('says what to do without rights in all namespaces, and without any in one', async () => {
    const args = await reach(part);
    await rejects(
      exported(...args),
      /cannot list Namespaces: .*forbidden; name the namespaces that you may read with -n/,
    );
    const without = {
      ...part,
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies': refusal('networkpolicies'),
    };
    await rejects(exported(...(await reach(without)), '-n', 'shop'), /cannot list NetworkPolicies of namespace shop: /);
    await rejects(
      exported(...(await reach(whole)), '-n', 'nowhere'),
      /--namespace: namespace "nowhere" does not exist/,
    );
    await rejects(exported(...args, '-n', '../../secrets'), /"\.\.\/\.\.\/secrets" is not a name of a namespace/);
  });

  it('shows nodes and all pods to who may not list nodes', async () => {
    const { data } = await exported(...(await reach({ ...whole, '/api/v1/nodes': refusal('nodes') })));
    equal(data.shows, 'part');
    ok(data.notes.includes('nodes are missing, and with them their addresses: nodes is forbidden'));
    equal(data.histories.length, 2);
  });

  it('shows a cluster without agents', async () => {
    const { data } = await exported(...(await reach({ ...whole, '/api/v1/pods': of('Pod', 'shop') })));
    deepEqual(data.histories, []);
    match(data.notes.join('\n'), /^flows: missing: no Postern agent runs in this cluster/m);
    match(data.notes.join('\n'), /^findings of postern doctor: missing: no agent pod found/m);
  });

  it('shows manifests alone, with what doctor finds in them, and says what is assumed', async () => {
    const probing = pod('shop/probe', {});
    const containers = [{ name: 'main', livenessProbe: { httpGet: { host: '203.0.113.9', port: 80 } } }];
    const items = [{ ...probing, apiVersion: 'v1', spec: { containers }, status: {} }];
    await writeFile(join(folder, 'all.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    const { data, notes } = await exported('-f', join(folder, 'all.json'));
    deepEqual(data.source, { kind: 'manifests', name: join(folder, 'all.json') });
    deepEqual(
      data.findings.map(({ check, subject }) => [check, subject]),
      [['probe-host', 'pod shop/probe']],
    );
    match(notes, /^note: addresses and nodes of 1 pod are assumed$/m);
    match(notes, /^note: namespace shop is not in the manifests/m);
  });

  it('shows files', async () => {
    const [base, flows] = [join(folder, 'all.json'), join(folder, 'n1.json')];
    const items = of('Pod').map((each) => ({ apiVersion: 'v1', ...each }));
    await writeFile(base, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await writeFile(flows, answers['n1']!.stdout![0]!);
    const { data } = await exported('--base', base, '--flows', flows);
    equal(data.histories[0]?.flows.length, 2);
    await rejects(exported('--base', base), /--base and --flows need each other/);
  });

  it('writes an export whole, for its owner, over an earlier one, and leaves nothing else', async () => {
    const file = join(folder, 'page.html');
    await writeFile(file, 'old');
    const args = ['-f', 'examples/first-light', '--export', file];
    const broken = tools({ exportPage: () => Promise.reject(new Error('no page')) });
    await rejects(
      runCommandLine((streams) => uiCommand(streams, broken), args),
      /no page/,
    );
    equal(await readFile(file, 'utf8'), 'old');
    await exported('-f', 'examples/first-light');
    equal((await stat(file)).mode & 0o777, 0o600);
    deepEqual(await readdir(folder), ['page.html']);
    const nowhere = ['-f', 'examples/first-light', '--export', join(folder, 'none', 'page.html')];
    await rejects(
      runCommandLine((streams) => uiCommand(streams, tools()), nowhere),
      /--export: cannot write .*ENOENT/,
    );
  });

  it('refuses flags that do not belong together', async () => {
    const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [['-f', 'x', '--lab'], /cannot be used with option/],
      [['-f', 'x', '-n', 'shop'], /cannot be used with option/],
      [['--lab', '-n', 'shop'], /cannot be used with option/],
      [['--lab', '--context', 'x'], /cannot be used with option/],
      [['--port', '65536', '-f', 'examples/first-light'], /--port: "65536" is not a port/],
      [['--port', '-1', '-f', 'examples/first-light'], /--port: "-1" is not a port/],
      [['--name', 'x'], /--name and --state-dir need --lab/],
    ];
    for (const [args, message] of wrong)
      await rejects(
        runCommandLine((streams) => uiCommand(streams, tools()), args),
        message,
      );
  });

  describe('while it serves', () => {
    /** Starts it, and resolves with its URL when it serves. */
    function start(args: readonly string[], more: Partial<UiTools> = {}) {
      const { promise: url, resolve, reject } = Promise.withResolvers<string>();
      const ended = runCommandLine((streams) => {
        const out = { write: (text: string) => (streams.out.write(text), resolve(text.trim())) };
        return uiCommand({ ...streams, out }, tools(more));
      }, args);
      ended.catch(reject);
      return { url, ended };
    }
    const stop = async (): Promise<void> => (await ending.promise)();

    it('prints a URL with a new token each time, answers, and ends', async () => {
      const urls: string[] = [];
      for (let turn = 0; turn < 2; turn++) {
        ending = Promise.withResolvers();
        const { url, ended } = start(['-f', 'examples/first-light']);
        urls.push(await url);
        const response = await fetch(new URL('data', await url));
        const data = (await response.json()) as PageData;
        equal(data.source.kind, 'manifests');
        equal(await (await fetch(await url)).text(), 'page');
        await stop();
        const { code, notes, out } = await ended;
        deepEqual([code, out], [0, `${urls.at(-1)}\n`]);
        match(notes, /^The command reads examples\/first-light and asks no cluster\.$/m);
        doesNotMatch(notes, new RegExp(urls.at(-1)!.split('/')[3]!));
        await rejects(fetch(await url));
      }
      for (const url of urls) match(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/);
      ok(urls[0] !== urls[1]);
    });

    it('asks each agent once, however many browsers ask', async () => {
      const { url, ended } = start(
        await reach(part).then((args) => [...args, '-n', 'shop', '--agent-namespace', 'system']),
      );
      const data = new URL('data', await url);
      const responses = await Promise.all(Array.from({ length: 40 }, () => fetch(data)));
      const etags = new Set(responses.map(({ headers }) => headers.get('etag')));
      deepEqual([etags.size, servers.at(-1)!.execs.length], [1, 2]);
      await Promise.all(responses.map((response) => response.text()));
      await stop();
      await ended;
    });

    it('ends while an agent does not answer', async () => {
      const server = await open(() => ({ ending: 'hang' }), whole);
      await writeFile(join(folder, 'config'), server.config.exportConfig());
      const { ended } = start(['--kubeconfig', join(folder, 'config')]);
      while (server.execs.length === 0) await new Promise((resolve) => setImmediate(resolve));
      await stop();
      await rejects(ended, /interrupted/);
    });

    it('opens a browser through a file of the user, so that no argument has the token', async () => {
      const seen = join(folder, 'seen');
      const opener = join(folder, 'browser');
      await writeFile(
        opener,
        `#!/bin/sh\ncp "$1" ${seen}.html\nstat -c %a "$1" > ${seen}\necho "$@" >> ${seen}\nmv ${seen} ${seen}.done\n`,
        { mode: 0o700 },
      );
      const { url, ended } = start(['-f', 'examples/first-light'], { opener });
      const token = (await url).split('/')[3]!;
      let said: string | undefined;
      while (said === undefined) said = await readFile(`${seen}.done`, 'utf8').catch(() => undefined);
      match(said, /^600\n\/\S+\/postern-ui-\w+\/open\.html\n$/);
      ok(!said.includes(token));
      ok((await readFile(`${seen}.html`, 'utf8')).includes(`url=${await url}"`));
      await stop();
      await ended;
      await rejects(stat(said.split('\n')[1]!), /ENOENT/);
    });
  });
});
