import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { leaveOut } from '../../src/evaluator/left-out.ts';
import { whyLeftOut } from '../../src/model/node-policies.ts';
import { nameOfPolicy } from '../../src/model/policy.ts';
import { assertAttributed } from '../agent/denials/attribution.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import {
  choosePolicies,
  choices,
  clusters,
  flowAddresses,
  flows,
  nodeNames,
  tieredClusters,
} from '../support/random-cluster.ts';

const runs = 2000;
const protocols = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

/** Of the pod that has the address, or of one of those that claim it with equal right. */
function nodeOf(address: string, objects: readonly ApiObject[]): string {
  const claimants = objects.filter(({ kind, spec, status }) => {
    const { hostNetwork } = (spec ?? {}) as { hostNetwork?: boolean };
    const { phase, podIPs } = (status ?? {}) as { phase?: string; podIPs?: { ip: string }[] };
    const isOver = phase === 'Succeeded' || phase === 'Failed';
    return kind === 'Pod' && !hostNetwork && !isOver && podIPs?.some(({ ip }) => ip === address);
  });
  const staying = claimants.filter(({ metadata }) => metadata['deletionTimestamp'] === undefined);
  const [owner] = staying.length > 0 ? staying : claimants;
  return (owner?.['spec'] as { nodeName: string } | undefined)?.nodeName ?? nodeNames[0]!;
}

describe('random clusters: an agent attributes what it denies as the evaluator does', function () {
  this.timeout(0);

  for (const [what, arbitrary] of [
    ['NetworkPolicies', clusters],
    ['all three tiers', tieredClusters],
  ] as const) {
    it(`with ${what}, on ${runs * 20} flows`, () => check(arbitrary));
  }

  function check(arbitrary: typeof clusters): void {
    let asked = 0;
    fc.assert(
      fc.property(
        arbitrary,
        fc.array(flows, { minLength: 20, maxLength: 20 }),
        choices,
        (objects, randomFlows, chosen) => {
          const pipelines = new Map(nodeNames.map((name) => [name, startPipeline(name, objects)]));
          const leftOut = choosePolicies(objects, chosen);
          const whys = new Map([...leftOut].map((id) => [nameOfPolicy(id), whyLeftOut('n1', 'too-large')]));
          const cluster = leaveOut(prepareCluster(objects), whys);
          const pipelineAt = (address: string) => pipelines.get(nodeOf(address, objects))!;
          for (const { family, source, destination, protocol, destinationPort } of randomFlows) {
            const addresses = flowAddresses(objects, family);
            const hasPort = typeof protocol === 'string' && protocol !== 'ICMP';
            const number = protocol === 'ICMP' ? (family === 'ipv4' ? '1' : '58') : String(protocol);
            const tuple = {
              family,
              source: addresses[source % addresses.length]!,
              destination: addresses[destination % addresses.length]!,
              protocol: hasPort ? protocols[protocol] : number,
              ...(hasPort && { port: destinationPort }),
            };
            asked += assertAttributed(tuple, { cluster, objects, pipelineAt, leftOut });
          }
        },
      ),
      { numRuns: runs },
    );
    assert.ok(asked > runs, `only ${asked} denials`);
  }
});
