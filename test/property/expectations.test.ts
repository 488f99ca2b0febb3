import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { checkTests } from '../../src/cli/expect/check.ts';
import { sampleBlock } from '../../src/cli/expect/block-samples.ts';
import type { RawTest } from '../../src/cli/expect/format.ts';
import { parseTests } from '../../src/cli/expect/read-tests.ts';
import { toSource } from '../../src/cli/explain/cluster-source.ts';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { Verdict } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { containsAddress, formatAddress, parseCidr } from '../../src/model/address.ts';
import type { ApiObject } from '../support/pipeline.ts';
import { clusters, flowAddresses, flows, tieredClusters, type RandomFlow } from '../support/random-cluster.ts';
import { runs } from '../support/runs.ts';

const clusterRuns = runs(200);
const flowsPerCluster = 20;

const flip = (verdict: Verdict): Verdict => (verdict === 'allowed' ? 'denied' : 'allowed');

/** An expectation about one address at each end, as the evaluator answers it. Protocol 47 has no name in a file. */
function expectationOf(objects: readonly ApiObject[], flow: RandomFlow): RawTest | undefined {
  const addresses = flowAddresses(objects, flow.family);
  const [from, to] = [flow.source, flow.destination].map((index) => addresses[index % addresses.length]!);
  if (flow.protocol === 47) return undefined;
  const isPing = flow.protocol === 'ICMP';
  const { verdict } = evaluate(prepareCluster(objects), {
    source: { address: from! },
    destination: { address: to! },
    protocol: flow.protocol,
    ...(!isPing && { destinationPort: flow.destinationPort }),
    family: flow.family,
  });
  const port = isPing ? 'icmp' : `${flow.protocol}/${flow.destinationPort}`;
  return { from: from!, to: to!, port, expect: verdict };
}

async function statusesOf(objects: readonly ApiObject[], tests: readonly RawTest[]): Promise<string[]> {
  const file = { apiVersion: 'postern.dev/v1alpha1', kind: 'PolicyTest', metadata: { name: 'random' }, tests };
  const source = toSource(objects, new Map(), []);
  const place = { by: 'policies', source, most: 10_000 } as const;
  return (await checkTests(place, parseTests('t', JSON.stringify(file)))).results.map(({ status }) => status);
}

describe('random clusters: expectations', function () {
  this.timeout(0);

  for (const [what, given] of [
    ['NetworkPolicies', clusters],
    ['policies of all tiers', tieredClusters],
  ] as const) {
    it(`the table of the evaluator holds, and each flipped expectation fails: ${what}`, async () => {
      const verdicts = { allowed: 0, denied: 0 };
      await fc.assert(
        fc.asyncProperty(
          given,
          fc.array(flows, { minLength: flowsPerCluster, maxLength: flowsPerCluster }),
          async (objects, asked) => {
            const table = asked.flatMap((flow) => expectationOf(objects, flow) ?? []);
            if (table.length === 0) return;
            for (const { expect } of table) verdicts[expect]++;
            assert.deepEqual(
              await statusesOf(objects, table),
              table.map(() => 'passed'),
            );
            const flipped = table.map((each): RawTest => ({ ...each, expect: flip(each.expect) }));
            assert.deepEqual(
              await statusesOf(objects, flipped),
              table.map(() => 'failed'),
            );
          },
        ),
        { numRuns: clusterRuns },
      );
      assert.ok(Math.min(verdicts.allowed, verdicts.denied) > clusterRuns, JSON.stringify(verdicts));
    });
  }

  it('each part of a block is judged as its sample, wherever the address is in it', () => {
    let [compared, differing] = [0, 0];
    const blocks = fc.constantFrom('0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/24', '::/0', 'fd01::/112');
    const holes = fc.constantFrom(
      '10.0.0.0/30',
      '10.1.0.0/28',
      '10.1.0.4/31',
      'fd00::/126',
      'fd01::/124',
      'fd01::4/127',
    );
    const ipBlock = fc.record({ cidr: fc.oneof(blocks, holes), except: fc.array(holes, { maxLength: 2 }) });
    /** Policies of blocks, because few rules of random policies have one. */
    const withBlocks = fc.tuple(clusters, fc.array(ipBlock, { minLength: 1, maxLength: 4 })).map(([objects, given]) => [
      ...objects,
      ...given.map((each, index): ApiObject => ({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { namespace: ['x', 'y', 'z'][index % 3]!, name: `b${index}` },
        spec: {
          podSelector: {},
          policyTypes: ['Ingress', 'Egress'],
          ingress: [{ from: [{ ipBlock: each }] }],
          egress: [{ to: [{ ipBlock: each }] }],
        },
      })),
    ]);
    const part = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
    fc.assert(
      fc.property(
        fc.oneof(withBlocks, withBlocks, tieredClusters),
        blocks,
        fc.array(holes, { maxLength: 1 }),
        fc.array(part, { minLength: 3, maxLength: 3 }),
        fc.array(flows, { minLength: 5, maxLength: 5 }),
        (objects, block, excepts, parts, asked) => {
          const cluster = prepareCluster(objects);
          const [range, except] = [parseCidr(block)!, excepts.map((each) => parseCidr(each)!)];
          const samples = sampleBlock(cluster, range, except);
          /** The verdicts of the flow from a pod, and of the flow to it. */
          const judge = (value: bigint, { source, protocol, destinationPort }: RandomFlow): string => {
            const addresses = flowAddresses(objects, range.family);
            const pod = { address: addresses[source % addresses.length]! };
            const outside = { address: formatAddress(range.family, value) };
            const flow = { protocol, destinationPort, family: range.family };
            const ends = [
              { source: pod, destination: outside },
              { source: outside, destination: pod },
            ];
            return ends.map((each) => evaluate(cluster, { ...each, ...flow }).verdict).join();
          };
          for (const sample of samples) {
            assert.ok(containsAddress(range, { family: range.family, value: sample.address }));
            assert.ok(!except.some((each) => containsAddress(each, { family: range.family, value: sample.address })));
            for (const each of parts) {
              const { first, last } = sample.range;
              const address = first + (each % (last - first + 1n));
              const text = formatAddress(range.family, address);
              if (cluster.claimants.has(text) || cluster.nodeAddresses.has(text)) continue;
              for (const flow of asked) {
                assert.equal(judge(address, flow), judge(sample.address, flow), text);
                compared++;
              }
            }
          }
          differing += asked.filter(
            (flow) => new Set(samples.map(({ address }) => judge(address, flow))).size > 1,
          ).length;
        },
      ),
      { numRuns: clusterRuns },
    );
    assert.ok(compared > clusterRuns * 20 && differing > clusterRuns / 10, `${compared}, ${differing}`);
  });
});
