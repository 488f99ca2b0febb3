import {
  addressOf,
  admin,
  all,
  anywhere,
  baseline,
  from,
  isolated,
  networks,
  nodes,
  outside,
  pods,
  port,
  portName,
  ports,
  team,
  to,
  type Peer,
  type TierCase,
} from './language.ts';

function one(title: string, step: TierCase['steps'][number]): TierCase {
  return { title, steps: [step] };
}

const anyNode: Peer = { nodes: {} };
/** What the API server keeps of a field that its version of the definition does not have. */
const unknownPeer: Peer = {};
const unknownProtocol = {};
const unreadable: Peer = { namespaces: { matchExpressions: [{ key: 'team', operator: 'Near', values: ['red'] }] } };

/** Which pods and machines rules are about. */
export const endCases: readonly TierCase[] = [
  one('the subject is all namespaces (S10.9)', {
    given: [admin({ subject: all, ingress: [from('Deny', team('green'))] })],
    yes: ['blue/a > red/a', 'red/a > green/a'],
    no: ['green/a > red/a', 'green/a > blue/a', 'green/a > blue/b'],
  }),
  one('the subject is all pods, by two empty selectors (S10.9)', {
    given: [
      admin({ subject: { pods: { namespaceSelector: {}, podSelector: {} } }, ingress: [from('Deny', team('green'))] }),
    ],
    no: ['green/a > red/a', 'green/a > blue/a'],
    yes: ['blue/a > green/a'],
  }),
  one('the subject is pods of namespaces, by both selectors (S10.9)', {
    given: [admin({ subject: pods('a', 'red'), ingress: [from('Deny', all)] })],
    no: ['blue/a > red/a'],
    yes: ['blue/a > red/b', 'red/b > blue/a'],
  }),
  one('hostNetwork pods are no subject (S10.9)', {
    given: [admin({ subject: all, egress: [to('Deny', anywhere)] })],
    yes: ['red/host > blue/b', 'red/host > host/outside'],
    no: ['red/b > host/outside'],
  }),
  one('hostNetwork pods are no peers, as sources (S10.10)', {
    given: [admin({ ingress: [from('Deny', all)] }), baseline({ ingress: [from('Deny', pods('host'))] })],
    yes: ['red/host > red/a', 'red/host > red/b'],
    no: ['red/b > red/a'],
  }),
  one('hostNetwork pods are no peers, as destinations (S10.11)', {
    given: [admin({ egress: [to('Deny', all)] })],
    yes: ['red/a > red/host', 'red/b > red/host'],
    no: ['red/a > blue/a'],
  }),
  one('no ingress rule matches a node or a machine outside (S10.10)', {
    given: [admin({ ingress: [from('Deny', all)] }), baseline({ ingress: [from('Deny', all)] })],
    yes: ['node/n1 > red/a', 'node/n2 > red/a', 'node/n2 > red/b icmp', 'host/outside > red/a'],
    no: ['blue/a > red/a'],
  }),
  one('peers are ORed (S10.11)', {
    given: [admin({ ingress: [from('Accept', [team('blue'), pods('b', 'red')]), from('Deny', all)] })],
    yes: ['blue/a > red/a', 'red/b > red/a'],
    no: ['green/a > red/a'],
  }),
  one('a network is pods, nodes and machines outside alike (S10.12)', {
    given: [admin({ egress: [to('Deny', anywhere)] })],
    no: ['red/a > blue/a', 'red/a > red/b', 'red/a > red/host', 'red/a > host/outside', 'red/a > node/n1 icmp'],
    yes: ['blue/a > host/outside'],
  }),
  one('a network has one family (S10.12)', {
    given: [admin({ egress: [to('Deny', networks('0.0.0.0/0'))] })],
    no: ['red/a > blue/a ipv4', 'red/a > host/outside icmp ipv4'],
    yes: ['red/a > blue/a ipv6', 'red/a > host/outside icmp ipv6'],
  }),
  one('… also the other (S10.12)', {
    given: [admin({ egress: [to('Deny', networks('::/0'))] })],
    no: ['red/a > blue/a ipv6', 'red/a > host/outside icmp ipv6'],
    yes: ['red/a > blue/a ipv4', 'red/a > host/outside icmp ipv4'],
  }),
  one('a network matches ICMP, neighbour discovery goes on (S10.12)', {
    given: [admin({ egress: [to('Accept', anywhere, [port(80)]), to('Deny', anywhere)] })],
    yes: ['red/a > blue/a', 'red/b > host/outside'],
    no: ['red/a > blue/a icmp', 'red/b > host/outside icmp', 'red/a > host/outside UDP/53'],
  }),
  one('host bits of a block do not count (S10.12)', {
    given: [admin({ egress: [to('Deny', networks('10.9.0.77/24', 'fd00:9::77/112'))] })],
    no: ['red/a > host/outside'],
    yes: ['red/a > blue/a'],
  }),
  one('blocks may repeat and overlap, in a rule and over rules (S10.12)', {
    given: [
      admin({
        name: 'a',
        priority: 1,
        egress: [to('Accept', [addressOf('host/outside'), addressOf('host/outside')], [port(80)])],
      }),
      admin({
        name: 'b',
        priority: 2,
        egress: [to('Deny', networks('10.9.0.0/24', '10.9.0.0/16', '10.9.0.1/32', 'fd00:9::/64', 'fd00:9::1/128'))],
      }),
      admin({ name: 'c', priority: 3, egress: [to('Deny', [outside, networks('10.0.0.0/9')], [port(53, 'udp')])] }),
    ],
    yes: ['red/a > host/outside', 'red/a > blue/a UDP/53'],
    no: ['red/a > host/outside UDP/53', 'red/a > host/outside icmp'],
  }),
  one('a smaller block before a larger one is an exception (S10.12)', {
    given: [
      admin({ egress: [to('Accept', addressOf('blue/a')), to('Deny', networks('10.244.0.0/16', 'fd00:10:244::/48'))] }),
    ],
    yes: ['red/a > blue/a', 'red/a > host/outside'],
    no: ['red/a > blue/b', 'red/a > green/a'],
  }),
  one('{} is all nodes, the own one included (S10.13)', {
    given: [admin({ egress: [to('Deny', anyNode)] })],
    no: ['red/a > red/host', 'red/b > red/host', 'red/a > node/n1 icmp', 'red/b > node/n1 icmp'],
    yes: ['red/a > blue/a', 'red/a > host/outside'],
  }),
  one('nodes are accepted before a network that holds them is denied (S10.13)', {
    given: [admin({ egress: [to('Accept', nodes('n2')), to('Deny', anywhere)] })],
    yes: ['red/a > red/host', 'red/b > node/n2 icmp'],
    no: ['red/a > node/n1 icmp', 'red/a > blue/a'],
  }),
];

