import { deepEqual, equal } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readConntrack } from '../../src/impact/conntrack.ts';
import type { SeenFlow } from '../../src/impact/seen-flow.ts';

/** One line of the file, and its flow. */
const lines: readonly (readonly [title: string, line: string, flow: SeenFlow])[] = [
  [
    'TCP between two pods',
    'ipv4     2 tcp      6 431999 ESTABLISHED src=10.1.0.2 dst=10.1.1.3 sport=40000 dport=8080 src=10.1.1.3 dst=10.1.0.2 sport=8080 dport=40000 [ASSURED] mark=0 zone=0 use=2',
    {
      family: 'ipv4',
      protocol: 'TCP',
      source: '10.1.0.2',
      destination: '10.1.1.3',
      destinationPort: 8080,
      connections: 1,
      open: 1,
    },
  ],
  [
    'through a Service: who was reached, and what was called',
    'ipv4     2 tcp      6 86399 ESTABLISHED src=10.1.0.2 dst=10.96.0.10 sport=40000 dport=80 src=10.1.1.3 dst=10.1.0.2 sport=8080 dport=40000 [ASSURED] mark=0 use=1',
    {
      family: 'ipv4',
      protocol: 'TCP',
      source: '10.1.0.2',
      destination: '10.1.1.3',
      destinationPort: 8080,
      via: '10.96.0.10:80',
      connections: 1,
      open: 1,
    },
  ],
  [
    'a client that is masqueraded on its way out: the client, not the node',
    'ipv4     2 udp      17 29 src=203.0.113.9 dst=192.0.2.1 sport=5000 dport=30053 src=10.1.1.3 dst=192.0.2.1 sport=53 dport=61000 mark=0 use=1',
    {
      family: 'ipv4',
      protocol: 'UDP',
      source: '203.0.113.9',
      destination: '10.1.1.3',
      destinationPort: 53,
      via: '192.0.2.1:30053',
      connections: 1,
      open: 1,
    },
  ],
  [
    'the same port at another address, of IPv6, written out in full, with accounting',
    'ipv6     10 tcp      6 100 SYN_SENT src=fd00:0000:0000:0000:0000:0000:0000:0002 dst=fd00:0000:0000:0000:0000:0000:0000:00aa sport=4 dport=443 packets=1 bytes=60 [UNREPLIED] src=fd00:0000:0000:0000:0000:0000:0000:0003 dst=fd00:0000:0000:0000:0000:0000:0000:0002 sport=443 dport=4 packets=0 bytes=0 mark=0 use=1',
    {
      family: 'ipv6',
      protocol: 'TCP',
      source: 'fd00::2',
      destination: 'fd00::3',
      destinationPort: 443,
      via: '[fd00::aa]:443',
      connections: 1,
      open: 1,
    },
  ],
  [
    'one that has ended',
    'ipv4     2 tcp      6 100 TIME_WAIT src=10.1.0.2 dst=10.1.1.3 sport=40001 dport=8080 src=10.1.1.3 dst=10.1.0.2 sport=8080 dport=40001 [ASSURED] use=1',
    {
      family: 'ipv4',
      protocol: 'TCP',
      source: '10.1.0.2',
      destination: '10.1.1.3',
      destinationPort: 8080,
      connections: 1,
      open: 0,
    },
  ],
  [
    'SCTP',
    'ipv4     2 sctp     132 209 ESTABLISHED src=10.1.0.2 dst=10.1.1.3 sport=5 dport=7 src=10.1.1.3 dst=10.1.0.2 sport=7 dport=5 [ASSURED] use=1',
    {
      family: 'ipv4',
      protocol: 'SCTP',
      source: '10.1.0.2',
      destination: '10.1.1.3',
      destinationPort: 7,
      connections: 1,
      open: 1,
    },
  ],
  [
    'a ping',
    'ipv6     10 icmpv6   58 29 src=fd00::2 dst=fd00::3 type=128 code=0 id=1 src=fd00::3 dst=fd00::2 type=129 code=0 id=1 use=1',
    { family: 'ipv6', protocol: 'ICMP', source: 'fd00::2', destination: 'fd00::3', connections: 1, open: 1 },
  ],
  [
    'a zone of one direction, and an entry that is offloaded',
    'ipv4     2 tcp      6 src=10.1.0.2 dst=10.1.1.3 sport=9 dport=80 zone-orig=3 src=10.1.1.3 dst=10.1.0.2 sport=80 dport=9 [OFFLOAD] mark=0 use=3',
    {
      family: 'ipv4',
      protocol: 'TCP',
      source: '10.1.0.2',
      destination: '10.1.1.3',
      destinationPort: 80,
      connections: 1,
      open: 1,
    },
  ],
];

describe('connection tracking', () => {
  for (const [title, line, flow] of lines) {
    it(title, () => deepEqual(readConntrack(`${line}\n`), { flows: [flow], otherProtocols: 0, unreadable: 0 }));
  }

  it('connections that differ only in the source port are one flow, and each counts', () => {
    const [open, ended] = [lines[0]![1], lines[4]![1]];
    const { flows } = readConntrack([open, open.replace('sport=40000', 'sport=40009'), ended, lines[1]![1]].join('\n'));
    deepEqual(
      flows.map((flow) => [flow.via, flow.connections, flow.open]),
      [
        [undefined, 3, 2],
        ['10.96.0.10:80', 1, 1],
      ],
    );
  });

  it('other protocols and unreadable lines are counted and do not stop the reading', () => {
    const gre =
      'ipv4     2 gre      47 29 src=10.1.0.2 dst=10.1.1.3 srckey=0x0 dstkey=0x1 src=10.1.1.3 dst=10.1.0.2 srckey=0x1 dstkey=0x0 use=1';
    const unknown = 'ipv4     2 unknown  4 599 src=10.1.0.2 dst=10.1.1.3 src=10.1.1.3 dst=10.1.0.2 use=1';
    const broken = [
      'nonsense',
      'ipv4 2 tcp 6 1 ESTABLISHED src=10.1.0.2 dst=10.1.1.3 sport=1 dport=2',
      'ipv4 2 tcp 6 1 X src=a dst=b sport=1 dport=2 src=b dst=a sport=2 dport=1',
    ];
    const read = readConntrack([gre, unknown, ...broken, lines[0]![1], ''].join('\n'));
    deepEqual([read.otherProtocols, read.unreadable, read.flows.length], [2, 3, 1]);
  });

  it('an empty table is no flow', () => equal(readConntrack('').flows.length, 0));
});
