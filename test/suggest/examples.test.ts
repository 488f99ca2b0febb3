import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate, familiesOf } from '../../src/evaluator/evaluator.ts';
import { exampleFolders, suggestForExample } from './example-traffic.ts';

describe('suggestions for the examples', () => {
  for (const folder of exampleFolders) {
    it(`${folder}: what its policies allow stays allowed`, async () => {
      const { objects, talks, suggestions } = await suggestForExample(folder);
      for (const { replay, policy } of suggestions) assert.deepEqual(replay.denied, [], JSON.stringify(policy));
      const isolated = new Set(
        suggestions.flatMap(({ namespace, workloads }) => workloads.map((name) => `${namespace}/${name}`)),
      );
      const others = objects.filter(({ kind }) => kind !== 'NetworkPolicy' && kind !== 'ClusterNetworkPolicy');
      const after = prepareCluster([...others, ...suggestions.map(({ policy }) => policy)]);
      for (const { source, destination, traffic } of talks) {
        const family = familiesOf(after, source).find((each) => familiesOf(after, destination).includes(each))!;
        const flow = {
          source,
          destination,
          protocol: traffic.protocol,
          destinationPort: traffic.port as number,
          family,
        };
        const now = evaluate(after, flow).verdict;
        const says = `${JSON.stringify([source, destination])} ${traffic.protocol}/${traffic.port}`;
        if (traffic.verdict === 'allowed') assert.equal(now, 'allowed', says);
      }
      assert.ok(talks.length === 0 || isolated.size > 0);
    });
  }
});
