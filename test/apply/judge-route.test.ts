import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Device, Devices } from '../../src/apply/devices.ts';
import {
  describeOutside,
  judgeOtherRoute,
  judgeRoute,
  type Outside,
  type PodRoute,
} from '../../src/apply/judge-route.ts';

function device(kind?: string, lower?: string): Device {
  const netfilter = kind === 'bridge' ? { iptables: false, ip6tables: false } : undefined;
  return { kind, lower, netfilter };
}

const devices: Devices = new Map([
  ['lo', device()],
  ['eth0', device()],
  ['up0', device('ifb')],
  ['shim0', device('macvlan', 'up0')],
  ['veth0', device('veth')],
  ['tap0', device('tun')],
  ['lxc0', device('netkit')],
  ['pods0', device('bridge')],
  ['pods0.7', device('vlan', 'pods0')],
  ['eth0.7', device('vlan', 'eth0')],
  ['mac0', device('macvlan', 'pods0')],
  ['ovs0', device('openvswitch')],
  ['ipvl0', device('ipvlan', 'eth0')],
  ['bond0', device('bond')],
]);

/** Answers of `ip -json -details route get` of iproute2 6.15 on Linux 6.18, as recorded. */
const recorded: readonly [what: string, answer: string, way: string][] = [
  [
    'a veth',
    '{"type":"unicast","dst":"10.8.0.5","dev":"veth0","table":"main","prefsrc":"192.0.2.2","flags":[],"uid":0,"cache":[]}',
    'inside',
  ],
  [
    'a tap',
    '{"type":"unicast","dst":"10.8.0.6","dev":"tap0","table":"main","prefsrc":"192.0.2.2","flags":[],"uid":0,"cache":[]}',
    'inside',
  ],
  [
    'a bridge',
    '{"type":"unicast","dst":"10.9.0.7","dev":"pods0","table":"main","prefsrc":"10.9.0.1","flags":[],"uid":0,"cache":[]}',
    'inside by pods0',
  ],
  [
    'a bridge, IPv6',
    '{"type":"unicast","dst":"fd00:9::7","from":"::","dev":"pods0","table":"main","protocol":"kernel","scope":"global","prefsrc":"fd00:9::1","metric":256,"flags":[],"pref":"medium"}',
    'inside by pods0',
  ],
  [
    'the network of the node',
    '{"type":"unicast","dst":"192.0.2.9","dev":"up0","table":"main","prefsrc":"192.0.2.2","flags":[],"uid":0,"cache":[]}',
    'outside by up0',
  ],
  [
    'the network of the node, IPv6',
    '{"type":"unicast","dst":"2001:db8::9","from":"::","dev":"up0","table":"main","protocol":"kernel","scope":"global","prefsrc":"2001:db8::2","metric":256,"flags":[],"pref":"medium"}',
    'outside by up0',
  ],
  [
    "the node's own macvlan",
    '{"type":"unicast","dst":"192.0.2.70","dev":"shim0","table":"main","prefsrc":"192.0.2.2","flags":[],"uid":0,"cache":[]}',
    'outside by shim0',
  ],
  [
    'a gateway',
    '{"type":"unicast","dst":"203.0.113.4","gateway":"192.0.2.1","dev":"up0","table":"main","prefsrc":"192.0.2.2","flags":[],"uid":0,"cache":[]}',
    'outside by up0 over 192.0.2.1',
  ],
  [
    'a gateway, IPv6',
    '{"type":"unicast","dst":"2001:db8:1::4","from":"::","gateway":"2001:db8::1","dev":"up0","table":"main","protocol":"boot","scope":"global","prefsrc":"2001:db8::2","metric":1024,"flags":[],"pref":"medium"}',
    'outside by up0 over 2001:db8::1',
  ],
  [
    'a gateway behind a device of pods',
    '{"type":"unicast","dst":"10.7.0.4","gateway":"10.9.0.2","dev":"pods0","table":"main","prefsrc":"10.9.0.1","flags":[],"uid":0,"cache":[]}',
    'unknown',
  ],
  [
    'the node itself',
    '{"type":"local","dst":"10.9.0.1","dev":"lo","table":"main","prefsrc":"10.9.0.1","flags":[],"uid":0,"cache":["local"]}',
    'the node',
  ],
  [
    'the node itself, IPv6',
    '{"type":"local","dst":"fd00:9::1","from":"::","dev":"lo","table":"local","protocol":"kernel","scope":"global","prefsrc":"fd00:9::1","metric":0,"flags":[],"pref":"medium"}',
    'the node',
  ],
];

