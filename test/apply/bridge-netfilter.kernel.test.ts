import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { checkBridgeNetfilter } from '../../src/apply/bridge-netfilter.ts';
import { readDevices } from '../../src/apply/devices.ts';
import type { Problem } from '../../src/apply/environment.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();
const ipv4 = ['10.9.0.5', 'pods0'] as const;
const ipv6 = ['fd00:9::5', 'pods0'] as const;

describe('the check of bridge netfilter', function () {
  this.timeout(180_000);
  let kernel: Kernel;

  beforeEach(async function () {
    kernel = await openKernel(this);
    await kernel.sh('ip link add pods0 type bridge; ip link add others0 type bridge');
  });
  afterEach(() => kernel?.close());

  const set = (forIpv4: number, forIpv6: number): Promise<string> =>
    kernel.sh(
      `sysctl -qw net.bridge.bridge-nf-call-iptables=${forIpv4} net.bridge.bridge-nf-call-ip6tables=${forIpv6}`,
    );

  const check = async (
    bridged: readonly (readonly [address: string, bridge: string])[],
    readFile = kernel.readFile,
  ): Promise<Problem> => {
    return checkBridgeNetfilter(new Map(bridged), await readDevices(kernel.exec, [], signal), readFile);
  };

  it('is content when it is on', async () => {
    await set(1, 1);
    assert.equal(await check([ipv4, ipv6]), undefined);
  });

  it('names bridge, setting and remedy for each family that it is off for', async () => {
    await set(0, 1);
    assert.equal(
      await check([ipv4, ipv6]),
      'IPv4 between pods on bridge pods0 bypasses all policies: net.bridge.bridge-nf-call-iptables is 0; ' +
        'run: sysctl -w net.bridge.bridge-nf-call-iptables=1',
    );
    await set(0, 0);
    const both = await check([ipv4, ipv6]);
    assert.match(both!, /^IPv4 .*iptables=1; IPv6 .*sysctl -w net\.bridge\.bridge-nf-call-ip6tables=1$/);
    assert.match((await check([ipv4, ['10.9.1.5', 'others0']]))!, /^IPv4 between pods on bridge others0, pods0 /);
  });

  it('is content when no pod is on a bridge, or it is off for a family that they do not have', async () => {
    await set(0, 0);
    assert.equal(await check([]), undefined);
    await set(1, 0);
    assert.equal(await check([ipv4]), undefined);
  });

  it('is content when it is on for that bridge alone', async () => {
    await set(0, 0);
    await kernel.sh('ip link set pods0 type bridge nf_call_iptables 1');
    assert.match((await check([ipv4, ipv6]))!, /^IPv6 [^;]*; run: [^;]*$/);
    await kernel.sh('ip link set pods0 type bridge nf_call_ip6tables 1');
    assert.equal(await check([ipv4, ipv6]), undefined);
  });

  it('says to load the module when it is not', async () => {
    await set(0, 0);
    const missing = (): Promise<string> => Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }));
    assert.match(
      (await check([ipv4], missing))!,
      /br_netfilter is not loaded; run: modprobe br_netfilter && sysctl -w net\.bridge\.bridge-nf-call-iptables=1$/,
    );
  });
});
