import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Compiler } from '../../src/compile/compile.ts';
import { everything } from '../../src/model/order.ts';
import { tiers, type Action, type Policy, type PolicyRule, type Tier } from '../../src/model/policy.ts';
import { emptySnapshot, type AddressGroup, type Snapshot } from '../../src/model/snapshot.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { verdictOf } from '../support/routed.ts';

/** The pod whose policies these are, and its possible clients. */
const server = '10.1.0.1';
const clients = { a: '10.2.0.1', b: '10.2.0.2' } as const;
type Client = keyof typeof clients;
const flows = (['a', 'b'] as const).flatMap((client) => [80, 81].map((port) => ({ client, port })));

const groups = new Map(
  Object.entries(clients).map(([id, address]): [string, AddressGroup] => [
    id,
    { id, members: new Map([[`y/${id}/u`, { addresses: [address], ports: [] }]]) },
  ]),
);
const selection = { namespaces: 'all', pods: [] } as const;

/** A rule as text: `Accept`, `Deny a`, `Pass :80`, `Accept b:81`. */
function ruleOf(text: string): PolicyRule {
  const [action, match = ''] = text.split(' ') as [Action, string?];
  const [client = '', port = ''] = match.split(':');
  return {
    action,
    peers: client === '' ? everything.peers : [{ kind: 'pods', group: client }],
    ports:
      port === '' ? everything.ports : [{ kind: 'range', protocol: 'TCP', first: Number(port), last: Number(port) }],
  };
}

interface Given {
  readonly tier: Tier;
  readonly priority?: number;
  readonly rules: readonly string[];
}

/** Policies x/p0, x/p1, … in this order. Those of the NetworkPolicy tier isolate. */
function policiesOf(given: readonly Given[]): Policy[] {
  return given.map(({ tier, priority = 0, rules }, index) => ({
    id: `x/p${index}`,
    tier,
    priority,
    appliesTo: selection,
    isolates: new Set(tier === 'NetworkPolicy' ? (['ingress'] as const) : []),
    rules: { ingress: rules.map(ruleOf), egress: [] },
    groups: new Map([...groups.keys()].map((id) => [id, selection])),
  }));
}

function rulesetOf(policies: readonly Policy[], refused: readonly string[] = []): Ruleset {
  const [key, ids] = ['x/server/u', policies.map(({ id }) => id)];
  const snapshot: Snapshot = {
    ...emptySnapshot,
    localPods: new Map([[key, { key, addresses: [server], links: new Map(), ports: [], policies: ids }]]),
    policies: new Map(policies.map((policy) => [policy.id, policy])),
    groups,
  };
  return new Compiler({ guard: false }).compile(snapshot, 'all', new Set(refused)).ruleset;
}

/** The flows that the compiled rules let through. */
function allowedBy(policies: readonly Policy[], refused: readonly string[] = []): string[] {
  const ruleset = rulesetOf(policies, refused);
  const passing = flows.filter(({ client, port }) => {
    const packet = { hook: 'forward', family: 'ipv4', protocol: 'tcp', ctState: 'new', direction: 'original' } as const;
    const ends = { source: clients[client], destination: server, destinationPort: port, tcpSyn: true };
    return (
      !ruleset.ip || verdictOf(ruleset, { ...packet, ...ends, inInterface: 'eth0', outInterface: 'veth0' }) === 'accept'
    );
  });
  return passing.map(({ client, port }) => `${client}:${port}`);
}

const all = ['a:80', 'a:81', 'b:80', 'b:81'];

const cases: readonly (readonly [title: string, given: readonly Given[], allowed: readonly string[]])[] = [
  ['rules of NetworkPolicies are ORed', [np('Accept a:80'), np('Accept b')], ['a:80', 'b:80', 'b:81']],
  ['Accept of the Admin tier comes before isolation', [np(), admin(5, 'Accept a')], ['a:80', 'a:81']],
  ['Deny of the Admin tier comes before Accept of a NetworkPolicy', [np('Accept'), admin(5, 'Deny')], []],
  ['a lower priority number comes first', [admin(9, 'Deny'), admin(1, 'Accept a'), np('Accept')], ['a:80', 'a:81']],
  ['a higher one comes later', [admin(1, 'Deny'), admin(9, 'Accept a'), np('Accept')], []],
  [
    'with the same priority, the id decides',
    [admin(5, 'Accept a'), admin(5, 'Deny'), admin(5, 'Accept b')],
    ['a:80', 'a:81'],
  ],
  ['in one policy, the first rule decides', [admin(5, 'Accept :80', 'Deny', 'Accept')], ['a:80', 'b:80']],
  ['nothing isolates and nothing denies: all is allowed', [admin(5, 'Accept a'), baseline(5, 'Accept b')], all],
  ['Deny of the Baseline tier, where nothing isolates', [baseline(5, 'Deny'), admin(5, 'Accept b:81')], ['b:81']],
  [
    'the Baseline tier decides nothing where a NetworkPolicy isolates',
    [baseline(1, 'Accept'), np('Accept a:80')],
    ['a:80'],
  ],
];

