import {
  addressOf,
  admin,
  all,
  anywhere,
  baseline,
  from,
  isolated,
  networks,
  open,
  outside,
  pods,
  port,
  relabelled,
  service,
  team,
  to,
  type TierCase,
} from './language.ts';

const denyAll = from('Deny', all);
const acceptAll = from('Accept', all);
const passAll = from('Pass', all);

/** One state of the cluster. */
function one(title: string, step: TierCase['steps'][number]): TierCase {
  return { title, steps: [step] };
}

/** Order, tiers, directions and the end of each tier. */
export const orderCases: readonly TierCase[] = [
  one('in a policy, the first rule that matches decides: Accept (S10.2)', {
    given: [admin({ ingress: [from('Accept', team('blue')), denyAll] })],
    yes: ['blue/a > red/a', 'blue/b > red/b'],
    no: ['green/a > red/a', 'red/b > red/a'],
  }),
  one('… Deny (S10.2)', {
    given: [admin({ ingress: [from('Deny', team('blue')), acceptAll] }), isolated('red', 'ingress')],
    yes: ['green/a > red/a', 'red/b > red/a'],
    no: ['blue/a > red/a', 'host/outside > red/a'],
  }),
  one('… Pass (S10.2)', {
    given: [admin({ ingress: [from('Pass', team('blue')), acceptAll] }), isolated('red', 'ingress')],
    yes: ['green/a > red/a'],
    no: ['blue/a > red/a'],
  }),
  one('priority 0 comes before 1000 (S10.3)', {
    given: [
      admin({ name: 'a-last', priority: 1000, ingress: [denyAll] }),
      admin({ name: 'z-first', priority: 0, ingress: [from('Accept', team('blue'))] }),
    ],
    yes: ['blue/a > red/a'],
    no: ['green/a > red/a'],
  }),
  one('priority 9 comes before 10 (S10.3)', {
    given: [
      admin({ name: 'a', priority: 10, ingress: [acceptAll] }),
      admin({ name: 'b', priority: 9, ingress: [from('Deny', team('blue'))] }),
    ],
    yes: ['green/a > red/a'],
    no: ['blue/a > red/a'],
  }),
  one('Baseline has priorities of its own (S10.3)', {
    given: [
      baseline({ name: 'a', priority: 1000, ingress: [denyAll] }),
      baseline({ name: 'b', priority: 0, ingress: [from('Accept', team('blue'))] }),
    ],
    yes: ['blue/a > red/a'],
    no: ['green/a > red/a'],
  }),
  one('a Baseline of priority 0 comes after an Admin of priority 1000 (S10.1)', {
    given: [
      admin({ priority: 1000, ingress: [from('Accept', team('blue'))] }),
      baseline({ priority: 0, ingress: [denyAll] }),
    ],
    yes: ['blue/a > red/a'],
    no: ['green/a > red/a'],
  }),
  one('with the same priority, the name decides (S10.8)', {
    given: [admin({ name: 'b', ingress: [denyAll] }), admin({ name: 'a', ingress: [from('Accept', team('blue'))] })],
    yes: ['blue/a > red/a'],
    no: ['green/a > red/a'],
  }),
  one('… and rules that do not overlap both hold (S10.8)', {
    given: [
      admin({ name: 'a', ingress: [from('Deny', team('blue'))] }),
      admin({ name: 'b', ingress: [from('Deny', team('green'))] }),
    ],
    yes: ['red/b > red/a'],
    no: ['blue/a > red/a', 'green/a > red/a'],
  }),
  one('Accept at egress does not spare ingress (S10.7)', {
    given: [admin({ egress: [to('Accept', all)] }), isolated('blue', 'ingress')],
    yes: ['red/a > green/a'],
    no: ['red/a > blue/a', 'red/b > blue/b'],
  }),
  one('each end needs its own consent (S10.7)', {
    given: [admin({ subject: all, ingress: [acceptAll], egress: [to('Deny', team('green'))] })],
    yes: ['green/a > red/a', 'red/a > blue/a'],
    no: ['red/a > green/a', 'blue/b > green/a'],
  }),
  one('Admin ingress rules change nothing of egress (S10.6)', {
    given: [admin({ ingress: [denyAll] })],
    yes: ['red/a > blue/a', 'red/a > host/outside'],
    no: ['blue/a > red/a'],
  }),
  one('Admin egress rules change nothing of ingress (S10.6)', {
    given: [admin({ egress: [to('Deny', anywhere)] })],
    yes: ['blue/a > red/a', 'host/outside > red/a'],
    no: ['red/a > blue/a', 'red/a > host/outside'],
  }),
  one('Baseline ingress rules change nothing of egress (S10.6)', {
    given: [baseline({ ingress: [denyAll] })],
    yes: ['red/a > blue/a'],
    no: ['blue/a > red/a'],
  }),
  one('Baseline egress rules change nothing of ingress (S10.6)', {
    given: [baseline({ egress: [to('Deny', anywhere)] })],
    yes: ['blue/a > red/a'],
    no: ['red/a > blue/a'],
  }),
  one('a subject that no rule matches is not isolated (S10.6)', {
    given: [admin({ ingress: [from('Accept', team('blue'))], egress: [to('Accept', team('blue'))] })],
    yes: ['green/a > red/a', 'red/a > green/a', 'red/a > host/outside', 'blue/a > red/a'],
  }),
  one('policies without rules do nothing (S10.6)', {
    given: [admin({}), baseline({ ingress: [], egress: [] })],
    yes: ['blue/a > red/a', 'red/a > blue/a', 'red/a > host/outside icmp'],
  }),
];

