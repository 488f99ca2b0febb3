import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { describeLinks } from '../../src/apply/devices.ts';
import type { Exec } from '../../src/apply/exec.ts';
import { judgeLink } from '../../src/sandboxes/link.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();

describe('the links of pods', function () {
  this.timeout(180_000);
  let kernel: Kernel;

  beforeEach(async function () {
    kernel = await openKernel(this);
    await kernel.sh(`
      ip link add cni0 type bridge
      ip link add veth0 type veth peer name peer0
      ip link add veth1 type veth peer name peer1
      ip link set veth1 master cni0
      ip link add card0 type ifb
    `);
  });
  afterEach(() => kernel?.close());

  const judge = async (...names: readonly string[]) =>
    judgeLink(names, await describeLinks(kernel.exec, names, signal));

  it('are told apart: a routed veth, a port of a bridge, what is shared, what is gone', async () => {
    assert.deepEqual(await judge('veth0'), { live: true, link: { device: 'veth0' } });
    assert.deepEqual(await judge('cni0', 'veth1'), { live: true, link: { device: 'cni0', port: 'veth1' } });
    assert.deepEqual(await judge('card0'), { live: true, link: undefined });
    assert.deepEqual(await judge('cni0', 'veth9'), { live: false, link: undefined });
  });

  it('say what a device is, and nothing of those that nobody asked for', async () => {
    const links = await describeLinks(kernel.exec, ['veth9', 'veth1', 'cni0', 'card0', 'lo'], signal);
    assert.deepEqual(Object.fromEntries(links), {
      veth1: { kind: 'veth', master: { name: 'cni0', kind: 'bridge' } },
      cni0: { kind: 'bridge', master: undefined },
      card0: { kind: 'ifb', master: undefined },
      lo: { kind: undefined, master: undefined },
    });
    assert.deepEqual([...(await describeLinks(kernel.exec, [], signal))], []);
  });

  it('are those of a device that is moved away, no more', async () => {
    await kernel.sh('ip link del veth1');
    assert.deepEqual(await judge('cni0', 'veth1'), { live: false, link: undefined });
  });

  it('of hundreds are one look', async () => {
    const names = Array.from({ length: 300 }, (_, n) => `pod${n}`);
    await kernel.sh(names.map((name) => `ip link add ${name} type ifb`).join('\n'));
    let runs = 0;
    const exec: Exec = (...call) => {
      runs++;
      return kernel.exec(...call);
    };
    assert.equal((await describeLinks(exec, names, signal)).size, 300);
    assert.equal(runs, 1);
  });

  it('say of what a port is one, whatever that is', async () => {
    const lines = [
      [{ ifname: 'lo' }],
      [{ ifname: 'veth1', master: 'vrf0', linkinfo: { info_kind: 'veth', info_slave_kind: 'vrf' } }],
      [{ ifname: 'veth2', master: 'odd0', linkinfo: { info_kind: 'veth' } }],
    ];
    const exec: Exec = async () => ({
      exitCode: 0,
      stdout: lines.map((line) => JSON.stringify(line)).join('\n'),
      stderr: '',
    });
    const links = await describeLinks(exec, ['veth1', 'veth2'], signal);
    assert.deepEqual(links.get('veth1'), { kind: 'veth', master: { name: 'vrf0', kind: 'vrf' } });
    assert.deepEqual(links.get('veth2'), { kind: 'veth', master: { name: 'odd0', kind: undefined } });
    assert.deepEqual(judgeLink(['veth1'], links), { live: true, link: undefined });
    assert.deepEqual(judgeLink(['veth2'], links), { live: true, link: undefined });
  });

  it('are not known without ip', async () => {
    const exec: Exec = async () => ({ exitCode: undefined, stdout: '', stderr: 'spawn ip ENOENT' });
    await assert.rejects(
      describeLinks(exec, ['veth0'], signal),
      /ip cannot be used: install iproute2 \(spawn ip ENOENT\)/,
    );
    const empty: Exec = async () => ({ exitCode: 1, stdout: '', stderr: 'netlink: no buffer space' });
    await assert.rejects(describeLinks(empty, ['veth0'], signal), /no buffer space/);
  });
});
