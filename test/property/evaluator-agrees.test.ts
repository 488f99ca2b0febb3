import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import type { Link } from '../../src/model/cluster.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { hooksOf, passes, type Place } from '../support/path.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import {
  clusters,
  flowAddresses,
  flows,
  nodeNames,
  nodeOfAddress,
  shapeLimits,
  tieredClusters,
  type RandomFlow,
} from '../support/random-cluster.ts';

const clusterRuns = Number(process.env['POSTERN_PROPERTY_CLUSTERS'] ?? 500);
const flowsPerCluster = 30;

/** How the pods are linked, in turn; `undefined`: nobody knows. */
const layouts = fc.array(fc.constantFrom('routed', 'half-routed', 'bridged', 'bridged', undefined), {
  minLength: 1,
  maxLength: 7,
});

describe('random clusters: the evaluator and the packet trace of the compiled rule set agree', function () {
  this.timeout(0);

  it(`on ${clusterRuns * flowsPerCluster} flows, in both ctDirections`, () => {
    const { judged, stopped } = compareOn(clusters);
    assert.ok(judged > clusterRuns * 10, `only ${judged} flows touched a pod`);
    assert.ok(stopped > clusterRuns / 5, `only ${stopped} flows met the gate`);
  });

  it(`on ${clusterRuns * flowsPerCluster} flows with policies of all three tiers (S0.3, S10.2 to S10.6)`, () => {
    const { judged, decided, passed } = compareOn(tieredClusters);
    assert.ok(judged > clusterRuns * 10, `only ${judged} flows touched a pod`);
    assert.ok(decided > clusterRuns, `rules of ClusterNetworkPolicies decided only ${decided} times`);
    assert.ok(passed > clusterRuns / 5, `they passed only ${passed} flows on`);
  });
});

/** Compares both on random flows, and counts what happened. */
function compareOn(given: fc.Arbitrary<ApiObject[]>) {
  let [judged, stopped, decided, passed] = [0, 0, 0, 0];
  fc.assert(
    fc.property(
      given,
      shapeLimits,
      layouts,
      fc.boolean(),
      fc.array(flows, { minLength: flowsPerCluster, maxLength: flowsPerCluster }),
      (objects, limits, layout, gate, randomFlows) => {
        const places = placesOf(objects);
        const links = linksOf(places, layout);
        const compile = (node: string): Ruleset => {
          const pipeline = startPipeline(node, objects, {
            limits,
            gate,
            podCidrs: rangesOf(node, places),
            // The evaluator judges policies alone, and these let pods tunnel to nodes (S1.18).
            allowed: { tunnels: true },
          });
          pipeline.receive({ op: 'links', links });
          return pipeline.plan(undefined).compiled.ruleset;
        };
        const rulesets = Object.fromEntries(nodeNames.map((node) => [node, compile(node)]));
        const cluster = prepareCluster(objects);
        for (const each of randomFlows) {
          const flow = realFlow(each, objects);
          const source = places.get(flow.source) ?? placeOf(flow.source, objects);
          const destination = places.get(flow.destination) ?? placeOf(flow.destination, objects);
          if (!source || !destination) continue;
          if (hooksOf(source, destination).length === 0) continue;
          const decision = evaluate(cluster, {
            source: { address: flow.source },
            destination: { address: flow.destination },
            protocol: each.protocol,
            ...(flow.destinationPort === undefined ? {} : { destinationPort: flow.destinationPort }),
            family: each.family,
            // What a pod sends to itself meets these rules only if a Service brings it back (S10.18).
            ...(flow.source === flow.destination && { throughService: true }),
          });
          for (const { tiers } of [decision.egress, decision.ingress]) {
            if (tiers?.decidedBy) decided++;
            passed += tiers?.passedBy.length ?? 0;
          }
          const isGated = gate && [flow.source, flow.destination].some((address) => unowned.includes(address));
          if (isGated) stopped++;
          const verdict = isGated ? 'denied' : decision.verdict;
          judged++;
          for (const orientation of ['original', 'reply'] as const) {
            // A pod's answer to its own node is not judged, nor is what the node sends (S5.1): both ends of the check are the pod's own packets.
            const own = hooksOf(source, destination)[0]!.hook !== 'forward';
            if (own && orientation === 'reply') continue;
            const isPassing = passes(rulesets, flow, { source, destination }, orientation, links);
            assert.equal(
              isPassing ? 'allowed' : 'denied',
              verdict,
              `${JSON.stringify(flow)} ${orientation}: evaluator says ${decision.verdict}: egress: ${decision.egress.reason}; ingress: ${decision.ingress.reason}`,
            );
          }
        }
      },
    ),
    { numRuns: clusterRuns },
  );
  return { judged, stopped, decided, passed };
}

/** Of each node's ranges, and of no pod. */
const unowned = ['10.1.0.200', 'fd01::c8'];

/** Where each pod address lives that is of one pod alone. */
function placesOf(objects: readonly ApiObject[]): Map<string, Place & { pod: true }> {
  const addresses = objects.flatMap((object) => {
    const { podIPs = [] } = (object['status'] ?? {}) as { podIPs?: { ip: string }[] };
    return podIPs.map(({ ip }) => ip);
  });
  const places = new Map<string, Place & { pod: true }>();
  for (const address of addresses) {
    const place = placeOf(address, objects);
    if (place?.pod) places.set(address, place);
  }
  return places;
}

/** A range for each address, since those of both nodes are mixed. */
function rangesOf(node: string, places: ReadonlyMap<string, Place>): string[] {
  const own = [...places].flatMap(([address, place]) => (place.node === node ? [address] : []));
  return [...own, ...unowned].map((address) => `${address}/${address.includes(':') ? 128 : 32}`);
}

function linksOf(places: ReadonlyMap<string, Place>, layout: readonly (string | undefined)[]): Map<string, Link> {
  const links = new Map<string, Link>();
  for (const address of places.keys()) {
    const isIpv6 = address.includes(':');
    const number = Number.parseInt(address.split(/[.:]/).at(-1)!, isIpv6 ? 16 : 10);
    const how = layout[number % layout.length];
    if (how === 'routed' || (how === 'half-routed' && isIpv6)) links.set(address, { device: `veth${number}` });
    if (how === 'bridged') links.set(address, { device: 'cni0', port: `veth${number}` });
  }
  return links;
}

const protocolText = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

function realFlow(flow: RandomFlow, objects: readonly ApiObject[]) {
  const addresses = [...flowAddresses(objects, flow.family), unowned[flow.family === 'ipv4' ? 0 : 1]!];
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
