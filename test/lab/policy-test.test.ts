import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { serveControl } from '../../src/lab/control.ts';
import { Lab } from '../../src/lab/lab.ts';
import { listNamespaces } from '../../src/lab/network-namespace.ts';
import { host, pod } from './objects.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const name = `expect${process.pid}`;

const objects = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'office' } },
  pod('shop', 'api', ['TCP/8080', 'UDP/53', 'SCTP/7'], { nodeName: 'n1' }),
  pod('shop', 'web', ['TCP/80'], { nodeName: 'n2' }),
  pod('office', 'desk', ['TCP/80'], { nodeName: 'n2' }),
  host('partner', ['10.0.0.1', 'fd00:10::1'], [{ port: 5432 }]),
  host('stranger', ['10.0.0.2', 'fd00:10::2'], [{ port: 5432 }]),
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: 'api' },
    spec: {
      podSelector: { matchLabels: { pod: 'api' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'web' } } }] }],
      egress: [{ to: [{ ipBlock: { cidr: '10.0.0.1/32' } }] }],
    },
  },
  {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'guard' },
    spec: {
      tier: 'Admin',
      priority: 1,
      subject: { namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } } },
      egress: [
        {
          name: 'no-office',
          action: 'Deny',
          to: [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'office' } } }],
        },
      ],
    },
  },
];

type Raw = Readonly<Record<string, unknown>>;
const allowed = (from: unknown, to: unknown, port: unknown): Raw => ({ from, to, port, expect: 'allowed' });
const denied = (from: unknown, to: unknown, port: unknown): Raw => ({ from, to, port, expect: 'denied' });

