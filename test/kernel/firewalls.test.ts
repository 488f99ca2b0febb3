import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { after, afterEach, before, describe, it } from 'mocha';
import type { NodeReport } from '../../src/doctor/report.ts';
import { enterNamespace } from '../../src/lab/network-namespace.ts';
import { nameLab } from '../support/lab-name.ts';
import { skipTest } from '../support/skip.ts';
import { timeFactor } from '../support/time-factor.ts';
import { Cluster, needMachine } from './cluster.ts';
import { eventually } from './eventually.ts';
import { pods, policy, port } from './policies.ts';

/** Programs of Debian that write rules of their own, each started for real on n1, the node of x/p. */
describe('firewalls of the node (kernel, bridge)', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let folder: string;
  let undo: (() => Promise<unknown>)[] = [];

  before(async function () {
    await needMachine(this, 'bridge');
    folder = await mkdtemp(join(tmpdir(), 'postern-firewalls-'));
    cluster = await Cluster.up({ name: nameLab('kwall'), cni: 'bridge' });
    await cluster.apply(
      policy('x', 'p', { ingress: [{ from: [pods({}, { team: 'peers' })], ports: [port('TCP/80')] }] }),
    );
  });
  afterEach(async () => {
    for (const each of undo.toReversed()) await each();
    undo = [];
  });
  after(async () => {
    await cluster?.lab.down();
    if (folder) await rm(folder, { recursive: true });
  });

  const onNode = (file: string, ...args: string[]): Promise<string> => cluster.lab.exec('node/n1', file, ...args);
  /** From a pod of the same node and from another node: what the policy allows, and what it denies. */
  const ask = (allowed: string): Promise<void> =>
    cluster.expect(
      ['peers/near', 'peers/far'].flatMap((from) => [
        { from, to: 'x/p', port: 'TCP/80', answer: allowed },
        { from, to: 'x/p', port: 'TCP/8080', answer: 'timeout' },
      ]),
    );

  /** Starts a program on the node, until the test ends. */
  const start = (env: Readonly<Record<string, string>>, file: string, ...args: string[]): void => {
    const child = execa(...enterNamespace(cluster.nodeNamespace('n1'), file, args), { env, reject: false });
    undo.push(async () => {
      child.kill();
      await child;
    });
  };

  it('firewalld opens nothing; what it rejects by itself is found by the doctor', async function () {
    needPrograms(this, { firewalld: 'firewalld', 'dbus-daemon': 'dbus-daemon' });
    const bus = `unix:path=${join(folder, 'bus')}`;
    await writeFile(join(folder, 'bus.conf'), busConfig(bus));
    const env = { DBUS_SYSTEM_BUS_ADDRESS: bus };
    start(env, 'dbus-daemon', `--config-file=${join(folder, 'bus.conf')}`, '--nofork');
    await eventually(async () => ((await isThere(join(folder, 'bus'))) ? undefined : 'the bus does not listen'));
    start(env, 'firewalld', '--nofork', '--nopid', '--system-config', join(folder, 'firewalld'));
    const control = (...args: string[]) => execa('firewall-cmd', args, { env, reject: false });
    await eventually(async () => {
      const { stdout, stderr } = await control('--state');
      return stdout === 'running' ? undefined : `${stdout}${stderr}`;
    }, 60);

    await cluster.expect([{ from: 'peers/near', to: 'x/p', port: 'TCP/8080', answer: 'timeout' }]);
    // It says that it runs before all of its rules are there.
    await eventually(async () => {
      const found = await foreignDrops(cluster);
      return /^table inet firewalld: chain filter_FORWARD.*: reject; /.test(found) ? undefined : `found: ${found}`;
    }, 60);
    // As its documents require of a node.
    for (const source of ['10.244.0.0/16', 'fd00:10:244::/48']) {
      assert.equal((await control('--zone=trusted', `--add-source=${source}`)).stdout, 'success');
    }
    // Firewalld rejected neighbour solicitations until now. A connection that waits for one still fails.
    await cluster.expect([{ from: 'peers/near', to: 'x/p', port: 'TCP/80', answer: 'x/p' }]);
    await ask('x/p');
    assert.equal(await foreignDrops(cluster), '');
    assert.equal((await control('--reload')).stdout, 'success');
    await cluster.expect([{ from: 'peers/near', to: 'x/p', port: 'TCP/8080', answer: 'timeout' }]);
  });

  it('ufw opens nothing; its policy of FORWARD is found by the doctor', async function () {
    needPrograms(this, { ufw: 'ufw' });
    const data = join(folder, 'ufw');
    await cp('/etc/ufw', join(data, 'etc/ufw'), { recursive: true });
    await cp('/etc/default/ufw', join(data, 'etc/default/ufw'));
    const change = async (file: string, from: string, to: string): Promise<void> => {
      const text = await readFile(join(data, file), 'utf8');
      assert.ok(text.includes(from), text);
      await writeFile(join(data, file), text.replace(from, to));
    };
    const init = (verb: string): Promise<string> => onNode('/usr/lib/ufw/ufw-init', '--datadir', data, verb);
    await change('etc/ufw/ufw.conf', 'ENABLED=no', 'ENABLED=yes');
    undo.push(() => init('force-stop'));
    await init('start');
    await cluster.expect(
      ['TCP/80', 'TCP/8080'].map((each) => ({ from: 'peers/near', to: 'x/p', port: each, answer: 'timeout' })),
    );
    assert.match(await foreignDrops(cluster), /^table ip filter: chain FORWARD \(forward, priority 0\): policy drop; /);
    await change('etc/default/ufw', 'DEFAULT_FORWARD_POLICY="DROP"', 'DEFAULT_FORWARD_POLICY="ACCEPT"');
    await init('force-reload');
    await ask('x/p');
    assert.equal(await foreignDrops(cluster), '');
  });

  it('Docker opens nothing; its policy of FORWARD is found by the doctor', async function () {
    needPrograms(this, { dockerd: 'docker.io' });
    undo.push(() => onNode('nft', 'destroy table ip filter; destroy table ip nat'));
    // Docker sets the policy where it is the one who switches on forwarding.
    await onNode('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    const [socket, ...folders] = ['socket', 'data', 'exec', 'pid'].map((each) => join(folder, `docker-${each}`));
    const places = ['--data-root', '--exec-root', '--pidfile'].map((flag, index) => `${flag}=${folders[index]}`);
    // Its mounts end with it.
    start({}, 'unshare', '--mount', 'dockerd', `--host=unix://${socket}`, ...places, '--storage-driver=vfs');
    await eventually(async () => {
      const rules = await onNode('iptables-nft', '-S');
      return /-P FORWARD DROP/.test(rules) && /-j DOCKER-USER/.test(rules) ? undefined : rules;
    }, 60);
    await cluster.expect(
      ['TCP/80', 'TCP/8080'].map((each) => {
        return { from: 'peers/near', to: 'x/p', port: each, family: 'ipv4' as const, answer: 'timeout' };
      }),
    );
    assert.match(
      await foreignDrops(cluster),
      /^table ip filter: chain FORWARD \(forward, priority 0\): policy drop; /m,
    );
    for (const way of ['-s', '-d'])
      await onNode('iptables-nft', '-I', 'DOCKER-USER', way, '10.244.0.0/16', '-j', 'ACCEPT');
    await ask('x/p');
    assert.equal(await foreignDrops(cluster), '');
  });

  it('a reload of nftables.service takes all tables away, and the agent writes its own again (S7.16)', async function () {
    const unit = '/usr/lib/systemd/system/nftables.service';
    if (!(await isThere(unit))) skipTest(this, `${unit} is not there: apt-get install nftables`);
    const [, command] = /^ExecReload=(.*)$/m.exec(await readFile(unit, 'utf8'))!;
    await onNode('sh', '-c', command!);
    // The agent makes its three tables first, and gives them their base chains in the transaction after that.
    await eventually(async () => {
      const chains = await onNode('nft', 'list', 'chains');
      return chains.match(/hook forward priority (filter - |-)10;/g)?.length === 3 ? undefined : `chains: ${chains}`;
    });
    await ask('x/p');
  });

  it('the rules of Tailscale, which accept and mark, open nothing', async () => {
    const rules = [
      ...['-N ts-forward', '-I FORWARD -j ts-forward'],
      '-A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xff0000',
      '-A ts-forward -m mark --mark 0x40000/0xff0000 -j ACCEPT',
      '-A ts-forward -s 100.64.0.0/10 -o tailscale0 -j DROP',
      '-A ts-forward -o tailscale0 -j ACCEPT',
      '-t nat -N ts-postrouting',
      '-t nat -I POSTROUTING -j ts-postrouting',
      '-t nat -A ts-postrouting -m mark --mark 0x40000/0xff0000 -j MASQUERADE',
    ];
    undo.push(() => onNode('nft', 'delete table ip filter; delete table ip nat'));
    for (const rule of rules) await onNode('iptables-nft', ...rule.split(' '));
    await ask('x/p');
    assert.equal(await foreignDrops(cluster), '');
    // The mark of Tailscale on packets between pods, as if they had come by its device.
    await onNode('iptables-nft', '-I', 'ts-forward', '-j', 'MARK', '--set-xmark', '0x40000/0xff0000');
    await cluster.expect([{ from: 'peers/near', to: 'x/p', port: 'TCP/8080', answer: 'timeout' }]);
  });
});

