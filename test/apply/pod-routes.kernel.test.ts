import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { readDevices } from '../../src/apply/devices.ts';
import type { Exec } from '../../src/apply/exec.ts';
import { PodRouteFinder, type PodRoutes } from '../../src/apply/pod-routes.ts';
import { openKernel, type Kernel } from './kernel.ts';

const { signal } = new AbortController();

describe('the routes to pods', function () {
  this.timeout(180_000);
  let kernel: Kernel;
  let runs: string[][];
  let now: number;
  let find: (...pods: readonly [key: string, ...addresses: string[]][]) => Promise<PodRoutes>;

  // An ifb stands for the node's network card: it can bear macvlans, and is none of what pods are behind.
  beforeEach(async function () {
    kernel = await openKernel(this);
    await kernel.sh(`
      ip link add up0 type ifb
      ip link set up0 up
      ip address add 192.0.2.2/24 dev up0
      ip address add 2001:db8::2/64 dev up0 nodad
      ip route add default via 192.0.2.1
      ip link add pods0 type bridge
      ip link set pods0 up
      ip address add 10.9.0.1/24 dev pods0
      ip address add fd00:9::1/64 dev pods0 nodad
      ip link add veth0 type veth peer name veth1
      ip link set veth0 up
      ip link set veth1 up
    `);
    runs = [];
    now = 1_000_000;
    const exec: Exec = (file, args, options) => {
      runs.push((options.input ?? '').split('\n').filter((line) => line !== ''));
      return kernel.exec(file, args, options);
    };
    const finder = new PodRouteFinder(exec, () => now);
    find = async (...pods) => {
      const devices = await readDevices(kernel.exec, [], signal);
      return finder.find(
        pods.map(([key, ...addresses]) => ({ key, addresses })),
        devices,
        signal,
      );
    };
  });
  afterEach(() => kernel?.close());

  const outsideOf = ({ outside }: PodRoutes): string[] =>
    [...outside].flatMap(([pod, addresses]) =>
      Array.from(addresses, ([address, { device, gateway, isNode }]) =>
        [pod, address, isNode ? 'node' : device, ...(gateway === undefined ? [] : [gateway])].join(' '),
      ),
    );

  /** After one look, and long enough. */
  const findSettled: typeof find = async (...pods) => {
    assert.deepEqual(outsideOf(await find(...pods)), []);
    now += 60_000;
    return find(...pods);
  };

  it('lead over bridges and veths', async () => {
    await kernel.sh('ip route add 10.8.0.5 dev veth0; ip route add fd00:8::5 dev veth0');
    const found = await findSettled(['a', '10.9.0.5', 'fd00:9::5'], ['b', '10.8.0.5', 'fd00:8::5']);
    assert.deepEqual(
      [...found.bridged],
      [
        ['10.9.0.5', 'pods0'],
        ['fd00:9::5', 'pods0'],
      ],
    );
    assert.deepEqual(outsideOf(found), []);
  });

  it("lead outside to macvlan pods, with and without a macvlan of the node's own, on its network or another", async () => {
    await kernel.sh(`
      ip link add pod0 link up0 type macvlan mode bridge
      ip link add shim0 link up0 type macvlan mode bridge
      ip link set shim0 up
      ip route add 192.0.2.64/26 dev shim0
    `);
    const found = await findSettled(
      ['a', '192.0.2.9', '2001:db8::9'],
      ['b', '192.0.2.70'],
      ['c', '203.0.113.4'],
      ['d', '10.9.0.5'],
    );
    assert.deepEqual(outsideOf(found), [
      'a 192.0.2.9 up0',
      'a 2001:db8::9 up0',
      'b 192.0.2.70 shim0',
      'c 203.0.113.4 up0 192.0.2.1',
    ]);
  });

  it('lead to the node itself, with what is its own', async () => {
    const found = await findSettled(['a', '10.9.0.1', 'fd00:9::1']);
    assert.deepEqual(outsideOf(found), ['a 10.9.0.1 node', 'a fd00:9::1 node']);
  });

  it('are looked for in all tables before one is said to lead outside', async () => {
    await kernel.sh(`
      ip route add 192.0.2.9 dev veth0 table 101
      ip route add 2001:db8::9 dev veth0 table 101
      ip route add 203.0.113.0/24 dev pods0 table 102
    `);
    const found = await findSettled(['a', '192.0.2.9', '2001:db8::9'], ['b', '203.0.113.4'], ['c', '192.0.2.10']);
    assert.deepEqual(outsideOf(found), ['c 192.0.2.10 up0']);
    assert.deepEqual([...found.bridged], [['203.0.113.4', 'pods0']]);
  });

  it('say nothing of a pod that starts: without a route, or with one of its own within a minute', async () => {
    await kernel.sh('ip route del default; ip -6 route flush default');
    const found = await findSettled(['a', '10.8.0.5', 'fd00:8::5'], ['c', '10.9.0.5']);
    assert.deepEqual([outsideOf(found), [...found.bridged]], [[], [['10.9.0.5', 'pods0']]]);
    await find(['b', '192.0.2.9']);
    now += 59_999;
    assert.deepEqual(outsideOf(await find(['b', '192.0.2.9'])), []);
    await kernel.sh('ip route add 192.0.2.9 dev veth0');
    now += 60_000;
    assert.deepEqual(outsideOf(await find(['b', '192.0.2.9'])), []);
  });

  it('say nothing any more of a pod that went, and count anew for the next with its address', async () => {
    assert.deepEqual(outsideOf(await findSettled(['a', '192.0.2.9'])), ['a 192.0.2.9 up0']);
    assert.deepEqual(outsideOf(await find()), []);
    assert.deepEqual(outsideOf(await find(['a', '192.0.2.9'])), []);
    assert.deepEqual(outsideOf(await findSettled(['b', '192.0.2.9'])), ['b 192.0.2.9 up0']);
  });

  it('say nothing of a pod whose interface goes before it does', async () => {
    await kernel.sh('ip route add 192.0.2.9 dev veth0');
    await find(['a', '192.0.2.9']);
    await kernel.sh('ip link del veth0');
    assert.deepEqual(outsideOf(await findSettled(['a', '192.0.2.9'])), []);
    assert.deepEqual(outsideOf(await findSettled(['b', '192.0.2.9'])), ['b 192.0.2.9 up0']);
  });

  it('are asked for in a fixed number of runs, and once while they lead inside', async () => {
    await kernel.sh('ip route add 10.8.0.5 dev veth0');
    const inside: [string, ...string[]][] = [
      ['a', '10.9.0.5'],
      ['b', '10.8.0.5'],
      ['c', 'fd00:9::5'],
    ];
    await find(...inside);
    assert.deepEqual(runs, [
      ['route get 10.9.0.5', 'route get 10.8.0.5', 'route get fd00:9::5'],
      ['link show type bridge', 'link show dev veth0'],
    ]);
    runs = [];
    await find(...inside);
    assert.deepEqual(runs, []);
    await find(...inside, ['d', '192.0.2.8', '2001:db8::8'], ['e', '192.0.2.9']);
    assert.deepEqual(runs, [
      ['route get 192.0.2.8', 'route get 2001:db8::8', 'route get 192.0.2.9'],
      ['link show type bridge', 'link show dev up0'],
      ['route show table all to match 192.0.2.8', 'route show table all to match 192.0.2.9'],
      ['route show table all to match 2001:db8::8'],
    ]);
  });
});
