import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Exec } from '../../src/apply/exec.ts';
import { findPodLinks } from '../../src/apply/pod-links.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();
const mac = '02:00:00:00:00:05';

describe('the links of pods, by routes, neighbours and bridges', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let runs: number;

  beforeEach(async function () {
    kernel = await openKernel(this);
    await kernel.sh(`
      ip link add pods0 type bridge
      ip link set pods0 up
      ip address add 10.9.0.1/24 dev pods0
      ip address add fd00:9::1/64 dev pods0 nodad
      for each in a b c; do
        ip link add veth-$each type veth peer name pod-$each
        ip link set veth-$each up
        ip link set pod-$each up
      done
      ip link set veth-a master pods0
      ip link set veth-b master pods0
      ip link add up0 type ifb
      ip link set up0 up
      ip link add other0 type bridge
      ip link set other0 up
      ip link set up0 master other0
    `);
    runs = 0;
  });
  afterEach(() => kernel?.close());

  const find = async (...addresses: string[]): Promise<Record<string, string>> => {
    const exec: Exec = (...all) => (runs++, kernel.exec(...all));
    const links = await findPodLinks(exec, addresses, signal);
    const texts = links.entries().map(([address, { device, port }]) => [address, [device, port].join(' ').trim()]);
    return Object.fromEntries(texts) as Record<string, string>;
  };

  it('are devices to which a route of the address alone leads', async () => {
    await kernel.sh('ip route add 10.8.0.5 dev veth-c; ip route add fd00:8::5 dev veth-c table 100');
    assert.deepEqual(await find('10.8.0.5', 'fd00:8::5', '10.8.0.6'), { '10.8.0.5': 'veth-c', 'fd00:8::5': 'veth-c' });
  });

  for (const [what, script] of [
    ['for a whole subnet', 'ip route add 10.8.0.0/24 dev veth-c'],
    ['by way of another host', 'ip address add 10.7.0.1/24 dev veth-c; ip route add 10.8.0.5 via 10.7.0.7 dev veth-c'],
    ['by one that would be of many', 'ip link set up0 nomaster; ip route add 10.8.0.5 dev up0'],
    ['to the node itself', 'ip address add 10.8.0.5/32 dev veth-c'],
    ['into nowhere', 'ip route add blackhole 10.8.0.5'],
    ['by a port of a bridge', 'ip route add 10.8.0.5 dev veth-a'],
    [
      'by two devices',
      'ip route add 10.8.0.5 dev veth-c; ip link set veth-b nomaster; ip route add 10.8.0.5 dev veth-b metric 9',
    ],
  ]) {
    it(`are not known by a route ${what}`, async () => {
      await kernel.sh(script!);
      assert.deepEqual(await find('10.8.0.5'), {});
    });
  }

  it('are the ports on which a bridge saw the MAC of the address', async () => {
    await kernel.sh(`
      ip neighbour add 10.9.0.5 lladdr ${mac} dev pods0 nud reachable
      ip neighbour add fd00:9::5 lladdr ${mac} dev pods0 nud stale
      bridge fdb add ${mac} dev veth-b master dynamic
      ip neighbour add 10.9.0.6 lladdr 02:00:00:00:00:06 dev pods0 nud reachable
      bridge fdb add 02:00:00:00:00:06 dev veth-a master static
      ip neighbour add 10.9.0.7 lladdr 02:00:00:00:00:07 dev pods0 nud reachable
    `);
    assert.deepEqual(await find('10.9.0.5', 'fd00:9::5', '10.9.0.6', '10.9.0.7', '10.9.0.8'), {
      '10.9.0.5': 'pods0 veth-b',
      'fd00:9::5': 'pods0 veth-b',
      '10.9.0.6': 'pods0 veth-a',
    });
  });

  for (const [what, script] of [
    ["the port's own", `bridge fdb add ${mac} dev veth-b master`],
    [
      'seen on two ports',
      `bridge fdb add ${mac} dev veth-a master dynamic; ip link set veth-c master other0; bridge fdb add ${mac} dev veth-c master dynamic`,
    ],
    ['seen by another bridge', `ip link set veth-c master other0; bridge fdb add ${mac} dev veth-c master dynamic`],
    ['seen where many may be', `ip link set up0 master pods0; bridge fdb add ${mac} dev up0 master dynamic`],
    [
      'of two neighbours',
      `bridge fdb add ${mac} dev veth-b master dynamic; ip neighbour add 10.9.0.5 lladdr ${mac} dev other0 nud reachable`,
    ],
  ]) {
    it(`are not known by a MAC that is ${what}`, async () => {
      await kernel.sh(`ip neighbour add 10.9.0.5 lladdr ${mac} dev pods0 nud reachable; ${script!}`);
      assert.deepEqual(await find('10.9.0.5'), {});
    });
  }

  it('are found in a fixed number of runs', async () => {
    await kernel.sh('ip route add 10.8.0.5 dev veth-c; ip route add 10.8.0.6 dev veth-c');
    await find('10.8.0.5', '10.8.0.6', 'fd00:8::5');
    assert.equal(runs, 3);
    await find();
    assert.equal(runs, 3);
  });
});
