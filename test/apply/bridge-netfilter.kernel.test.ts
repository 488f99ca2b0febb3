import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { createBridgeNetfilterCheck, type BridgeNetfilterCheck } from '../../src/apply/bridge-netfilter.ts';
import type { Exec } from '../../src/apply/exec.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();
const onBridge = ['10.9.0.5', 'fd00:9::5'];
const onVeth = '10.8.0.5';

describe('the check of bridge netfilter', function () {
  this.timeout(20_000);
  let kernel: Kernel;
  let runs: string[];
  let check: BridgeNetfilterCheck;

  beforeEach(async function () {
    kernel = await openKernel(this);
    await kernel.sh(`
      ip link add pods0 type bridge
      ip link set pods0 up
      ip address add 10.9.0.1/24 dev pods0
      ip address add fd00:9::1/64 dev pods0 nodad
      ip link add veth0 type veth peer name veth1
      ip link set veth0 up
      ip route add 10.8.0.5 dev veth0
      ip link add uplink type bridge
      ip link set uplink up
      ip address add 192.0.2.2/24 dev uplink
      ip route add default via 192.0.2.1
    `);
    runs = [];
    const exec: Exec = (file, args, options) => {
      runs.push(options.input ?? '');
      return kernel.exec(file, args, options);
    };
    check = createBridgeNetfilterCheck({ exec, readFile: kernel.readFile });
  });
  afterEach(() => kernel?.close());

  const set = (ipv4: number, ipv6: number): Promise<string> =>
    kernel.sh(`sysctl -qw net.bridge.bridge-nf-call-iptables=${ipv4} net.bridge.bridge-nf-call-ip6tables=${ipv6}`);

  it('is content when it is on', async () => {
    await set(1, 1);
    assert.equal(await check([...onBridge, onVeth], signal), undefined);
  });

  it('names bridge, setting and remedy for each family that it is off for', async () => {
    await set(0, 1);
    assert.equal(
      await check(onBridge, signal),
      'IPv4 between pods on bridge pods0 passes no policy: net.bridge.bridge-nf-call-iptables is 0; ' +
        'run: sysctl -w net.bridge.bridge-nf-call-iptables=1',
    );
    await set(0, 0);
    const both = await check(onBridge, signal);
    assert.match(both!, /^IPv4 .*iptables=1; IPv6 .*sysctl -w net\.bridge\.bridge-nf-call-ip6tables=1$/);
  });

  it('is content when the pods are on no bridge, or it is off for a family that they do not have', async () => {
    await set(0, 0);
    assert.equal(await check([onVeth], signal), undefined);
    assert.equal(await check([], signal), undefined);
    await set(1, 0);
    assert.equal(await check(['10.9.0.5'], signal), undefined);
  });

  it('is content when it is on for that bridge alone', async () => {
    await set(0, 0);
    await kernel.sh('ip link set pods0 type bridge nf_call_iptables 1');
    assert.match((await check(onBridge, signal))!, /^IPv6 [^;]*; run: [^;]*$/);
    await kernel.sh('ip link set pods0 type bridge nf_call_ip6tables 1');
    assert.equal(await check(onBridge, signal), undefined);
  });

  it('takes no pod to be on the bridge of the uplink because its route is not there yet', async () => {
    await set(0, 0);
    assert.equal(await check(['10.7.0.5'], signal), undefined);
    await kernel.sh('ip route add 10.7.0.0/24 dev pods0');
    assert.match((await check(['10.7.0.5'], signal))!, /bridge pods0/);
  });

  it('goes on after an address without any route', async () => {
    await set(0, 0);
    assert.match((await check(['fd00:7::5', '10.9.0.5'], signal))!, /^IPv4 between pods on bridge pods0/);
  });

  it('sees a setting change, and asks for each address once', async () => {
    await set(1, 1);
    await check(['10.9.0.5'], signal);
    await set(0, 1);
    assert.notEqual(await check(['10.9.0.5', '10.9.0.6'], signal), undefined);
    assert.deepEqual(
      runs.filter((input) => input !== ''),
      ['route get 10.9.0.5\n', 'route get 10.9.0.6\n'],
    );
  });

  it('says to load the module when it is not', async () => {
    const unloaded = createBridgeNetfilterCheck({
      exec: kernel.exec,
      readFile: () => Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' })),
    });
    await set(0, 0);
    assert.match(
      (await unloaded(['10.9.0.5'], signal))!,
      /br_netfilter is not loaded; run: modprobe br_netfilter && sysctl -w net\.bridge\.bridge-nf-call-iptables=1$/,
    );
  });
});
