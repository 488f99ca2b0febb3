import type { ApiObject } from '../../src/lab/api/object.ts';
import {
  addressOf,
  all,
  anywhere,
  cnp,
  from,
  isolated,
  nodes,
  open,
  outside,
  pods,
  team,
  to,
  type Action,
  type Peer,
  type Rule,
  type TierCase,
  type TierName,
} from './language.ts';

type Way = 'ingress' | 'egress';

/** What stands beside the rule so that its action shows, and whether the peers of the rule get through. For all others it is the other way round. */
interface Setting {
  readonly tier: TierName;
  readonly action: Action;
  readonly networkPolicy?: (way: Way) => ApiObject;
  /** A Deny for everyone stands below the rule. */
  readonly isDeniedBelow?: true;
  readonly peersPass: boolean;
}

const settings: readonly Setting[] = [
  { tier: 'Admin', action: 'Accept', networkPolicy: (way) => isolated('red', way), peersPass: true },
  { tier: 'Admin', action: 'Deny', networkPolicy: (way) => open('red', way), peersPass: false },
  { tier: 'Admin', action: 'Pass', isDeniedBelow: true, peersPass: true },
  { tier: 'Baseline', action: 'Accept', isDeniedBelow: true, peersPass: true },
  { tier: 'Baseline', action: 'Deny', peersPass: false },
  { tier: 'Baseline', action: 'Pass', isDeniedBelow: true, peersPass: true },
];

/** A kind of peer, and flows of the subject (the namespace red) with peers and with others. */
interface Kind {
  /** The rule of docs/semantics.md. */
  readonly cited: string;
  readonly way: Way;
  readonly name: string;
  readonly peer: Peer | readonly Peer[];
  readonly matched: readonly string[];
  readonly others: readonly string[];
}

const kinds: readonly Kind[] = [
  {
    way: 'ingress',
    name: 'namespaces',
    cited: 'S10.11',
    peer: team('blue'),
    matched: ['blue/a > red/a', 'blue/b > red/b UDP/53', 'blue/b > red/a icmp'],
    others: ['green/a > red/a', 'green/a > red/b UDP/53', 'green/a > red/b icmp', 'red/b > red/a'],
  },
  {
    way: 'ingress',
    name: 'pods',
    cited: 'S10.11',
    peer: pods('b', 'blue'),
    matched: ['blue/b > red/a', 'blue/b > red/b SCTP/80'],
    others: ['blue/a > red/a', 'red/b > red/a', 'green/a > red/b SCTP/80'],
  },
  {
    way: 'egress',
    name: 'namespaces',
    cited: 'S10.11',
    peer: team('blue'),
    matched: ['red/a > blue/a', 'red/b > blue/b UDP/53', 'red/b > blue/a icmp'],
    others: ['red/a > green/a', 'red/b > green/a UDP/53', 'red/a > host/outside', 'red/a > red/host', 'red/a > red/b'],
  },
  {
    way: 'egress',
    name: 'pods',
    cited: 'S10.11',
    peer: pods('b', 'blue'),
    matched: ['red/a > blue/b', 'red/b > blue/b SCTP/80'],
    others: ['red/a > blue/a', 'red/a > red/b', 'red/b > green/a SCTP/80'],
  },
  {
    way: 'egress',
    name: 'networks',
    cited: 'S10.12',
    peer: [outside, addressOf('blue/a')],
    matched: ['red/a > host/outside', 'red/b > host/outside UDP/53', 'red/a > blue/a', 'red/b > blue/a icmp'],
    others: ['red/a > blue/b', 'red/b > green/a', 'red/a > red/host', 'red/a > node/n1 icmp'],
  },
  {
    way: 'egress',
    name: 'nodes',
    cited: 'S10.13',
    peer: nodes('n2'),
    // For red/b it is the own node.
    matched: ['red/a > red/host', 'red/b > red/host', 'red/b > node/n2 icmp'],
    others: ['red/a > node/n1 icmp', 'red/b > node/n1 icmp', 'red/a > blue/a', 'red/b > host/outside'],
  },
];

const semantics: Readonly<Record<Action, string>> = { Accept: 'S10.2', Deny: 'S10.2', Pass: 'S10.19' };

/** Every action in every tier and direction, with every kind of peer. */
export const matrix: readonly TierCase[] = kinds.flatMap(({ way, name, cited, peer, matched, others }) =>
  settings.map(({ tier, action, networkPolicy, isDeniedBelow, peersPass }): TierCase => {
    const rule = way === 'ingress' ? from : to;
    const below: Rule[] = isDeniedBelow ? [rule('Deny', way === 'ingress' ? all : anywhere)] : [];
    const given = [
      cnp(tier, { [way]: [rule(action, peer), ...below] }),
      ...(networkPolicy ? [networkPolicy(way)] : []),
    ];
    const [yes, no] = peersPass ? [matched, others] : [others, matched];
    return {
      title: `${tier} ${action}, ${way}, ${name} (${semantics[action]}, ${cited})`,
      steps: [{ given, yes, no }],
    };
  }),
);