/** Protocols and ports. */
export const portCases: readonly TierCase[] = [
  one('without protocols, every protocol matches (S10.15)', {
    given: [admin({ ingress: [from('Deny', team('blue'))] })],
    no: ['blue/a > red/a TCP/8080', 'blue/a > red/a UDP/53', 'blue/a > red/a SCTP/80', 'blue/a > red/a icmp'],
    yes: ['green/a > red/a icmp'],
  }),
  one('with protocols, only what they name (S10.15)', {
    given: [admin({ ingress: [from('Deny', all, [port(80), port(53, 'udp')])] })],
    no: ['blue/a > red/a', 'blue/a > red/a UDP/53'],
    yes: ['blue/a > red/a TCP/81', 'blue/a > red/a SCTP/80', 'blue/a > red/a icmp'],
  }),
  one('Accept with protocols spares no ICMP (S10.15)', {
    given: [admin({ egress: [to('Accept', all, [port(80)]), to('Deny', anywhere)] })],
    yes: ['red/a > blue/a'],
    no: ['red/a > blue/a icmp', 'red/a > blue/a TCP/81', 'red/a > blue/a UDP/53'],
  }),
  one('udp and sctp by number (S10.15)', {
    given: [admin({ ingress: [from('Deny', all, [port(53, 'udp'), port(80, 'sctp')])] })],
    no: ['blue/a > red/a UDP/53', 'blue/a > red/a SCTP/80'],
    yes: ['blue/a > red/a TCP/80'],
  }),
  one('a range has both ends (S10.16)', {
    given: [admin({ ingress: [from('Deny', all, [ports(80, 81)])] })],
    no: ['blue/a > red/a TCP/80', 'blue/a > red/a TCP/81'],
    yes: ['blue/a > red/a TCP/8080', 'blue/a > red/a UDP/53'],
  }),
  one('a range of all ports is the whole protocol (S10.16)', {
    given: [baseline({ ingress: [from('Deny', all, [ports(1, 65_535)])] })],
    no: ['blue/a > red/a TCP/80', 'blue/a > red/a TCP/8080'],
    yes: ['blue/a > red/a UDP/53', 'blue/a > red/a icmp'],
  }),
  one('a protocol without a port is all its ports (S10.16)', {
    given: [admin({ ingress: [from('Deny', all, [{ tcp: {} }])] })],
    no: ['blue/a > red/a TCP/80', 'blue/a > red/a TCP/8080'],
    yes: ['blue/a > red/a UDP/53'],
  }),
  one('a range in which an earlier rule accepts a part (S10.16)', {
    given: [admin({ ingress: [from('Accept', team('blue'), [port(81)]), from('Deny', all, [ports(1, 8080)])] })],
    yes: ['blue/a > red/a TCP/81'],
    no: ['blue/a > red/a TCP/80', 'blue/a > red/a TCP/8080', 'green/a > red/a TCP/81'],
  }),
  one('a port name at ingress is the number of the subject (S10.17)', {
    given: [admin({ ingress: [from('Deny', all, [portName('web')])] })],
    no: ['blue/a > red/a TCP/80', 'blue/a > red/b TCP/8080'],
    yes: ['blue/a > red/a TCP/8080', 'blue/a > red/b TCP/80'],
  }),
  one('a port name at egress is the number of the peer (S10.17)', {
    given: [admin({ egress: [to('Deny', all, [portName('web')])] })],
    no: ['red/a > blue/a TCP/80', 'red/a > blue/b TCP/8080'],
    yes: ['red/a > blue/a TCP/8080', 'red/a > blue/b TCP/80'],
  }),
  one('a name has each number and protocol that the pod gives it (S10.17)', {
    given: [admin({ ingress: [from('Deny', all, [portName('dns')])] })],
    no: ['blue/a > red/a UDP/53', 'blue/a > red/a TCP/81'],
    yes: ['blue/a > red/a TCP/80', 'blue/a > red/a SCTP/80'],
  }),
  one('a pod without the name is not matched (S10.17)', {
    given: [admin({ egress: [to('Deny', all, [portName('web'), portName('dns')])] })],
    no: ['red/a > blue/a TCP/80', 'red/a > blue/a UDP/53'],
    yes: ['red/a > green/a TCP/80', 'red/a > green/a UDP/53', 'red/a > green/a TCP/81'],
  }),
  one('Accept of a port name (S10.17)', {
    given: [admin({ egress: [to('Accept', team('blue'), [portName('web')]), to('Deny', anywhere)] })],
    yes: ['red/a > blue/a TCP/80', 'red/a > blue/b TCP/8080'],
    no: ['red/a > blue/a TCP/8080', 'red/a > blue/b TCP/80', 'red/a > green/a TCP/80'],
  }),
  one('a port name with networks: Deny matches nothing (S10.17)', {
    given: [admin({ egress: [to('Deny', [anywhere, anyNode], [portName('web')])] })],
    yes: ['red/a > blue/a TCP/80', 'red/a > host/outside', 'red/a > red/host'],
  }),
  one('… Accept matches nothing (S10.17)', {
    given: [admin({ egress: [to('Accept', anywhere, [portName('web')])] }), isolated('red', 'egress')],
    no: ['red/a > blue/a TCP/80', 'red/a > host/outside'],
  }),
  one('… and pods beside them in the rule are matched (S10.17)', {
    given: [admin({ egress: [to('Deny', [anywhere, team('blue')], [portName('web')])] })],
    no: ['red/a > blue/a TCP/80', 'red/a > blue/b TCP/8080'],
    yes: ['red/a > red/b TCP/8080', 'red/a > blue/b TCP/80', 'red/a > host/outside'],
  }),
];

