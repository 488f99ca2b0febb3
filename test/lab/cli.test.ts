import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, afterEach, before, describe, it } from 'mocha';
import { listNamespaces } from '../../src/lab/network-namespace.ts';
import { LabState } from '../../src/lab/state.ts';
import { readDocuments } from '../../src/manifests/documents.ts';
import { host, pod } from './objects.ts';
import { until } from './until.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const firstLight = fileURLToPath(new URL('../../examples/first-light', import.meta.url));
const name = `cli${process.pid}`;

const policy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'shop', name: 'api' },
  spec: {
    podSelector: { matchLabels: { pod: 'api' } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'web' } } }] }],
  },
};
const objects = [
  pod('shop', 'api', ['TCP/8080'], { nodeName: 'n1' }),
  pod('shop', 'web', ['TCP/80', 'UDP/53'], { nodeName: 'n2' }),
  host('outside', ['10.0.0.1', 'fd00:10::1'], [{ port: 5432 }]),
  policy,
];

describe('postern lab (kernel)', function () {
  this.timeout(180_000);
  let directory: string;
  let manifests: string;
  let state: LabState;
  const which = (): string[] => ['--name', name, '--state-dir', join(directory, 'state')];
  const lab = (verb: string, ...args: readonly string[]) =>
    execa(process.execPath, [main, 'lab', verb, ...which(), ...args], { reject: false });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-cli-'));
    manifests = join(directory, 'objects.json');
    await writeFile(manifests, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    state = new LabState(name, join(directory, 'state'));
  });
  const assertNothingLeft = async (): Promise<void> => {
    assert.deepEqual(await listNamespaces(state.names.prefix), []);
    assert.deepEqual(await readdir(join(directory, 'state')), []);
  };
  afterEach(async () => {
    const owner = await state.owner();
    if (owner !== undefined) process.kill(owner, 'SIGKILL');
    await state.remove();
  });
  after(() => rm(directory, { recursive: true }));

  /** Runs in the foreground; resolves when the lab reports that it is running. */
  const startForeground = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [main, 'lab', 'up', ...which(), '-f', manifests], { stdio: 'pipe' });
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    assert.match(String(text), /is running \(bridge, dual\):\n {2}node n1 .*\n {4}shop\/api +10\.244\.1\.\d+ fd00:/);
    return child;
  };

  it('run: starts, probes, prints, removes', async () => {
    const { stdout, stderr, exitCode } = await lab('run', '-f', manifests);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^ {2}ipv4 and ipv6 .*1 {3}2 {3}3$/m);
    assert.match(stdout, /^ {2}2 shop\/web {6}\. {3}\.\. {2}\.$/m);
    assert.match(stdout, /^ {2}3 host\/outside {2}X {3}\.\. {2}\.$/m);
    assert.match(stdout, /shop\/api is isolated for ingress by shop\/api.*\n {4}from host\/outside: TCP\/8080\n/);
    await assertNothingLeft();
  });

  it('up --detach, probe, exec, down', async () => {
    const kubeconfig = join(directory, 'kubeconfig');
    const up = await lab(
      'up',
      '-f',
      manifests,
      '--detach',
      '--cni',
      'ptp',
      '--family',
      'ipv4',
      ...['--uplink', 'bridge', '--network', 'vxlan', '--rp-filter', '2'],
      '--kubeconfig-out',
      kubeconfig,
    );
    assert.equal(up.exitCode, 0, up.stderr);
    for (const node of ['n1', 'n2']) {
      const socket = new RegExp(`^ +${node} +(/.*\\.sock)$`, 'm').exec(up.stdout)?.[1];
      const ready = await execa('curl', ['-s', '--unix-socket', socket!, 'http://agent/readyz?verbose']);
      assert.match(ready.stdout, /ok/);
      assert.match(await readFile(join(socket!, '../agent.log'), 'utf8'), /"msg":/);
    }

    const links = await lab('exec', 'node/n1', '--', 'ip', '-details', 'link');
    assert.match(links.stdout, /: eth0: .*\n.*\n +bridge [^]*: flannel\.1: /);
    const filter = await lab('exec', 'node/n1', '--', 'cat', '/proc/sys/net/ipv4/conf/all/rp_filter');
    assert.equal(filter.stdout, '2');

    const all = await lab('probe', '-o', 'json');
    assert.equal(all.exitCode, 0, all.stderr);
    const results = JSON.parse(all.stdout) as Record<string, string>[];
    assert.equal(results.length, 3 * 4);
    assert.deepEqual(results[0], {
      from: 'shop/api',
      to: 'shop/api',
      port: 'TCP/8080',
      family: 'ipv4',
      observed: 'allowed',
      expected: 'allowed',
    });
    const denied = results.filter(({ observed }) => observed === 'denied');
    assert.deepEqual(
      denied.map(({ from, to, port }) => [from, to, port]),
      [['host/outside', 'shop/api', 'TCP/8080']],
    );

    const some = await lab('probe', '-o', 'json', '--port', '8080', '--port', 'icmp', '--family', 'ipv4');
    const ports = (JSON.parse(some.stdout) as Record<string, string>[]).map(({ port }) => port);
    assert.deepEqual(new Set(ports), new Set(['TCP/8080', 'icmp']));

    const none = await lab('probe', '--port', '8081');
    assert.deepEqual(
      [none.exitCode, none.stdout, none.stderr],
      [2, '', 'postern: nothing to probe: no pod or host declares TCP/8081; pods answer on their containerPorts'],
    );

    const pods = await execa('kubectl', ['--kubeconfig', kubeconfig, '-n', 'shop', 'get', 'pods', '-o', 'name']);
    assert.equal(pods.stdout, 'pod/api\npod/web');

    const inside = await lab('exec', 'shop/web', '--', 'sh', '-c', 'ip -br address; exit 7');
    assert.equal(inside.exitCode, 7);
    assert.match(inside.stdout, /10\.244\.2\./);
    const mistyped = await lab('exec', 'shop/ap', '--', 'true');
    assert.deepEqual(
      [mistyped.exitCode, mistyped.stderr],
      [2, 'postern: shop/ap: no running pod has this name; did you mean shop/api?'],
    );

    // A running lab prevents a second one; both processes of the second end with the reason.
    const second = await lab('up', '-f', manifests, '--detach');
    assert.equal(second.exitCode, 2);
    assert.match(
      second.stderr,
      new RegExp(`^postern: lab ${name} is running \\(pid .*postern lab down --name ${name} `),
    );

    const other = await execa(
      process.execPath,
      [main, 'lab', 'probe', '--name', 'other', '--state-dir', join(directory, 'state')],
      { reject: false },
    );
    assert.deepEqual(
      [other.exitCode, other.stderr],
      [2, `postern: lab other is not running, but ${name}: choose with --name`],
    );

    const unknown = await execa(process.execPath, [
      ...[main, 'lab', 'down', '--name', 'other', '--state-dir', join(directory, 'state')],
    ]);
    assert.equal(unknown.stdout, `lab other does not exist: nothing to remove; ${name} is running: choose with --name`);

    const down = await lab('down');
    assert.equal(down.exitCode, 0, down.stderr);
    assert.equal(down.stdout, `lab ${name} is removed`);
    await assertNothingLeft();
    const again = await lab('down');
    assert.deepEqual([again.exitCode, again.stdout], [0, `lab ${name} does not exist: nothing to remove`]);
  });

  it('up, probe, suggest: from a checkout to policies for what was seen in three commands, as in the README', async () => {
    const postern = (...args: string[]) => execa(process.execPath, [main, ...args, ...which()]);
    await postern('lab', 'up', '-f', firstLight, '--detach');
    await postern('lab', 'probe');
    const { stdout } = await postern('suggest', '--lab', '-n', 'shop');
    assert.match(stdout, /^# shop: pod\/api\n# replay: .*, 0 denied$/m);
    // The policies of the example let in the storefront, and not office/desk.
    const [api] = readDocuments(stdout).map((each) => ('value' in each ? each.value : assert.fail(each.error)));
    const { from } = (api as { spec: { ingress: { from: unknown }[] } }).spec.ingress[0]!;
    assert.match(JSON.stringify(from), /storefront/);
    assert.doesNotMatch(JSON.stringify(api), /office/);
    await postern('lab', 'down');
    await assertNothingLeft();
  });

  it('probe: exits 1 with a warning if the result differs from the policies', async () => {
    await lab('up', '-f', manifests, '--detach');
    const drop = 'table inet postern-test { chain f { type filter hook forward priority 0; tcp dport 8080 drop; }; }';
    await lab('exec', 'node/n1', '--', 'nft', drop);
    const { stdout, exitCode } = await lab('probe', '--port', 'TCP/8080', '--family', 'ipv4');
    assert.equal(exitCode, 1);
    assert.match(stdout, /^ {2}2 shop\/web {6}\?$/m);
    assert.match(stdout, /NOT WHAT THE POLICIES SAY \(1\):\n {2}shop\/web -> shop\/api TCP\/8080 ipv4: denied/);
  });

  it('Ctrl-C leaves nothing', async () => {
    const child = await startForeground();
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    assert.deepEqual(await ended, [0, null]);
    await assertNothingLeft();
  });

  /** Moments of a start, and how the test detects them. */
  const moments: readonly (readonly [what: string, isReached: () => Promise<boolean>])[] = [
    ['it is there', async () => (await state.owner()) !== undefined],
    ['the first namespace', () => hasNamespace('fabric')],
    ['a node', () => hasNamespace('node-')],
    ['a host', () => hasNamespace('host-')],
    ['a pod', () => hasNamespace('pod-')],
    ['an agent', async () => (await agentsOf(state)).length > 0],
  ];
  const hasNamespace = async (kind: string): Promise<boolean> =>
    (await listNamespaces(`${state.names.prefix}${kind}`)).length > 0;
  const verbs = [['run'], ['up'], ['up', '--detach']] as const;
  const interruptions = moments.flatMap((moment, index) =>
    [...(index % 3 === 1 ? verbs : verbs.slice(0, 1))].map((verb) => [moment, verb] as const),
  );
  for (const [[what, isReached], verb] of interruptions) {
    it(`Ctrl-C during \`${verb.join(' ')}\`, once there is ${what}: one line, 130, no results, nothing left`, async () => {
      const running = lab(verb[0], ...verb.slice(1), '-f', manifests);
      await until(isReached);
      running.kill('SIGINT');
      const { exitCode, signal, stdout, stderr } = await running;
      assert.deepEqual([exitCode, signal, stderr], [130, undefined, `postern: interrupted; lab ${name} is removed`]);
      assert.doesNotMatch(stdout, /allowed|Ctrl-C stops it/);
      await assertNothingLeft();
    });
  }

  it('Ctrl-C while `run` probes: no results, because a lab that stops answers nothing', async () => {
    const running = lab('run', '-f', manifests);
    for await (const line of running) {
      // The probe follows, and takes a second because some connections are denied.
      if (line.startsWith('  policies:')) running.kill('SIGINT');
    }
    const { exitCode, stdout, stderr } = await running;
    assert.deepEqual([exitCode, stderr], [130, `postern: interrupted; lab ${name} is removed`]);
    assert.doesNotMatch(stdout, /allowed/);
    await assertNothingLeft();
  });

  it('a detached start that fails ends both of its processes', async () => {
    const bad = join(directory, 'bad-host.json');
    await writeFile(bad, JSON.stringify(host('twice', ['172.30.0.77'], [])));
    const { exitCode, stderr } = await lab('up', '--detach', '-f', bad);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^postern: .*172\.30\.0\.77/);
    await until(async () => (await state.owner()) === undefined);
    await assertNothingLeft();
  });

  it('after SIGKILL, `down` leaves nothing', async () => {
    const child = await startForeground();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    assert.notDeepEqual(await listNamespaces(state.names.prefix), []);
    const agents = await agentsOf(state);
    assert.equal(agents.length, 2);
    const probe = await lab('probe');
    assert.equal(probe.exitCode, 2);
    assert.match(probe.stderr, new RegExp(`crashed; .* postern lab down --name ${name} `));
    const { stdout, exitCode } = await lab('down');
    assert.equal(exitCode, 0);
    assert.match(stdout, /removed the remains of/);
    await assertNothingLeft();
    await until(async () => (await agentsOf(state)).length === 0);
  });

  it('exits 2 with one line for unsupported requests', async () => {
    const lines = async (verb: string, ...args: string[]): Promise<string> => {
      const { stderr, exitCode } = await lab(verb, ...args);
      assert.equal(exitCode, 2);
      assert.equal(stderr.split('\n').length, 1, stderr);
      return stderr;
    };
    assert.match(await lines('probe'), /no lab is running/);
    assert.match(await lines('exec', 'shop/web', '--', 'true'), /no lab is running/);
    assert.match(await lines('run', '-f', join(directory, 'nowhere')), /no such file/);
    const bad = join(directory, 'bad.json');
    await writeFile(bad, JSON.stringify({ ...policy, spec: { ...policy.spec, policyTypes: ['Inwards'] } }));
    assert.match(await lines('run', '-f', bad), /NetworkPolicy shop\/api: .*policyTypes/);
  });

  it('exits 2 with one line for missing requirements', async () => {
    const up = [process.execPath, main, 'lab', 'up'] as const;
    const bare = await execa(up[0], up.slice(1), { reject: false, extendEnv: false, env: { PATH: '/nowhere' } });
    assert.deepEqual([bare.exitCode, bare.stderr], [2, 'postern: ip is not installed: apt-get install iproute2']);
    // In a user namespace without an id map, no user is root.
    const nobody = await execa('unshare', ['--user', ...up], { reject: false });
    assert.deepEqual([nobody.exitCode, nobody.stderr], [2, 'postern: the lab needs root: run it with sudo']);
  });
});

/** Pids of the agents of a lab, by the sockets that they listen on. */
async function agentsOf({ directory }: LabState): Promise<string[]> {
  const { stdout } = await execa('pgrep', ['-f', `agent .*--listen unix:${directory}/`], { reject: false });
  return stdout.split('\n').filter((line) => line !== '');
}