function needPrograms(context: Mocha.Context, programs: Readonly<Record<string, string>>): void {
  for (const [program, name] of Object.entries(programs)) {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    } catch {
      skipTest(context, `${program} is not installed: apt-get install ${name}`);
    }
  }
}

/** What the doctor of n1 reports of drops by other programs, one line for each. */
async function foreignDrops({ lab }: Cluster): Promise<string> {
  const directory = lab.state.nodeDirectory('n1');
  const where = ['--node-name', 'n1', '--kubeconfig', join(directory, 'kubeconfig')];
  const more = ['--listen', `unix:${join(directory, 'agent.sock')}`, '--cni-cache-dir', join(directory, 'cni/results')];
  const main = join(import.meta.dirname, '../../src/main.ts');
  const words = [main, 'node', 'doctor', ...where, ...more, '-o', 'json', '--ignore', 'kernel-lookups'];
  const { stdout, stderr } = await execa(...enterNamespace(lab.names.node('n1'), process.execPath, words), {
    reject: false,
    timeout: 60_000 * timeFactor,
  });
  assert.notEqual(stdout, '', stderr);
  const { findings } = JSON.parse(stdout) as NodeReport;
  return findings
    .filter(({ check }) => check === 'foreign-drop')
    .map(({ subject, problem }) => `${subject}: ${problem}`)
    .join('\n');
}

function isThere(path: string): Promise<boolean> {
  return execa('test', ['-e', path], { reject: false }).then(({ exitCode }) => exitCode === 0);
}

/** A bus on which each program may have any name and call any other. */
function busConfig(address: string): string {
  const rules = ['<allow send_destination="*" eavesdrop="true"/>', '<allow eavesdrop="true"/>', '<allow own="*"/>'];
  return [
    '<busconfig>',
    '<type>system</type>',
    `<listen>${address}</listen>`,
    `<policy context="default">${rules.join('')}</policy>`,
    '</busconfig>',
  ].join('\n');
}
