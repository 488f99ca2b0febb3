import { deepEqual, equal } from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { PolicyIndex } from '../../src/evaluator/policy-index.ts';
import type { Policy } from '../../src/evaluator/policy.ts';
import { selects } from '../../src/evaluator/selector.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { clusters } from '../support/random-cluster.ts';

describe('PolicyIndex', () => {
  it('finds for each pod, and for pods that share an address, what a look at all policies finds', () => {
    fc.assert(
      fc.property(clusters, (objects) => {
        const { pods, policies } = prepareCluster(objects);
        const some = [...pods.values()];
        for (const owners of [[], ...some.map((each) => [each]), some.slice(0, 2), some.slice(1, 4)]) {
          const expected = policies.all.filter(({ namespace: own, podSelector }) =>
            owners.some((each) => each.namespace === own && selects(podSelector, each.labels)),
          );
          deepEqual(policies.selecting(owners), expected);
        }
      }),
    );
  });

  it('asks the policies of the pod’s namespace only, and each of them once', () => {
    const spaces = ['a', 'b', 'c', 'd'];
    const { pods, policies } = prepareCluster([
      ...spaces.map((each) => namespace(each)),
      ...spaces.map((each) => pod(`${each}/web`, { ips: [] })),
      ...spaces.flatMap((each) => [1, 2, 3].map((n) => policy(`${each}/p${n}`, { podSelector: {} }))),
    ]);
    let asked = 0;
    const counted = policies.all.map((each): Policy => ({
      ...each,
      get podSelector() {
        asked++;
        return each.podSelector;
      },
    }));
    const index = new PolicyIndex(counted, new Map());
    for (let round = 0; round < 3; round++) equal(index.selecting([pods.get('b/web')!]).length, 3);
    equal(asked, 3);
  });
});