function told(way: PodRoute | undefined): string {
  if (!way) return 'unknown';
  if (way.isInside) return way.bridge === undefined ? 'inside' : `inside by ${way.bridge}`;
  if (way.isNode) return 'the node';
  return `outside by ${way.device}${way.gateway === undefined ? '' : ` over ${way.gateway}`}`;
}

describe('the way to a pod', () => {
  for (const [what, answer, way] of recorded) {
    it(`by ${what}: ${way}`, () => {
      assert.equal(told(judgeRoute(JSON.parse(answer) as Record<string, unknown>, devices)), way);
    });
  }

  for (const [dev, way] of [
    ['lxc0', 'inside'],
    ['pods0.7', 'inside by pods0'],
    ['eth0.7', 'outside by eth0.7'],
    ['mac0', 'outside by mac0'],
    ['eth0', 'outside by eth0'],
    ['bond0', 'outside by bond0'],
    ['ovs0', 'outside by ovs0'],
    ['ipvl0', 'outside by ipvl0'],
    ['gone0', 'unknown'],
  ] as const) {
    it(`by ${dev}, which this machine need not know how to make: ${way}`, () => {
      assert.equal(told(judgeRoute({ type: 'unicast', dst: '10.8.0.5', dev }, devices)), way);
    });
  }

  it('is unknown where packets are refused, and with a next hop of the other family as with a gateway', () => {
    assert.equal(judgeRoute({ type: 'unreachable', dst: '10.8.0.5', dev: 'lo' }, devices), undefined);
    const via = { family: 'inet6', host: 'fe80::1' };
    assert.equal(told(judgeRoute({ type: 'unicast', dst: '10.8.0.5', dev: 'veth0', via }, devices)), 'unknown');
    assert.equal(told(judgeRoute({ type: 'unicast', dst: '10.8.0.5', dev: 'up0', via }, devices)), 'outside by up0');
  });
});

const outside: Outside = { isInside: false, device: 'up0', kind: 'ifb', gateway: undefined, isNode: false };

describe('another table', () => {
  const judge = (route: Record<string, unknown>, way = outside): string => told(judgeOtherRoute(route, way, devices));

  it('knows the pod by a device of its own, or by its bridge', () => {
    // As recorded.
    const route =
      '{"type":"unicast","dst":"10.8.0.7","dev":"veth0","table":"101","protocol":"boot","scope":"link","flags":[]}';
    assert.equal(judge(JSON.parse(route) as Record<string, unknown>), 'inside');
    assert.equal(judge({ type: 'unicast', dst: '10.8.0.0/24', dev: 'pods0', table: '101' }), 'inside by pods0');
  });

  it('says nothing by a route that is for everything, for the node, over a gateway or to the outside', () => {
    const route = { type: 'unicast', dst: '10.8.0.0/24', dev: 'veth0', table: '101' };
    assert.equal(judge(route), 'inside');
    for (const change of [
      { dst: 'default' },
      { type: 'local' },
      { gateway: '10.8.0.1' },
      { via: { family: 'inet6', host: 'fe80::1' } },
      { dev: 'up0' },
      { dev: 'gone0' },
    ]) {
      assert.equal(judge({ ...route, ...change }), 'outside by up0', JSON.stringify(change));
    }
  });

  it('knows a pod behind an address of the node only by a route of just that address', () => {
    const node = { ...outside, device: 'lo', kind: undefined, isNode: true };
    assert.equal(judge({ type: 'unicast', dst: '10.9.0.0/24', dev: 'pods0' }, node), 'the node');
    assert.equal(judge({ type: 'unicast', dst: '10.9.0.1', dev: 'veth0' }, node), 'inside');
  });
});

describe('what is said of a pod outside', () => {
  it('names addresses, devices and gateways, then what to do', () => {
    const gateway = { ...outside, device: 'eth0', kind: undefined, gateway: '2001:db8::1' };
    assert.equal(
      describeOutside(
        new Map([
          ['192.0.2.9', outside],
          ['2001:db8:1::9', gateway],
        ]),
      ),
      'this node reaches 192.0.2.9 by up0 (ifb) and 2001:db8:1::9 by 2001:db8::1 on eth0, not by a veth, a tap or a bridge: ' +
        "packets of the pod can bypass the node's rules, as with macvlan, ipvlan, SR-IOV and host-device, and no policy applies to them: " +
        'turn podNetworks.enabled (--pod-networks) on, or use a CNI plugin that routes or bridges pods on the node',
    );
  });

  it('tells an address of the node from others', () => {
    const node = { ...outside, device: 'lo', kind: undefined, isNode: true };
    assert.equal(
      describeOutside(new Map([['10.9.0.1', node]])),
      'the node itself has 10.9.0.1, so no policy applies to traffic to it: give the pod an address of its own',
    );
  });
});