function np(...rules: string[]): Given {
  return { tier: 'NetworkPolicy', rules };
}

function admin(priority: number, ...rules: string[]): Given {
  return { tier: 'Admin', priority, rules };
}

function baseline(priority: number, ...rules: string[]): Given {
  return { tier: 'Baseline', priority, rules };
}

describe('the order of rules', () => {
  for (const [title, given, allowed] of cases) {
    it(title, () => assert.deepEqual(allowedBy(policiesOf(given)), allowed));
  }

  it('a refused policy with Deny or Pass rules denies everything (S9.10)', () => {
    for (const rule of ['Deny a', 'Pass b']) {
      const policies = policiesOf([admin(1, 'Accept a:80'), admin(5, 'Accept b', rule), np('Accept')]);
      assert.deepEqual(allowedBy(policies, ['x/p1']), ['a:80']);
    }
  });

  it('a refused policy with Accept rules accepts nothing, and isolates if it is a NetworkPolicy (S9.10)', () => {
    assert.deepEqual(allowedBy(policiesOf([admin(1, 'Accept a'), np('Accept b')]), ['x/p0']), ['b:80', 'b:81']);
    assert.deepEqual(allowedBy(policiesOf([np('Accept')]), ['x/p0']), []);
    assert.deepEqual(allowedBy(policiesOf([admin(1, 'Accept a')]), ['x/p0']), all);
  });

  it('a pod that a rule can deny something counts as isolated where conntrack knows too little (S10.26)', () => {
    const isolated = (...given: Given[]) => [...rulesetOf(policiesOf(given)).ip!.sets.get('isolated4')!.elements];
    assert.deepEqual(isolated(admin(1, 'Deny a:80')), [server]);
    assert.deepEqual(isolated(admin(1, 'Accept a:80')), []);
  });

  it('random policies allow what a walk of their tiers allows', () => {
    const match = fc.constantFrom('', ' a', ' :80', ' b:81');
    const rule = fc.tuple(fc.constantFrom('Accept', 'Accept', 'Deny', 'Pass'), match).map((parts) => parts.join(''));
    const given = fc.constantFrom(...tiers).chain((tier): fc.Arbitrary<Given> => {
      const own = tier === 'NetworkPolicy' ? match.map((each) => `Accept${each}`) : rule;
      return fc.record({ tier: fc.constant(tier), priority: fc.nat(2), rules: fc.array(own, { maxLength: 3 }) });
    });
    let allowed = 0;
    fc.assert(
      fc.property(fc.array(given, { minLength: 1, maxLength: 4 }), (some) => {
        const policies = policiesOf(some);
        const wanted = flows.filter(({ client, port }) => isAllowed(policies, client, port));
        const found = allowedBy(policies);
        assert.deepEqual(
          found,
          wanted.map(({ client, port }) => `${client}:${port}`),
        );
        allowed += found.length;
      }),
      { numRuns: 2000 },
    );
    assert.ok(allowed > 400, `${allowed} allowed`);
  });
});

/** What the policies mean, tier by tier. */
function isAllowed(policies: readonly Policy[], client: Client, port: number): boolean {
  for (const tier of ['Admin', 'NetworkPolicy', 'Baseline']) {
    const ofTier = policies
      .filter((policy) => policy.tier === tier)
      .sort((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
    const hit = ofTier
      .flatMap(({ rules }) => rules.ingress)
      .find(
        ({ peers, ports }) =>
          peers.some((peer) => peer.kind === 'any' || (peer.kind === 'pods' && peer.group === client)) &&
          ports.some((each) => each.kind === 'any' || (each.kind === 'range' && each.first === port)),
      );
    if (hit && hit.action !== 'Pass') return hit.action === 'Accept';
    if (!hit && ofTier.some(({ isolates }) => isolates.has('ingress'))) return false;
  }
  return true;
}
