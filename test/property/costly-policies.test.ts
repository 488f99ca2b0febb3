import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { defaultBudgets, type Budgets } from '../../src/compile/budgets.ts';
import { defaultFillBudgets, type FillBudgets } from '../../src/indexer/admission.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { startPipeline, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { Pipeline } from '../../src/pipeline.ts';

/**
 * Looks for policies of one namespace that cost a node more than they may: each field's product with every other. Nothing is timed: what is
 * gone through and what is made is counted.
 */
const localPods = 20;
const remotePods = 300;
const mostBytes = { policy: 1_000_000, namespace: 5_000_000 };

/** The n-th of the namespaces whose owner is hostile. */
const meanPods = (n: number): readonly ApiObject[] => [
  namespace(`mean-${n}`),
  ...Array.from({ length: localPods }, (_, index) => {
    const bits = Object.fromEntries(Array.from({ length: 5 }, (__, bit) => [`b${bit}`, `${(index >> bit) & 1}`]));
    const ports = [{ name: `own-${index % 7}`, containerPort: 8000 + index }];
    return pod(`mean-${n}/a${index}`, {
      ips: [`10.1.${2 + n}.${index}`, `fd01:${n}::${index + 1}`],
      labels: bits,
      ports,
    });
  }),
  ...Array.from({ length: remotePods }, (_, index) =>
    pod(`mean-${n}/r${index}`, {
      node: 'n2',
      ips: [`10.2.${4 * n + (index >> 8)}.${index & 255}`, `fd02:${n}::${index + 1}`],
      labels: { app: `app-${index % 10}` },
      ports: [{ name: 'web', containerPort: 8080 }],
    }),
  ),
];

const base: readonly ApiObject[] = [
  ...[namespace('victim'), node('n1', '192.0.2.1')],
  pod('victim/a', { ips: ['10.1.1.1', 'fd01::1:1'] }),
  policy('victim/p', {
    podSelector: {},
    ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.7/32' } }], ports: [{ port: 443 }] }],
  }),
];

/** The n-th of its kind; those that follow each other overlap, or have nothing in common. */
type Make = (index: number) => object;
const peerKinds: Readonly<Record<string, Make>> = {
  block: (i) => ({ ipBlock: { cidr: `10.${(i >> 15) & 255}.${(i >> 7) & 255}.${(i & 127) * 2}/32` } }),
  nested: (i) => ({ ipBlock: { cidr: `10.${(i >> 8) & 255}.${i & 255}.0/${8 + (i % 25)}` } }),
  except: (i) => ({
    ipBlock: { cidr: '0.0.0.0/0', except: [`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}/32`] },
  }),
  except6: (i) => ({ ipBlock: { cidr: '::/0', except: [`fd00::${(i + 1).toString(16)}/128`] } }),
  manyExcepts: (i) => ({
    ipBlock: {
      cidr: '0.0.0.0/0',
      except: Array.from({ length: 100 }, (_, j) => `10.${i & 255}.${j}.${(i >> 8) & 255}/32`),
    },
  }),
  allPods: (i) => ({ podSelector: { matchExpressions: [{ key: `k${i}`, operator: 'DoesNotExist' }] } }),
  somePods: (i) => ({
    podSelector: {
      matchExpressions: [
        { key: 'app', operator: 'In', values: [`app-${i % 10}`] },
        { key: `k${i}`, operator: 'DoesNotExist' },
      ],
    },
  }),
  noPods: (i) => ({ podSelector: { matchLabels: { none: `${i}` } } }),
  everywhere: (i) => ({
    namespaceSelector: { matchExpressions: [{ key: `k${i}`, operator: 'DoesNotExist' }] },
  }),
};
const portKinds: Readonly<Record<string, Make>> = {
  single: (i) => ({ port: 1 + ((7 * i) % 65_000) }),
  overlapping: (i) => ({ port: 1 + (i % 20_000), endPort: 40_000 + (i % 20_000) }),
  apart: (i) => ({ port: 1 + ((5 * i) % 65_000), endPort: 3 + ((5 * i) % 65_000) }),
  named: (i) => ({ port: ['web', 'own-1', `no-${i % 1000}`][i % 3] }),
  protocols: (i) => ({ port: 1 + (i % 65_000), protocol: ['UDP', 'SCTP', 'TCP'][i % 3] }),
};
const subjects: Readonly<Record<string, Make>> = {
  all: () => ({}),
  combined: (i) => ({ matchLabels: { [`b${i % 5}`]: '1' } }),
};

