import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { shareBudget, type Demand } from '../../src/indexer/share-budget.ts';
import type { GroupId, Policy } from '../../src/model/policy.ts';

/** Which groups the policies of each namespace name, and what each group costs. */
const worlds = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 12 }).chain((costs) =>
  fc.record({
    costs: fc.constant(costs),
    namespaces: fc.array(fc.array(fc.uniqueArray(fc.nat({ max: costs.length - 1 })), { maxLength: 5 }), {
      maxLength: 6,
    }),
    room: fc.nat({ max: 300 }),
  }),
);
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

const idOf = (group: number): GroupId => `g${group}`;
const policyOf = (id: string, groups: readonly number[]): Policy =>
  ({ id, groups: new Map(groups.map((group) => [idOf(group), {}])) }) as unknown as Policy;

function demandsOf({ costs, namespaces }: World): Demand[] {
  return namespaces.map((policies, index) => ({
    namespace: `ns-${index}`,
    cost: [...new Set(policies.flat())].reduce((sum, group) => sum + costs[group]!, 0),
    policies: policies.map((groups, i) => policyOf(`ns-${index}/p${i}`, groups)),
  }));
}

const costIn = ({ costs }: World, group: GroupId): number => costs[Number(group.slice(1))]!;
const share = (world: World, demands = demandsOf(world)): ReturnType<typeof shareBudget> =>
  shareBudget(demands, (group) => costIn(world, group), world.room);

function filledBy(world: World): number {
  const shares = share(world);
  const filled = new Set(
    demandsOf(world).flatMap(({ namespace, policies }) => {
      const admitted = shares.get(namespace)?.admitted;
      return policies.filter(({ id }) => admitted?.has(id) ?? true).flatMap(({ groups }) => [...groups.keys()]);
    }),
  );
  return [...filled].reduce((sum, group) => sum + costIn(world, group), 0);
}

describe('the room of a node for members of groups (S9.13)', () => {
  it('is never more than there is, whatever the namespaces want', () => {
    fc.assert(fc.property(worlds, (world) => assert.ok(filledBy(world) <= world.room)));
  });

  it('is sure to each namespace in equal parts: what fits into its own part is filled', () => {
    const property = fc.property(worlds, (world) => {
      const shares = share(world);
      for (const { namespace, policies } of demandsOf(world)) {
        const groups = new Set<GroupId>();
        for (const policy of policies) {
          for (const group of policy.groups.keys()) groups.add(group);
          const cost = [...groups].reduce((sum, group) => sum + costIn(world, group), 0);
          if (cost > Math.floor(world.room / world.namespaces.length)) break;
          assert.ok(shares.get(namespace)?.admitted.has(policy.id) ?? true, policy.id);
        }
      }
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('is used: where there is enough for all, nobody does without', () => {
    const property = fc.property(worlds, (world) => {
      const wanted = [...new Set(world.namespaces.flat(2))].reduce((sum, group) => sum + world.costs[group]!, 0);
      const apart = demandsOf(world).reduce((sum, { cost }) => sum + cost, 0);
      if (wanted === apart && wanted <= world.room) assert.equal(share(world).size, 0);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('a small namespace loses nothing to what larger ones want in addition', () => {
    const property = fc.property(worlds, fc.nat({ max: 5 }), fc.nat({ max: 11 }), (world, index, more) => {
      const grown = demandsOf(world)[index];
      if (!grown) return;
      const before = share(world);
      const larger: World = {
        ...world,
        costs: [...world.costs, more * 50],
        namespaces: world.namespaces.map((each, i) => (i === index ? [...each, [world.costs.length]] : each)),
      };
      const after = share(larger);
      for (const { namespace, cost } of demandsOf(world)) {
        if (cost < grown.cost && !before.has(namespace)) assert.equal(after.get(namespace), undefined);
      }
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('does not depend on the order of the namespaces', () => {
    const property = fc.property(worlds, (world) =>
      assert.deepEqual(share(world, demandsOf(world).toReversed()), share(world)),
    );
    fc.assert(property, { numRuns: 2000 });
  });

  it('a group that several name is paid once, by the smallest', () => {
    const demand = (namespace: string, cost: number, ...groups: readonly number[]): Demand => ({
      namespace,
      cost,
      policies: [policyOf(`${namespace}/p`, groups)],
    });
    const world: World = { costs: [60, 30], namespaces: [], room: 130 };
    assert.equal(share(world, [demand('b', 90, 0, 1), demand('a', 60, 0)]).size, 0);
    const shares = share({ ...world, costs: [60, 80] }, [demand('b', 140, 0, 1), demand('a', 60, 0)]);
    assert.deepEqual([...shares], [['b', { part: 70, admitted: new Set() }]]);
  });
});
