import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import { hooksOf, passes, type Place } from '../support/path.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';
import {
  clusters,
  flowAddresses,
  flows,
  nodeNames,
  nodeOfAddress,
  shapeLimits,
  type RandomFlow,
} from '../support/random-cluster.ts';

const clusterRuns = Number(process.env['POSTERN_PROPERTY_CLUSTERS'] ?? 500);
const flowsPerCluster = 30;

describe('random clusters: the evaluator and the packet trace of the compiled rule set agree', function () {
  this.timeout(0);

  it(`on ${clusterRuns * flowsPerCluster} flows, in both orientations`, () => {
    let judged = 0;
    fc.assert(
      fc.property(
        clusters,
        shapeLimits,
        fc.array(flows, { minLength: flowsPerCluster, maxLength: flowsPerCluster }),
        (objects, limits, randomFlows) => {
          const rulesets = Object.fromEntries(nodeNames.map((node) => [node, compileNode(node, objects, limits)]));
          const cluster = prepareCluster(objects);
          for (const each of randomFlows) {
            const flow = realFlow(each, objects);
            const places = { source: placeOf(flow.source, objects), destination: placeOf(flow.destination, objects) };
            if (!places.source || !places.destination) continue;
            if (hooksOf(places.source, places.destination).length === 0) continue;
            const decision = evaluate(cluster, {
              source: { address: flow.source },
              destination: { address: flow.destination },
              protocol: each.protocol,
              ...(flow.destinationPort === undefined ? {} : { destinationPort: flow.destinationPort }),
              family: each.family,
            });
            judged++;
            for (const orientation of ['original', 'reply'] as const) {
              // A pod's answer to its own node is not judged, nor is what the node sends (S5.1): both ends of the check are the pod's own packets.
              const own = hooksOf(places.source, places.destination)[0]!.hook !== 'forward';
              if (own && orientation === 'reply') continue;
              const passed = passes(rulesets, flow, places as { source: Place; destination: Place }, orientation);
              assert.equal(
                passed ? 'allowed' : 'denied',
                decision.verdict,
                `${JSON.stringify(flow)} ${orientation}: evaluator says ${decision.verdict}: egress: ${decision.egress.reason}; ingress: ${decision.ingress.reason}`,
              );
            }
          }
        },
      ),
      { numRuns: clusterRuns },
    );
    assert.ok(judged > clusterRuns * 10, `only ${judged} flows touched a pod`);
  });
});

const protocolText = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

function realFlow(flow: RandomFlow, objects: readonly ApiObject[]) {
  const addresses = flowAddresses(objects, flow.family);
  const hasPort = typeof flow.protocol === 'string' && flow.protocol !== 'ICMP';
  return {
    family: flow.family,
    source: addresses[flow.source % addresses.length]!,
    destination: addresses[flow.destination % addresses.length]!,
    protocol: hasPort
      ? protocolText[flow.protocol]
      : flow.protocol === 'ICMP'
        ? flow.family === 'ipv4'
          ? 'icmp'
          : 'icmpv6'
        : String(flow.protocol),
    ...(hasPort ? { sourcePort: 40_000, destinationPort: flow.destinationPort } : {}),
  };
}

/** `undefined` where two live pods claim the address: it has no one place. */
function placeOf(address: string, objects: readonly ApiObject[]): Place | undefined {
  const node = nodeOfAddress(address);
  if (node) return { pod: false, node };
  const claimants = objects.filter((object) => {
    const { hostNetwork } = (object['spec'] ?? {}) as { hostNetwork?: boolean };
    const { phase, podIPs } = (object['status'] ?? {}) as { phase?: string; podIPs?: { ip: string }[] };
    return (
      object.kind === 'Pod' &&
      !hostNetwork &&
      phase !== 'Succeeded' &&
      phase !== 'Failed' &&
      podIPs?.some(({ ip }) => ip === address)
    );
  });
  const live = claimants.filter((object) => object.metadata['deletionTimestamp'] === undefined);
  const owners = live.length > 0 ? live : claimants;
  if (owners.length > 1) return undefined;
  const nodeName = (owners[0]?.['spec'] as { nodeName: string } | undefined)?.nodeName;
  return nodeName === undefined ? { pod: false, node: undefined } : { pod: true, node: nodeName };
}