const log = (most: number) =>
  fc.double({ min: 0, max: Math.log(most), noNaN: true }).map((each) => Math.round(Math.exp(each)));
const recipe = fc.record({
  policies: log(60),
  rules: log(4000),
  peers: log(4000),
  ports: log(400),
  peer: fc.constantFrom(...Object.keys(peerKinds)),
  otherPeer: fc.constantFrom(...Object.keys(peerKinds)),
  port: fc.constantFrom(...Object.keys(portKinds)),
  subject: fc.constantFrom(...Object.keys(subjects)),
  directions: fc.constantFrom(['ingress'], ['egress'], ['ingress', 'egress']),
});
type Recipe = typeof recipe extends fc.Arbitrary<infer T> ? T : never;

/** The attack that this began with. */
const costly: Recipe = {
  ...{ policies: 2, rules: 4000, peers: 1, ports: 1, directions: ['ingress'], subject: 'all' },
  ...{ peer: 'except', otherPeer: 'except', port: 'single' },
};

/** As many rules and policies as fit into the sizes that an API server takes. */
function costlyPolicies(each: Recipe, owner = 'mean-0'): ApiObject[] {
  const made: ApiObject[] = [];
  let bytes = 0;
  for (let p = 0, next = 0; p < each.policies && bytes < mostBytes.namespace; p++) {
    const rules: Record<string, object[]> = {};
    let size = 0;
    for (let r = 0; r < each.rules && size < mostBytes.policy; r++) {
      const room = mostBytes.policy - size;
      const peer = (i: number): object =>
        i % 2 === 0 ? peerKinds[each.peer]!(next + i) : peerKinds[each.otherPeer]!(next + i);
      const peers = Array.from({ length: Math.max(1, Math.min(each.peers, Math.floor(room / 2500))) }, (_, i) =>
        peer(i),
      );
      const ports = Array.from({ length: Math.min(each.ports, Math.max(1, Math.floor(room / 50))) }, (_, i) =>
        portKinds[each.port]!(next + i),
      );
      next += Math.max(peers.length, ports.length);
      for (const direction of each.directions) {
        const rule = { [direction === 'ingress' ? 'from' : 'to']: peers, ports };
        (rules[direction] ??= []).push(rule);
        size += JSON.stringify(rule).length;
      }
    }
    const policyTypes = each.directions.map((direction) => (direction === 'ingress' ? 'Ingress' : 'Egress'));
    made.push(policy(`${owner}/p${p}`, { podSelector: subjects[each.subject]!(p), policyTypes, ...rules }));
    bytes += size;
  }
  return made;
}

interface Limits {
  readonly budgets: Budgets;
  readonly fillBudgets: FillBudgets;
}