/** Objects that cannot be read whole. */
export const unreadCases: readonly TierCase[] = [
  one('Accept of an unknown peer matches nothing (S10.20)', {
    given: [admin({ ingress: [from('Accept', unknownPeer), from('Deny', team('blue'))] })],
    no: ['blue/a > red/a'],
    yes: ['green/a > red/a'],
  }),
  one('… while its other peers stay (S10.20)', {
    given: [admin({ ingress: [from('Accept', [unknownPeer, team('blue')])] }), isolated('red', 'ingress')],
    yes: ['blue/a > red/a'],
    no: ['green/a > red/a'],
  }),
  one('Deny of an unknown peer denies everything from there on (S10.20)', {
    given: [admin({ ingress: [from('Accept', team('blue')), from('Deny', unknownPeer), from('Accept', all)] })],
    yes: ['blue/a > red/a', 'red/a > green/a', 'blue/a > green/a'],
    no: ['green/a > red/a', 'red/b > red/a'],
  }),
  one('Pass of an unknown peer denies everything from there on (S10.20)', {
    given: [admin({ egress: [to('Accept', team('blue')), to('Pass', unknownPeer), to('Accept', anywhere)] })],
    yes: ['red/a > blue/a', 'green/a > red/a'],
    no: ['red/a > green/a', 'red/a > host/outside'],
  }),
  one('an unknown peer in Baseline denies there (S10.20)', {
    given: [baseline({ subject: all, ingress: [from('Deny', unknownPeer)] }), isolated('green', 'egress')],
    no: ['blue/a > red/a', 'red/a > blue/a', 'green/a > red/a'],
  }),
  one('Deny of an unknown protocol denies everything (S10.20)', {
    given: [admin({ ingress: [from('Deny', team('blue'), [unknownProtocol])] })],
    no: ['green/a > red/a', 'blue/a > red/a icmp'],
    yes: ['red/a > blue/a'],
  }),
  one('Accept of an unknown protocol matches nothing (S10.20)', {
    given: [admin({ ingress: [from('Accept', all, [unknownProtocol])] }), isolated('red', 'ingress')],
    no: ['blue/a > red/a', 'blue/a > red/a icmp'],
  }),
  one('Deny by a selector that cannot be read denies everything (S10.20)', {
    given: [admin({ ingress: [from('Deny', unreadable)] })],
    no: ['blue/a > red/a', 'green/a > red/b'],
    yes: ['red/a > blue/a'],
  }),
  one('a subject that cannot be read in part: its Deny denies everything (S10.20)', {
    given: [admin({ subject: { ...unreadable }, ingress: [from('Deny', pods('nobody'))] })],
    no: ['green/a > red/a', 'red/a > blue/a'],
  }),
];
