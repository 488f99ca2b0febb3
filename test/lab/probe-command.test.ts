import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { serveControl } from '../../src/lab/control.ts';
import { Lab } from '../../src/lab/lab.ts';
import { host, pod, service } from './objects.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const name = `try${process.pid}`;

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

describe('postern probe in a lab (kernel)', function () {
  this.timeout(180_000);
  let directory: string;
  let lab: Lab;
  let control: Server;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-try-'));
    const objects = [
      pod('shop', 'api', ['TCP/8080', 'UDP/53'], { nodeName: 'n1' }),
      pod('shop', 'web', ['TCP/80'], { nodeName: 'n2' }),
      pod('shop', 'other', ['TCP/80'], { nodeName: 'n2' }),
      service('shop', 'api', {
        selector: { pod: 'api' },
        ports: [{ name: 'http', port: 80, targetPort: 'tcp-8080' }],
        ipFamilyPolicy: 'RequireDualStack',
      }),
      host('outside', ['10.0.0.1', 'fd00:10::1'], [{ port: 5432 }]),
      policy,
    ];
    lab = await Lab.up({ name, stateRoot: join(directory, 'state'), objects });
    control = await serveControl(lab, lab.state.controlSocket);
  });
  after(async () => {
    control?.close();
    await lab?.down();
    await rm(directory, { recursive: true });
  });

  const probe = (...args: readonly string[]) =>
    execa(
      process.execPath,
      [main, 'probe', '--lab', '--name', name, '--state-dir', join(directory, 'state'), ...args],
      {
        reject: false,
      },
    );
  /** A word an attempt: `ipv4 allowed connected agrees`. */
  const ask = async (...args: readonly string[]): Promise<[exitCode: number | undefined, ...attempts: string[]]> => {
    const { exitCode, stdout, stderr } = await probe('-o', 'json', ...args);
    if (stdout === '') assert.fail(stderr);
    const { attempts } = JSON.parse(stdout) as { attempts: Record<string, string>[] };
    return [
      exitCode,
      ...attempts
        .map((each) => [each['family'], each['expected'], each['observed'], each['agreement']].join(' '))
        .sort(),
    ];
  };
  const both = (text: string): string[] => [`ipv4 ${text}`, `ipv6 ${text}`];

  for (const [args, exit, attempts] of [
    ['shop/web shop/api 8080', 0, both('allowed connected agrees')],
    ['shop/web shop/api tcp-8080', 0, both('allowed connected agrees')],
    ['shop/web shop/api UDP/53', 0, both('allowed connected agrees')],
    ['shop/other shop/api 8080', 0, both('denied no answer agrees')],
    ['shop/other shop/api UDP/53', 0, both('denied no answer agrees')],
    ['--family ipv6 shop/other shop/api 8080', 0, ['ipv6 denied no answer agrees']],
    ['shop/web shop/svc:api http', 0, both('allowed connected agrees')],
    ['shop/other shop/svc:api 80', 0, both('denied no answer agrees')],
    ['shop/api host/outside 5432', 0, both('allowed connected agrees')],
    ['host/outside shop/api 8080', 0, both('denied no answer agrees')],
    ['node/n1 shop/api 8080', 0, both('allowed connected agrees')],
    ['shop/web 10.0.0.1 5432', 0, ['ipv4 allowed connected agrees']],
    // Allowed, but no program listens.
    ['shop/web shop/api 9', 1, both('allowed refused open')],
    ['shop/web shop/api UDP/9', 1, both('allowed refused open')],
    ['shop/web nobody.invalid 80', 1, [' unknown unresolved open']],
  ] as const) {
    it(`${args}: ${attempts.join(', ')}`, async () => {
      assert.deepEqual(await ask(...args.split(' ')), [exit, ...attempts]);
    });
  }

  it('warns if another program drops the connection, and gives advice', async () => {
    const drop = 'table inet other { chain f { type filter hook forward priority 0; tcp dport 8080 drop; }; }';
    await lab.exec('node/n1', 'nft', drop);
    const { exitCode, stdout } = await probe('--family', 'ipv4', 'shop/web', 'shop/api', '8080');
    await lab.exec('node/n1', 'nft', 'delete table inet other');
    assert.equal(exitCode, 1);
    assert.match(stdout, /explain: allowed +seen: no answer, .* DIFFERENT\n/);
    assert.match(
      stdout,
      /^!!! 10\.244\.1\.\d+: NOT WHAT THE POLICIES SAY: the policies allow this, but no answer came back/m,
    );
    // The printed command works.
    const commands = [...stdout.matchAll(/postern (lab exec .* nft -t list ruleset): see/g)];
    assert.equal(commands.length, 2);
    const tables = commands.map(([, command]) => execa(process.execPath, [main, ...command!.split(' ')]));
    // Only the node of shop/api has somebody to deny anything to.
    const counting = (await Promise.all(tables)).filter((table) =>
      /chain deny-ingress [^}]*counter/.test(table.stdout),
    );
    assert.equal(counting.length, 1);
  });

  it('warns if a denied connection succeeds, as without an agent and its rules', async () => {
    await lab.agents.get('n1')!.end();
    await lab.exec('node/n1', 'nft', 'delete table ip postern; delete table ip6 postern');
    const { exitCode, stdout } = await probe('shop/other', 'shop/api', '8080');
    assert.equal(exitCode, 1);
    assert.equal(stdout.match(/explain: denied +seen: connected, .* DIFFERENT\n/g)?.length, 2);
    assert.match(stdout, /THE POLICIES DENY THIS, BUT IT CONNECTED/);
    assert.match(stdout, /ingress of shop\/api: .* shop\/api/);
  });

  it('refuses names that do not exist, with exit code 2', async () => {
    for (const [args, message] of [
      ['shop/wbe shop/api 80', /pod shop\/wbe does not exist; did you mean shop\/web\?/],
      ['shop/web shop/svc:web 80', /Service shop\/web does not exist; known: shop\/api/],
      ['--name none shop/web shop/api 80', /lab none is not running, but try/],
      ['shop/web shop/api icmp', /a probe supports TCP and UDP only, not ICMP/],
    ] as const) {
      const { exitCode, stderr } = await probe(...args.split(' '));
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, message);
    }
  });
});