describe('policies that cost as much as they can (S9.13)', function () {
  this.timeout(0);
  const alone = startPipeline('n1', base).plan(undefined).compiled.ruleset;
  const victimClass = alone.ip!.maps.get('ingress4')!.elements.get('10.1.1.1');

  /** @returns how many of the policies are left out, all of them hostile */
  function assertBounded(recipes: readonly Recipe[], options: Limits, most: { cost: number; fill: number }): number {
    const policies = recipes.flatMap((each, n) => costlyPolicies(each, `mean-${n}`));
    const pipeline = new Pipeline('n1', options);
    for (const object of [...base, ...recipes.flatMap((_, n) => meanPods(n))]) pipeline.receive(upsertOf(object));
    for (const event of syncedEvents()) pipeline.receive(event);
    const before = pipeline.visits;
    for (const object of policies) pipeline.receive(upsertOf(object));
    const { compiled } = pipeline.plan(undefined);
    const { ruleset, counts, oversized } = compiled;

    const visits = pipeline.visits.pods - before.pods;
    // What was filled may be left out for what has fewer groups, and that is filled then.
    const mostVisits = 2 * most.fill + 4 * localPods * policies.length;
    assert.ok(visits <= mostVisits, `${visits} pods looked at`);
    const members = pipeline.snapshot.groups.values().reduce((sum, group) => sum + group.members.size, 0);
    assert.ok(members <= most.fill, `${members} members`);
    assert.ok(counts.work <= most.cost + 1000, `${counts.work} gone through`);
    assert.ok(counts.rounds <= 20 * recipes.length, `${counts.rounds} rounds`);
    const sum = { elements: 0, objects: 0, rules: 0 };
    for (const { sets, maps, chains } of Object.values(ruleset)) {
      sum.objects += sets.size + maps.size;
      for (const { elements } of [...sets.values(), ...maps.values()]) sum.elements += elements.size;
      for (const { rules } of chains.values()) sum.rules += rules.length;
    }
    // The maps of the pods are there without any policy.
    const ofPods = 1000 * recipes.length;
    assert.ok(sum.elements <= most.cost + ofPods, `${sum.elements} elements`);
    assert.ok(sum.rules <= (most.cost + ofPods) / 5, `${sum.rules} rules`);
    assert.ok(sum.objects <= (most.cost + ofPods) / 50, `${sum.objects} sets and maps`);

    assert.deepEqual(
      [...oversized.keys()].filter((id) => !id.startsWith('mean-')),
      [],
    );
    assert.deepEqual(ruleset.ip!.maps.get('ingress4')!.elements.get('10.1.1.1'), victimClass);
    // And it need not be found out again for what others change; where the node is full, what each may cost depends on the others.
    const again = pipeline.plan(undefined).compiled.counts;
    const isNodeFull = oversized
      .values()
      .some(({ of, budget }) => of === 'namespace' && budget < options.budgets.namespace);
    assert.ok(again.rounds <= (isNodeFull ? counts.rounds : 1), `${again.rounds} rounds again`);
    return oversized.size;
  }

  it('cost a node no more than their namespace may, whatever they are, and other namespaces nothing', () => {
    const seen = { oversized: 0, kept: 0 };
    const limits = { budgets: defaultBudgets, fillBudgets: defaultFillBudgets };
    const most = { cost: defaultBudgets.namespace, fill: defaultFillBudgets.namespace };
    fc.assert(
      fc.property(recipe, (each) => {
        seen[assertBounded([each], limits, most) > 0 ? 'oversized' : 'kept']++;
      }),
      // Shrinking takes minutes: the recipe is small.
      { numRuns: 20, endOnFailure: true, examples: [[costly], [{ ...costly, port: 'overlapping' }]] },
    );
    assert.ok(seen.oversized >= 2 && seen.kept >= 1, JSON.stringify(seen));
  });

  it('cost a node no more than it may, in however many namespaces they are', () => {
    const seen = { oversized: 0, kept: 0 };
    // As with the defaults, the node has room for some namespaces at their worst, and not for all. A fifth of them, so that it is soon done.
    const limits: Limits = {
      budgets: { policy: 10_000, namespace: 20_000, node: 50_000 },
      fillBudgets: { namespace: 30_000, node: 60_000 },
    };
    const most = { cost: limits.budgets.node, fill: limits.fillBudgets.node };
    const selecting: Recipe = { ...costly, rules: 100, port: 'single', peer: 'allPods', otherPeer: 'everywhere' };
    const several = fc.array(recipe, { minLength: 2, maxLength: 6 });
    const examples: [Recipe[]][] = [
      [Array.from({ length: 6 }, () => costly)],
      [Array.from({ length: 6 }, () => selecting)],
    ];
    fc.assert(
      fc.property(several, (recipes) => {
        seen[assertBounded(recipes, limits, most) > 0 ? 'oversized' : 'kept']++;
      }),
      { numRuns: 12, endOnFailure: true, examples },
    );
    assert.ok(seen.oversized >= 2, JSON.stringify(seen));
  });
});