const tests: readonly Raw[] = [
  allowed('shop/web', 'shop/api', 8080),
  allowed('shop/web', 'shop/api', 'tcp-8080'),
  allowed('shop/web', 'shop/api', 'UDP/53'),
  allowed('shop/web', 'shop/api', 'SCTP/7'),
  allowed('shop/web', 'shop/api', 'icmp'),
  // No program listens there: the kernel of the pod refuses what arrives.
  allowed('shop/web', 'shop/api', 9),
  denied({ namespace: 'office' }, { namespace: 'shop', podSelector: { matchLabels: { pod: 'api' } } }, 8080),
  denied('office/desk', 'shop/api', 9),
  denied('office/desk', 'shop/api', 'UDP/53'),
  denied('office/desk', 'shop/api', 'SCTP/7'),
  denied('office/desk', 'shop/api', 'icmp'),
  // The Admin tier, against no NetworkPolicy of shop/web.
  denied('shop/web', 'office/desk', 80),
  allowed('office/desk', 'shop/web', 80),
  // S5.1
  allowed('node/n1', 'shop/api', 8080),
  allowed('shop/api', 'host/partner', 5432),
  denied('shop/api', '10.0.0.2', 5432),
  denied('shop/api', { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.1/32'] } }, 5432),
].map((test, index): Raw => (index === 14 ? { ...test, family: 'ipv4' } : test));

const flipped = tests.map((test) => ({ ...test, expect: test['expect'] === 'allowed' ? 'denied' : 'allowed' }));

interface Result {
  readonly status: string;
  readonly untried: number;
  readonly message?: string;
  readonly failures: readonly { readonly observed?: string; readonly policies: string; readonly meaning?: string }[];
}

describe('postern test in a lab (kernel)', function () {
  this.timeout(180_000);
  let directory: string;
  let lab: Lab;
  let control: Server;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-expect-'));
    await writeFile(
      join(directory, 'objects.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
    lab = await Lab.up({ name, stateRoot: join(directory, 'state'), objects });
    control = await serveControl(lab, lab.state.controlSocket);
  });
  after(async () => {
    control?.close();
    await lab?.down();
    await rm(directory, { recursive: true });
  });

  const run = async (asked: readonly Raw[], ...flags: string[]) => {
    const file = join(directory, 'tests.json');
    const document = {
      apiVersion: 'postern.dev/v1alpha1',
      kind: 'PolicyTest',
      metadata: { name: 'shop' },
      tests: asked,
    };
    await writeFile(file, JSON.stringify(document));
    const args = [main, 'test', file, '-o', 'json', ...flags];
    const { exitCode, stdout, stderr } = await execa(process.execPath, args, { reject: false });
    if (stdout === '') assert.fail(stderr);
    return { exitCode, results: (JSON.parse(stdout) as { tests: Result[] }).tests };
  };
  const inLab = (asked: readonly Raw[]) => run(asked, '--lab', '--name', name, '--state-dir', join(directory, 'state'));
  const fromManifests = (asked: readonly Raw[]) => run(asked, '-f', join(directory, 'objects.json'));

  for (const [how, check] of [
    ['the policies of the manifests', fromManifests],
    ['packets', inLab],
  ] as const) {
    it(`one file holds by ${how}, and each flipped expectation fails`, async () => {
      const straight = await check(tests);
      assert.deepEqual(
        [straight.exitCode, straight.results.map(({ status }) => status)],
        [0, tests.map(() => 'passed')],
        JSON.stringify(straight.results),
      );
      const other = await check(flipped);
      assert.deepEqual([other.exitCode, other.results.map(({ status }) => status)], [1, tests.map(() => 'failed')]);
    });
  }

  it('says what packets did, and which connections the policies alone decide', async () => {
    const { results } = await inLab(flipped);
    const seen = results.map(({ failures }) => [...new Set(failures.flatMap(({ observed }) => observed ?? []))].join());
    assert.deepEqual(
      seen,
      tests.map(({ expect }) => (expect === 'allowed' ? 'connected' : 'no answer')),
    );
    assert.equal(results.at(-1)!.untried, 2);
    assert.match(results.at(-1)!.message!, /^no machine of the lab has an address of 0\.0\.0\.0–10\.0\.0\.0$/);
  });

  it('skips what no packet can show, and fails if that is all', async () => {
    const hopeless = [denied('office/desk', 'shop/api', 'SCTP/8'), denied('office/desk', 'shop/api', 'UDP/54')];
    const { exitCode, results } = await inLab(hopeless);
    assert.deepEqual([exitCode, results.map(({ status }) => status)], [2, ['skipped', 'skipped']]);
    assert.match(results[0]!.message!, /^shop\/api has no program on SCTP\/8, /);
    assert.equal((await inLab([...hopeless, tests[0]!])).exitCode, 0);
  });

  it('fails if another program drops what the policies allow', async () => {
    const drop = 'table inet other { chain f { type filter hook forward priority 0; tcp dport 8080 drop; }; }';
    await lab.exec('node/n1', 'nft', drop);
    const { exitCode, results } = await inLab([tests[0]!]);
    await lab.exec('node/n1', 'nft', 'delete table inet other');
    assert.equal(exitCode, 1);
    const [failure] = results[0]!.failures;
    assert.partialDeepStrictEqual(failure, { policies: 'allowed', observed: 'no answer' });
    assert.match(failure!.meaning!, /the policies allow this, but no answer came back/);
  });

  it('starts a lab for the manifests, and removes it', async () => {
    const flags = ['--lab', '--name', `own${process.pid}`, '--state-dir', join(directory, 'own')];
    const { exitCode, results } = await run(tests, '-f', join(directory, 'objects.json'), ...flags);
    assert.deepEqual([exitCode, results.map(({ status }) => status)], [0, tests.map(() => 'passed')]);
    assert.deepEqual(await listNamespaces(`postern-own${process.pid}-`), []);
    assert.deepEqual(await readdir(join(directory, 'own')), []);
  });

  it('fails if the policies deny what gets through, as without an agent and its rules', async () => {
    await lab.agents.get('n1')!.end();
    await lab.exec('node/n1', 'nft', 'delete table ip postern; delete table ip6 postern');
    const { exitCode, results } = await inLab([
      denied('office/desk', 'shop/api', 8080),
      denied('office/desk', 'shop/api', 9),
    ]);
    assert.equal(exitCode, 1);
    assert.deepEqual(
      results.map(({ status, failures }) => [status, failures[0]?.policies, failures[0]?.observed]),
      [
        ['failed', 'denied', 'connected'],
        ['failed', 'denied', 'refused'],
      ],
    );
    assert.match(results[0]!.failures[0]!.meaning!, /THE POLICIES DENY THIS, BUT IT CONNECTED/);
  });
});
