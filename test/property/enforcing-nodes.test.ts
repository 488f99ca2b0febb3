import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { traceIn } from '../../src/cli/node/trace.ts';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import type { Flow } from '../../src/evaluator/decision.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { enforcingNodesOf } from '../../src/evaluator/enforcing-nodes.ts';
import { compileNode } from '../support/pipeline.ts';
import { tableOfPacket } from '../support/routed.ts';
import { clusters, flowAddresses, flows, nodeNames } from '../support/random-cluster.ts';

describe('random clusters: what each node should say of a connection', function () {
  this.timeout(0);

  it('is what the rules of that node say of its first packet', () => {
    const seen = { allowed: 0, denied: 0 };
    const many = fc.array(flows, { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(clusters, many, (objects, randomFlows) => {
        const rulesets = new Map(nodeNames.map((name) => [name, compileNode(name, objects)]));
        const cluster = prepareCluster(objects);
        for (const { source, destination, destinationPort, protocol, family } of randomFlows) {
          const addresses = flowAddresses(objects, family);
          const end = (index: number) => ({ address: addresses[index % addresses.length]! });
          const hasPort = typeof protocol === 'string' && protocol !== 'ICMP';
          const flow: Flow = {
            source: end(source),
            destination: end(destination),
            protocol,
            family,
            ...(hasPort && { destinationPort }),
          };
          for (const judge of enforcingNodesOf(cluster, flow, evaluate(cluster, flow))) {
            const icmp = family === 'ipv4' ? 'icmp' : 'icmpv6';
            const text = protocol === 'ICMP' ? icmp : String(protocol).toLowerCase();
            const { verdict } = traceIn(tableOfPacket(rulesets.get(judge.node)!, { family }), {
              ...judge,
              protocol: text,
              port: flow.destinationPort,
            });
            assert.equal(verdict === 'accept' ? 'allowed' : 'denied', judge.expected, JSON.stringify({ flow, judge }));
            seen[judge.expected]++;
          }
        }
      }),
      { numRuns: 150 },
    );
    assert.ok(seen.allowed > 200 && seen.denied > 200, JSON.stringify(seen));
  });
});