/** What passes from tier to tier. */
export const passCases: readonly TierCase[] = [
  one('Pass of Admin leaves it to NetworkPolicies, which allow (S10.19)', {
    given: [admin({ ingress: [passAll, denyAll] }), open('red', 'ingress'), baseline({ ingress: [denyAll] })],
    yes: ['blue/a > red/a', 'green/a > red/b'],
  }),
  one('… or deny (S10.19)', {
    given: [admin({ ingress: [passAll, acceptAll] }), isolated('red', 'ingress'), baseline({ ingress: [acceptAll] })],
    no: ['blue/a > red/a', 'green/a > red/b'],
  }),
  one('… else to Baseline, which denies (S10.19)', {
    given: [admin({ ingress: [passAll, acceptAll] }), baseline({ ingress: [from('Deny', team('blue'))] })],
    yes: ['green/a > red/a'],
    no: ['blue/a > red/a'],
  }),
  one('… or accepts (S10.19)', {
    given: [
      admin({ egress: [to('Pass', all), to('Deny', anywhere)] }),
      baseline({ egress: [to('Accept', team('blue')), to('Deny', anywhere)] }),
    ],
    yes: ['red/a > blue/a'],
    no: ['red/a > green/a', 'red/a > host/outside'],
  }),
  one('Pass leaves out the rest of its tier, other policies included (S10.19)', {
    given: [
      admin({ name: 'first', priority: 1, ingress: [from('Pass', team('blue'))] }),
      admin({ name: 'second', priority: 2, ingress: [denyAll] }),
    ],
    yes: ['blue/a > red/a'],
    no: ['green/a > red/a'],
  }),
  one('Pass of Baseline allows (S10.19)', {
    given: [
      baseline({ name: 'first', priority: 1, ingress: [from('Pass', team('blue'))] }),
      baseline({ name: 'second', priority: 2, ingress: [denyAll] }),
    ],
    yes: ['blue/a > red/a'],
    no: ['green/a > red/a'],
  }),
  one('NetworkPolicies are final over Baseline: they allow (S10.4)', {
    given: [open('red', 'ingress', 'egress'), baseline({ ingress: [denyAll], egress: [to('Deny', anywhere)] })],
    yes: ['blue/a > red/a', 'red/a > blue/a', 'red/a > host/outside'],
  }),
  one('… and deny (S10.4)', {
    given: [isolated('red', 'ingress', 'egress'), baseline({ ingress: [acceptAll], egress: [to('Accept', anywhere)] })],
    no: ['blue/a > red/a', 'red/a > blue/a', 'red/a > host/outside'],
  }),
  one('a pod that is isolated for ingress only meets Baseline for egress (S10.4)', {
    given: [open('red', 'ingress'), baseline({ ingress: [denyAll], egress: [to('Deny', team('blue'))] })],
    yes: ['blue/a > red/a', 'red/a > green/a'],
    no: ['red/a > blue/a'],
  }),
  one('… and the other way round (S10.4)', {
    given: [open('red', 'egress'), baseline({ ingress: [from('Deny', team('blue'))], egress: [to('Deny', anywhere)] })],
    yes: ['red/a > blue/a', 'green/a > red/a'],
    no: ['blue/a > red/a'],
  }),
  one('three tiers, a port each (S10.1)', {
    given: [
      admin({
        ingress: [from('Deny', all, [port(80)]), from('Pass', all, [port(81)]), from('Accept', all, [port(8080)])],
      }),
      isolated('red', 'ingress'),
      baseline({ ingress: [acceptAll] }),
    ],
    yes: ['blue/a > red/a TCP/8080'],
    no: ['blue/a > red/a TCP/80', 'blue/a > red/a TCP/81', 'blue/a > red/a UDP/53'],
  }),
];

