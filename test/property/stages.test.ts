import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { applyOperations } from '../../src/nftables/edit.ts';
import type { Packet } from '../../src/nftables/packet.ts';
import type { Ruleset } from '../../src/nftables/ruleset.ts';
import { planStages, planSweep } from '../../src/plan/plan.ts';
import { checkPacket, emptyRuleset, generationsOf } from '../support/every-moment.ts';
import { compileNode, type ApiObject } from '../support/pipeline.ts';
import { clusters, flowAddresses, flows, shapeLimits, type RandomFlow } from '../support/random-cluster.ts';

/** A cluster, and then others that share some of its objects: what a burst of events leaves behind. */
const histories = fc
  .tuple(clusters, clusters, clusters, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }))
  .map(([first, second, third, keep]): ApiObject[][] => {
    const next = mix(first, second, keep);
    return [first, next, mix(next, third, keep.toReversed())];
  });

const node = 'n1';

describe('stages of a change (S7.3)', function () {
  this.timeout(0);

  it('a check passes only what the old or the new rules pass, and drops nothing that both pass, whenever a packet comes', () => {
    let flips = 0;
    fc.assert(
      fc.property(
        histories,
        shapeLimits,
        fc.array(flows, { minLength: 25, maxLength: 25 }),
        (history, limits, randomFlows) => {
          let applied: Ruleset | undefined;
          for (const objects of history) {
            const before = applied ?? emptyRuleset;
            const plan = planStages(compileNode(node, objects, limits), applied);
            const generations = generationsOf(before, plan);
            applied = generations.at(-1)!;
            assert.deepEqual(sortedRuleset(applied), sortedRuleset(plan.result));
            if (before === emptyRuleset) continue;
            for (const packet of randomFlows.flatMap((flow) => packetsOf(flow, history.flat()))) {
              if (checkPacket(packet, generations)) flips++;
            }
          }
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(flips > 100, `only ${flips} packets changed their verdict`);
  });

  it('so do members that change together with the rules that read them', () => {
    let flips = 0;
    fc.assert(
      fc.property(fc.array(crowdedState, { minLength: 2, maxLength: 4 }), shapeLimits, (states, limits) => {
        let applied: Ruleset | undefined;
        for (const state of states) {
          const before = applied;
          const plan = planStages(compileNode(node, crowdedCluster(state), limits), applied);
          const generations = generationsOf(applied ?? emptyRuleset, plan);
          applied = generations.at(-1)!;
          if (before) for (const packet of crowdedPackets) if (checkPacket(packet, generations)) flips++;
        }
      }),
      { numRuns: 1000 },
    );
    assert.ok(flips > 1000, `only ${flips} packets changed their verdict`);
  });

  it('a crash after any stage leaves what start-up brings to the same table', () => {
    fc.assert(
      fc.property(histories, shapeLimits, fc.nat(3), (history, limits, crashAfter) => {
        let applied: Ruleset | undefined;
        for (const objects of history) {
          const desired = compileNode(node, objects, limits);
          const plan = planStages(desired, applied);
          let crashed = applied ?? emptyRuleset;
          for (const stage of plan.stages.slice(0, crashAfter)) crashed = applyOperations(crashed, stage.operations);
          const sweep = planSweep(crashed);
          for (const stage of sweep.stages) crashed = applyOperations(crashed, stage.operations);
          assert.deepEqual(sortedRuleset(crashed), sortedRuleset(sweep.result));
          const recovery = planStages(desired, crashed);
          for (const stage of recovery.stages) crashed = applyOperations(crashed, stage.operations);
          assert.deepEqual(planStages(desired, crashed).stages, []);
          assert.deepEqual(planSweep(crashed).stages, []);
          applied = crashed;
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** Two peers that come and go from two groups, which two policies open ports to: everything meets everything. */
const crowdedState = fc.record({
  labels: fc.tuple(fc.constantFrom('a', 'b', 'none'), fc.constantFrom('a', 'b', 'none')),
  ports: fc.tuple(...[0, 1].map(() => fc.constantFrom([80], [81], [80, 81], [443], undefined))),
  direction: fc.constantFrom('Ingress', 'Ingress', 'Egress'),
  subjects: fc.tuple(...[0, 1].map(() => fc.constantFrom('one', 'two', 'both'))),
});

type CrowdedState = typeof crowdedState extends fc.Arbitrary<infer T> ? T : never;

function crowdedCluster({ labels, ports, direction, subjects }: CrowdedState): ApiObject[] {
  const pod = (name: string, nodeName: string, ip: string, podLabels: Record<string, string>): ApiObject => ({
    kind: 'Pod',
    metadata: { namespace: 'x', name, uid: name, labels: podLabels },
    spec: { nodeName },
    status: { phase: 'Running', podIPs: [{ ip }] },
  });
  const policies = ports.flatMap((numbers, index): ApiObject[] => {
    if (!numbers) return [];
    const peers = [{ podSelector: { matchLabels: { group: index === 0 ? 'a' : 'b' } } }];
    const portList = numbers.map((port) => ({ port }));
    const rules =
      direction === 'Ingress'
        ? { ingress: [{ from: peers, ports: portList }] }
        : { egress: [{ to: peers, ports: portList }] };
    const podSelector = subjects[index] === 'both' ? {} : { matchLabels: { role: subjects[index]! } };
    return [
      {
        kind: 'NetworkPolicy',
        metadata: { namespace: 'x', name: `p${index}`, uid: `p${index}` },
        spec: { podSelector, policyTypes: [direction], ...rules },
      },
    ];
  });
  return [
    pod('one', node, '10.1.0.2', { role: 'one' }),
    pod('two', node, '10.1.0.3', { role: 'two' }),
    pod('peer-1', 'n2', '10.1.0.11', { group: labels[0] }),
    pod('peer-2', 'n2', '10.1.0.12', { group: labels[1] }),
    ...policies,
  ];
}

const crowdedPackets: Packet[] = ['10.1.0.2', '10.1.0.3'].flatMap((local) =>
  ['10.1.0.11', '10.1.0.12'].flatMap((peer) =>
    [80, 81, 443].flatMap((port) =>
      [
        { source: peer, destination: local },
        { source: local, destination: peer },
      ].flatMap(({ source, destination }): Packet[] => {
        const common = { hook: 'forward', family: 'ipv4', protocol: 'tcp', ctState: 'established' } as const;
        return [
          { ...common, source, destination, sourcePort: 40_000, destinationPort: port, direction: 'original' },
          {
            ...common,
            source: destination,
            destination: source,
            sourcePort: port,
            destinationPort: 40_000,
            direction: 'reply',
          },
        ];
      }),
    ),
  ),
);

function mix(objects: readonly ApiObject[], others: readonly ApiObject[], keep: readonly boolean[]): ApiObject[] {
  const merged = new Map(objects.map((object) => [nameOf(object), object]));
  for (const [index, object] of others.entries()) {
    if (keep[index % keep.length] && merged.has(nameOf(object))) continue;
    merged.set(nameOf(object), object);
  }
  return [...merged.values()].filter((object, index) => object.kind !== 'NetworkPolicy' || keep[index % keep.length]);
}

function nameOf({ kind, metadata }: ApiObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

/** One end outside the node, so that a packet meets one check: each is held to the rule by itself. */
function packetsOf(flow: RandomFlow, objects: readonly ApiObject[]): Packet[] {
  const addresses = flowAddresses(objects, flow.family);
  const isLocal = (address: string): boolean =>
    objects.some(
      (object) =>
        object.kind === 'Pod' &&
        (object['spec'] as { nodeName: string }).nodeName === node &&
        (object['status'] as { podIPs: { ip: string }[] }).podIPs.some(({ ip }) => ip === address),
    );
  const source = addresses[flow.source % addresses.length]!;
  const destination = addresses[flow.destination % addresses.length]!;
  if (isLocal(source) === isLocal(destination) || flow.protocol === 'ICMP' || flow.protocol === 47) return [];
  const ports = { sourcePort: 40_000, destinationPort: flow.destinationPort };
  const original: Packet = {
    hook: 'forward',
    family: flow.family,
    source,
    destination,
    protocol: flow.protocol.toLowerCase(),
    ...ports,
    ctState: 'established',
    direction: 'original',
  };
  const reply: Packet = {
    ...original,
    source: destination,
    destination: source,
    sourcePort: ports.destinationPort,
    destinationPort: ports.sourcePort,
    direction: 'reply',
  };
  return [original, reply];
}

function sortedRuleset({ sets, maps, chains }: Ruleset): unknown {
  const entries = <T extends { readonly name: string }>(objects: ReadonlyMap<string, T>): T[] =>
    [...objects.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    sets: entries(sets).map((set) => ({ ...set, elements: [...set.elements].sort() })),
    maps: entries(maps).map((map) => ({ ...map, elements: [...map.elements].sort(([a], [b]) => (a < b ? -1 : 1)) })),
    chains: entries(chains),
  };
}
