import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { PodPlanner } from '../../src/agent/pod-networks/pod-planner.ts';
import type { JudgedDevice, PodRuleOptions } from '../../src/compile/pod-tables.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import { verdictOf } from '../support/routed.ts';

const own = '10.1.0.2';
const peer = '10.2.0.9';
const denyAll = policy('shop/deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
const world: readonly ApiObject[] = [
  namespace('shop'),
  { ...node('n1', '192.0.2.1'), spec: { podCIDRs: ['10.1.0.0/24'] } },
  node('n2', '192.0.2.2'),
  pod('shop/web', { ips: [own, 'fd01::2'], uid: 'uid-web' }),
];
const strict: PodRuleOptions = { guard: true, allowed: {} };

function tablesOf(
  objects: readonly ApiObject[],
  {
    rules = strict,
    judgedByNode = [] as readonly JudgedDevice[],
    uid = 'uid-web',
    denied = [] as readonly string[],
  } = {},
): Ruleset {
  const pipeline = startPipeline('n1', objects, { gate: false });
  if (denied.length > 0) pipeline.receive({ op: 'unflushed', addresses: denied });
  const addresses = [own, 'fd01::2'];
  const interfaces = [{ device: 'eth0', namespace: '/run/netns/cni-1', addresses }];
  const place = { id: 'c1', namespace: 'shop', name: 'web', uid, order: 1, live: true, link: undefined };
  const sandbox = { ...place, addresses, interfaces };
  const planner = new PodPlanner({ sandbox, judgedByNode, rules });
  planner.take(pipeline.plan(undefined).compiled, pipeline.snapshot);
  return planner.plan(undefined).result;
}

const leaving = { hook: 'output', outInterface: 'eth0', source: own, destination: peer } as const;
const arriving = { hook: 'input', inInterface: 'eth0', source: peer, destination: own } as const;
const tcp = {
  family: 'ipv4',
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 80,
  direction: 'original',
} as const;

function syn(ends: Pick<Packet, 'hook' | 'source' | 'destination'> & Partial<Packet>): Packet {
  return { ...tcp, ctState: 'new', tcpSyn: true, ...ends };
}

describe('the tables inside of a pod', () => {
  const isolated = tablesOf([...world, denyAll]);
  const open = tablesOf(world);

  it('judge both directions, and nothing else', () => {
    for (const ends of [leaving, arriving]) {
      assert.equal(verdictOf(open, syn(ends)), 'accept');
      assert.equal(verdictOf(isolated, syn(ends)), 'drop');
    }
    assert.equal(verdictOf(isolated, syn({ ...leaving, outInterface: 'lo' })), 'accept');
    assert.equal(verdictOf(isolated, syn({ ...arriving, inInterface: 'lo' })), 'accept');
    // The pod has redirected it to itself.
    assert.equal(verdictOf(isolated, syn({ ...leaving, destination: '127.0.0.1' })), 'accept');
  });

  it('deny a pod that the node does not know, and a pod with a denied address', () => {
    for (const tables of [tablesOf(world, { uid: 'another' }), tablesOf(world, { denied: [own] })]) {
      for (const ends of [leaving, arriving]) assert.equal(verdictOf(tables, syn(ends)), 'drop');
    }
  });

  it('leave to the node what it judges', () => {
    const tables = tablesOf([...world, denyAll], { judgedByNode: [{ name: 'eth0', kind: 'veth' }] });
    const byVeth = { inKind: 'veth', outKind: 'veth' };
    for (const ends of [leaving, arriving]) assert.equal(verdictOf(tables, syn({ ...ends, ...byVeth })), 'accept');
    // The pod gave the name to another device, of another kind or none.
    const byMacvlan = { inKind: 'macvlan', outKind: 'macvlan' };
    for (const ends of [leaving, arriving]) {
      for (const kinds of [{}, byMacvlan]) assert.equal(verdictOf(tables, syn({ ...ends, ...kinds })), 'drop');
    }
    assert.equal(verdictOf(tables, syn({ ...arriving, inInterface: 'net1' })), 'drop');
  });

  it('judge what the pod forwards as sent and as received', () => {
    const through = { hook: 'forward', source: '172.17.0.2', destination: peer } as const;
    const [out, into] = [
      { ...through, inInterface: 'docker0', outInterface: 'eth0' },
      { ...through, inInterface: 'eth0', outInterface: 'docker0' },
    ];
    for (const ends of [out, into]) {
      assert.equal(verdictOf(open, syn(ends)), 'accept');
      assert.equal(verdictOf(isolated, syn(ends)), 'drop');
    }
  });

  it('let the own node in, but no machine with an address of a pod range (S5.1)', () => {
    assert.equal(verdictOf(isolated, syn({ ...arriving, source: '192.0.2.1' })), 'accept');
    assert.equal(verdictOf(isolated, syn({ ...arriving, source: '192.0.2.2' })), 'drop');
    assert.equal(verdictOf(isolated, syn({ ...arriving, source: '10.1.0.1' })), 'drop');
    const answer = { ...leaving, destination: '192.0.2.1', sourcePort: 80, destinationPort: 40_000 } as const;
    assert.equal(verdictOf(isolated, { ...tcp, ctState: 'established', ...answer, direction: 'reply' }), 'accept');
    assert.equal(verdictOf(isolated, syn({ ...leaving, destination: '192.0.2.1' })), 'drop');
  });

  it('let the pod send from its own addresses only (S1.15)', () => {
    const forged = syn({ ...leaving, source: peer });
    assert.equal(verdictOf(open, forged), 'drop');
    assert.equal(verdictOf(tablesOf(world, { rules: { ...strict, guard: false } }), forged), 'accept');
    const dhcp = {
      family: 'ipv4',
      protocol: 'udp',
      source: '0.0.0.0',
      destination: '255.255.255.255',
      sourcePort: 68,
    } as const;
    const request: Packet = { ...leaving, ...dhcp, destinationPort: 67, ctState: 'new', direction: 'original' };
    assert.equal(verdictOf(isolated, request), 'accept');
    assert.equal(verdictOf(isolated, { ...request, destinationPort: 68 }), 'drop');
  });

  it('let no tunnel packet to a node, unless the operator allows it (S1.18)', () => {
    const vxlan = { ...leaving, family: 'ipv4', protocol: 'udp', sourcePort: 1, destinationPort: 8472 } as const;
    const packet: Packet = { ...vxlan, destination: '192.0.2.2', ctState: 'new', direction: 'original' };
    assert.equal(verdictOf(open, packet), 'drop');
    assert.equal(verdictOf(open, { ...packet, destination: peer }), 'accept');
    assert.equal(verdictOf(tablesOf(world, { rules: { guard: true, allowed: { tunnels: true } } }), packet), 'accept');
  });

  it('reset what conntrack picked up in mid-stream, and let the reset out (S5.18)', () => {
    const middle: Packet = { ...tcp, ...arriving, ctState: 'new', tcpSyn: false };
    assert.equal(verdictOf(isolated, middle), 'reset');
    assert.equal(verdictOf(open, middle), 'accept');
    const reset: Packet = { ...tcp, ...leaving, ctState: 'related', tcpSyn: false, direction: 'reply' };
    assert.equal(verdictOf(isolated, reset), 'accept');
    // A connection that a helper expects is a new one.
    assert.equal(verdictOf(isolated, { ...reset, tcpSyn: true, direction: 'original' }), 'drop');
  });

  it('pass an ICMP error if the connection that it is about would pass (S5.19)', () => {
    const toPeer = policy('shop/allow', {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      egress: [{ to: [{ ipBlock: { cidr: '10.2.0.0/24' } }], ports: [{ port: 80 }] }],
    });
    const allowed = tablesOf([...world, toPeer]);
    const connection = { source: own, destination: peer, protocol: 'tcp', destinationPort: 80 } as const;
    const error: Packet = {
      ...{ ...arriving, source: '10.9.0.1', family: 'ipv4', protocol: 'icmp', icmpType: 3, ctState: 'related' },
      direction: 'reply',
      length: 56,
      connection,
    };
    assert.equal(verdictOf(allowed, error), 'accept');
    assert.equal(verdictOf(isolated, error), 'drop');
    assert.equal(verdictOf(allowed, { ...error, connection: { ...connection, destinationPort: 81 } }), 'drop');
    assert.equal(verdictOf(allowed, { ...error, length: 577 }), 'drop');
  });

  it('pass neighbour discovery, and no advertisement of a router (S1.18)', () => {
    const control = {
      family: 'ipv6',
      protocol: 'icmpv6',
      source: 'fd01::2',
      destination: 'ff02::1',
      ctState: 'untracked',
    } as const;
    const solicitation: Packet = { ...leaving, ...control, icmpType: 135, hopLimit: 255, length: 72 };
    assert.equal(verdictOf(isolated, solicitation), 'accept');
    assert.equal(verdictOf(isolated, { ...solicitation, icmpType: 134 }), 'drop');
    assert.equal(verdictOf(open, { ...solicitation, icmpType: 134 }), 'drop');
  });
});
