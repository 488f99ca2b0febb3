import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { PodPlanner } from '../../src/agent/pod-networks/pod-planner.ts';
import { prepareCluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import type { Sandbox } from '../../src/model/cluster.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { checkPacket, generationsOf, gracedIn } from '../support/every-moment.ts';
import { startPipeline, type ApiObject } from '../support/pipeline.ts';
import { clusters, flowAddresses, flows, nodeNames, shapeLimits, type RandomFlow } from '../support/random-cluster.ts';
import { emptyTable, verdictOf } from '../support/routed.ts';
import { meetsRareCases, runs } from '../support/runs.ts';

const rules = { guard: true, allowed: { tunnels: true } };

/** The sandboxes of pods that have a network and addresses that no other object has. */
function sandboxesOf(objects: readonly ApiObject[], node: string): Sandbox[] {
  const all = objects.flatMap((object) => addressesOf(object));
  return objects
    .filter(({ kind, spec, status }) => {
      const { nodeName, hostNetwork } = (spec ?? {}) as { nodeName?: string; hostNetwork?: boolean };
      const { phase } = (status ?? {}) as { phase?: string };
      return kind === 'Pod' && nodeName === node && !hostNetwork && !['Succeeded', 'Failed'].includes(phase ?? '');
    })
    .flatMap((object): Sandbox[] => {
      const { namespace, name, uid } = object.metadata;
      const addresses = addressesOf(object);
      const isOwn = addresses.every((address) => all.filter((each) => each === address).length === 1);
      if (addresses.length === 0 || !isOwn) return [];
      const interfaces = [{ device: 'eth0', namespace: `/run/netns/${name}`, addresses }];
      const place = { id: `${namespace}-${name}`, namespace: namespace!, name, uid: uid!, order: 1 };
      return [{ ...place, addresses, link: undefined, live: true, interfaces }];
    });
}

function addressesOf({ kind, status }: ApiObject): string[] {
  const { podIPs = [], addresses = [] } = (status ?? {}) as {
    podIPs?: { ip: string }[];
    addresses?: { address: string }[];
  };
  return kind === 'Pod' ? podIPs.map(({ ip }) => ip) : addresses.map(({ address }) => address);
}

function tablesOf(objects: readonly ApiObject[], node: string, options: object = {}): [Sandbox, Ruleset][] {
  const pipeline = startPipeline(node, objects, { gate: false, ...options });
  const { compiled } = pipeline.plan(undefined);
  return sandboxesOf(objects, node).map((sandbox) => {
    const planner = new PodPlanner({ sandbox, judgedByNode: [], rules });
    planner.take(compiled, pipeline.snapshot);
    return [sandbox, planner.plan(undefined).result];
  });
}

const protocolText = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const;

/** A packet of an established connection, as it leaves (`out`) or reaches (`in`) the pod. */
function packetOf(flow: RandomFlow, ends: { source: string; destination: string }, way: 'in' | 'out'): Packet {
  const { family, protocol, destinationPort } = flow;
  const hasPort = typeof protocol === 'string' && protocol !== 'ICMP';
  return {
    hook: way === 'in' ? 'input' : 'output',
    family,
    ...(way === 'in' ? { inInterface: 'eth0' } : { outInterface: 'eth0' }),
    ...ends,
    protocol: hasPort
      ? protocolText[protocol]
      : protocol === 'ICMP'
        ? family === 'ipv4'
          ? 'icmp'
          : 'icmpv6'
        : String(protocol),
    ...(hasPort && { sourcePort: 40_000, destinationPort }),
    ...(protocol === 'ICMP' && { icmpType: family === 'ipv4' ? 8 : 128 }),
    ctState: 'established',
    direction: 'original',
    hopLimit: 63,
  };
}

function answerTo(packet: Packet): Packet {
  const { source, destination, sourcePort, destinationPort, inInterface, outInterface, hook, ...rest } = packet;
  return {
    ...rest,
    hook: hook === 'input' ? 'output' : 'input',
    ...(inInterface !== undefined && { outInterface: inInterface }),
    ...(outInterface !== undefined && { inInterface: outInterface }),
    source: destination,
    destination: source,
    ...(sourcePort !== undefined && { destinationPort: sourcePort }),
    ...(destinationPort !== undefined && { sourcePort: destinationPort }),
    direction: 'reply',
  };
}

describe('tables inside of pods', function () {
  this.timeout(0);

  it('pass what the evaluator allows at the end of the pod, and nothing else, in both directions', () => {
    const counts = { allowed: 0, denied: 0 };
    fc.assert(
      fc.property(
        clusters,
        shapeLimits,
        fc.array(flows, { minLength: 20, maxLength: 20 }),
        (objects, limits, randomFlows) => {
          const cluster = prepareCluster(objects);
          const pods = nodeNames.flatMap((node) => tablesOf(objects, node, { limits }));
          for (const each of randomFlows) {
            const addresses = flowAddresses(objects, each.family);
            const source = addresses[each.source % addresses.length]!;
            const destination = addresses[each.destination % addresses.length]!;
            if (source === destination) continue;
            const port = each.destinationPort === undefined ? {} : { destinationPort: each.destinationPort };
            const decision = evaluate(cluster, {
              source: { address: source },
              destination: { address: destination },
              protocol: each.protocol,
              family: each.family,
              ...port,
            });
            for (const [{ addresses: own }, ruleset] of pods) {
              for (const way of ['out', 'in'] as const) {
                if (!own.includes(way === 'out' ? source : destination)) continue;
                const wanted = decision[way === 'out' ? 'egress' : 'ingress'];
                const packet = packetOf(each, { source, destination }, way);
                for (const sent of [packet, answerTo(packet)]) {
                  const verdict = verdictOf(ruleset, sent) === 'accept' ? 'allowed' : 'denied';
                  counts[verdict]++;
                  assert.equal(verdict, wanted.verdict, `${JSON.stringify(sent)}: ${wanted.reason}`);
                }
              }
            }
          }
        },
      ),
      { numRuns: runs(200) },
    );
    const few = Math.min(counts.allowed, counts.denied);
    assert.ok(few > 100 || !meetsRareCases, JSON.stringify(counts));
  });

  it('change in stages: a check passes only what the old or the new rules pass, and drops nothing that both pass (S7.3)', () => {
    let flips = 0;
    fc.assert(
      fc.property(
        fc.array(clusters, { minLength: 2, maxLength: 3 }),
        shapeLimits,
        fc.array(flows, { minLength: 15, maxLength: 15 }),
        (history, limits, randomFlows) => {
          const first = history[0]!;
          const pods = first.filter(({ kind }) => kind !== 'NetworkPolicy');
          const [sandbox] = sandboxesOf(pods, 'n1');
          if (!sandbox) return;
          const planner = new PodPlanner({ sandbox, judgedByNode: [], rules });
          let applied: Ruleset | undefined;
          for (const objects of history) {
            // The same pods with the policies of another cluster, some of which apply.
            const merged = [...pods, ...objects.filter(({ kind }) => kind === 'NetworkPolicy')];
            const pipeline = startPipeline('n1', merged, { gate: false, limits });
            planner.take(pipeline.plan(undefined).compiled, pipeline.snapshot);
            const plan = planner.plan(applied);
            const generations = generationsOf(applied ?? {}, plan);
            const before = applied;
            applied = plan.result;
            if (!before) continue;
            const graced = gracedIn(plan);
            for (const each of randomFlows) {
              const others = flowAddresses(merged, each.family);
              const other = others[each.source % others.length]!;
              for (const own of sandbox.addresses.filter((a) => a.includes(':') === (each.family === 'ipv6'))) {
                const sent = [
                  packetOf(each, { source: own, destination: other }, 'out'),
                  packetOf(each, { source: other, destination: own }, 'in'),
                ].flatMap((packet) => [packet, answerTo(packet)]);
                const table = each.family === 'ipv4' ? 'ip' : 'ip6';
                const moments = generations.map((generation) => generation[table] ?? emptyTable);
                for (const packet of sent) if (checkPacket(packet, moments, { graced })) flips++;
              }
            }
          }
        },
      ),
      { numRuns: runs(200) },
    );
    assert.ok(flips > 50 || !meetsRareCases, `only ${flips} packets changed their verdict`);
  });
});