/** Answers, a pod itself, and changes. */
export const lifeCases: readonly TierCase[] = [
  one('replies and errors reach a pod that accepts nothing (S10.25)', {
    given: [admin({ ingress: [denyAll], egress: [to('Accept', team('blue'))] }), isolated('red', 'ingress', 'egress')],
    yes: ['red/a > blue/a', 'red/a > blue/b UDP/53', 'red/b > blue/a SCTP/80', 'red/a > blue/a icmp'],
    closed: ['red/a > blue/a UDP/7', 'red/b > blue/a TCP/7'],
    no: ['blue/a > red/a', 'blue/b > red/a UDP/7', 'red/a > green/a UDP/7'],
  }),
  one('replies and errors leave a pod that may send nothing (S10.25)', {
    given: [admin({ ingress: [from('Accept', team('blue'))], egress: [to('Deny', anywhere)] })],
    yes: ['blue/a > red/a', 'blue/a > red/b UDP/53', 'blue/b > red/a icmp'],
    closed: ['blue/a > red/a UDP/7', 'blue/b > red/a TCP/7'],
    no: ['red/a > blue/a', 'red/a > host/outside UDP/53'],
  }),
  one('no policy concerns what a pod sends to its own address (S10.18)', {
    given: [admin({ ingress: [denyAll], egress: [to('Deny', anywhere)] }), isolated('red', 'ingress', 'egress')],
    yes: ['red/a > red/a', 'red/b > red/b UDP/53'],
    no: ['red/b > red/a'],
  }),
  one('through a Service, Admin denies a pod to itself: ingress (S10.18)', {
    given: [service('self', 'red'), admin({ ingress: [from('Deny', team('red'))] })],
    yes: ['blue/a > self', 'red/a > red/a'],
    no: ['red/a > self', 'red/b > self'],
  }),
  one('… egress (S10.18)', {
    given: [service('self', 'red'), admin({ egress: [to('Deny', pods('a', 'red'))] })],
    yes: ['blue/a > self', 'red/a > blue/a'],
    no: ['red/a > self', 'red/a > self UDP/53'],
  }),
  one('… and NetworkPolicies let it through (S10.18)', {
    given: [service('self', 'red'), isolated('red', 'ingress', 'egress')],
    yes: ['red/a > self'],
    no: ['red/b > self', 'blue/a > self'],
  }),
  one('… also where Baseline denies it, which is not asked then (S10.18)', {
    given: [
      service('self', 'red'),
      isolated('red', 'ingress', 'egress'),
      baseline({ ingress: [denyAll], egress: [to('Deny', anywhere)] }),
    ],
    yes: ['red/a > self'],
    no: ['red/b > self'],
  }),
  one('… but not what Admin denies (S10.18)', {
    given: [
      service('self', 'red'),
      isolated('red', 'ingress', 'egress'),
      admin({ ingress: [from('Deny', team('red'), [port(80)])] }),
    ],
    yes: ['red/a > self UDP/53'],
    no: ['red/a > self', 'red/b > self'],
  }),
  one('… at egress either (S10.18)', {
    given: [
      service('self', 'red'),
      isolated('red', 'ingress', 'egress'),
      admin({ egress: [to('Deny', pods('a', 'red'), [port(53, 'udp')])] }),
    ],
    yes: ['red/a > self'],
    no: ['red/a > self UDP/53', 'red/b > self'],
  }),
  one('… while Baseline decides where none isolates (S10.18)', {
    given: [service('self', 'red'), baseline({ ingress: [from('Deny', team('red'))] })],
    yes: ['blue/a > self', 'green/a > self'],
    no: ['red/a > self', 'red/b > self'],
  }),
  one('… and after Pass, NetworkPolicies do (S10.18)', {
    given: [service('self', 'red'), admin({ ingress: [passAll] }), isolated('red', 'ingress')],
    yes: ['red/a > self'],
    no: ['red/b > self', 'blue/a > self'],
  }),
  one('a Service is judged by its endpoint, never by its own address (S10.12)', {
    given: [service('web', 'blue'), admin({ egress: [to('Deny', networks('10.96.0.0/16', 'fd00:10:96::/112'))] })],
    yes: ['red/a > web', 'red/b > web UDP/53'],
  }),
  one('… so the address of the endpoint is what counts (S10.12)', {
    given: [service('web', 'blue'), admin({ egress: [to('Deny', addressOf('blue/a'))] })],
    yes: ['red/a > blue/b', 'green/a > web'],
    no: ['red/a > web', 'red/b > blue/a'],
  }),
  {
    title: 'an edit of the action takes effect (S10.2)',
    steps: [
      { given: [admin({ ingress: [from('Deny', team('blue'))] })], no: ['blue/a > red/a'], yes: ['green/a > red/a'] },
      {
        given: [admin({ ingress: [from('Accept', team('blue'))] }), isolated('red', 'ingress')],
        yes: ['blue/a > red/a'],
        no: ['green/a > red/a'],
      },
      { given: [admin({ ingress: [from('Pass', team('blue'))] })], no: ['blue/a > red/a', 'green/a > red/a'] },
    ],
  },
  {
    title: 'an edit of the priority takes effect (S10.3)',
    steps: [
      {
        given: [
          admin({ name: 'deny', priority: 20, ingress: [denyAll] }),
          admin({ name: 'accept', priority: 30, ingress: [from('Accept', team('blue'))] }),
        ],
        no: ['blue/a > red/a'],
      },
      {
        given: [admin({ name: 'deny', priority: 40, ingress: [denyAll] })],
        yes: ['blue/a > red/a'],
        no: ['green/a > red/a'],
      },
    ],
  },
  {
    title: 'an edit of the tier takes effect, and so does the end of a policy (S10.1)',
    steps: [
      { given: [admin({ name: 'c', ingress: [denyAll] }), open('red', 'ingress')], no: ['blue/a > red/a'] },
      { given: [baseline({ name: 'c', ingress: [denyAll] })], yes: ['blue/a > red/a'] },
      { gone: [open('red', 'ingress')], no: ['blue/a > red/a'] },
      { gone: [baseline({ name: 'c' })], yes: ['blue/a > red/a'] },
    ],
  },
  {
    title: 'a relabelled namespace leaves the subject, and comes back (S10.9)',
    steps: [
      { given: [admin({ ingress: [denyAll] })], no: ['blue/a > red/a'] },
      { given: [relabelled('red', { team: 'pink' })], yes: ['blue/a > red/a'] },
      { given: [relabelled('red', { team: 'red' })], no: ['blue/a > red/a', 'blue/b > red/b'] },
    ],
  },
  {
    title: 'a relabelled namespace leaves the peers, and another comes (S10.9)',
    steps: [
      { given: [admin({ ingress: [from('Deny', team('blue'))] })], no: ['blue/a > red/a'], yes: ['green/a > red/a'] },
      {
        given: [relabelled('blue', { team: 'pink' }), relabelled('green', { team: 'blue' })],
        no: ['green/a > red/a'],
        yes: ['blue/a > red/a'],
      },
    ],
  },
  {
    title: 'a relabelled pod leaves the subject, and another comes (S10.9)',
    steps: [
      {
        given: [admin({ subject: pods('a'), egress: [to('Deny', outside)] })],
        no: ['red/a > host/outside', 'green/a > host/outside'],
        yes: ['red/b > host/outside'],
      },
      {
        given: [relabelled('red/a', { app: 'b' }), relabelled('red/b', { app: 'a' })],
        no: ['red/b > host/outside'],
        yes: ['red/a > host/outside'],
      },
    ],
  },
];
