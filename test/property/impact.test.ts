import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster, textOf } from '../../src/evaluator/cluster.ts';
import type { Cluster } from '../../src/evaluator/cluster.ts';
import type { Decision, Direction, Endpoint } from '../../src/evaluator/decision.ts';
import { evaluate, familiesOf } from '../../src/evaluator/evaluator.ts';
import { declaredPortsOf } from '../../src/impact/declared-ports.ts';
import { computeImpact } from '../../src/impact/impact.ts';
import type { PairChange } from '../../src/impact/pairs.ts';
import type { SeenFlow } from '../../src/impact/seen-flow.ts';
import { families } from '../../src/model/address.ts';
import type { ApiObject } from '../support/pipeline.ts';
import {
  clusters,
  flowAddresses,
  flows,
  nodeNames,
  nodeOfAddress,
  tieredClusters,
  type RandomFlow,
} from '../support/random-cluster.ts';

const runs = Number(process.env['POSTERN_PROPERTY_CLUSTERS'] ?? 150);

/** A cluster, and the same after some of its policies, of its namespaces, or of all its objects have come, gone or changed. */
const changesOf = (given: fc.Arbitrary<ApiObject[]>, policies: 'NetworkPolicy' | 'ClusterNetworkPolicy') =>
  fc
    .tuple(
      given,
      given,
      fc.array(fc.constantFrom('keep', 'keep', 'replace', 'drop', 'drop'), { minLength: 30, maxLength: 30 }),
      fc.constantFrom(policies, 'Namespace', undefined),
    )
    .map(([before, other, fates, only]) => {
      const others = new Map(other.map((object) => [idOf(object), object]));
      const known = new Set(before.map(idOf));
      const isFixed = (object: ApiObject): boolean =>
        object.kind === 'Node' || (only !== undefined && object.kind !== only);
      const after = before.flatMap((object, index) => {
        const fate = isFixed(object) ? 'keep' : fates[index % fates.length];
        if (fate === 'drop') return [];
        return fate === 'replace' ? [others.get(idOf(object)) ?? object] : [object];
      });
      const added = other.filter((object) => !isFixed(object) && !known.has(idOf(object)));
      return { before, after: [...after, ...added] };
    });

const changes = changesOf(clusters, 'NetworkPolicy');
/** Of clusters with policies of one tier, or of all three. */
const kinds = [
  ['', changes],
  [', with policies of all three tiers (S10.1)', changesOf(tieredClusters, 'ClusterNetworkPolicy')],
] as const;

const seenFlows = fc.array(flows, { minLength: 20, maxLength: 20 });

describe('random changes to random clusters: the impact is what the evaluator says before and after', function () {
  this.timeout(0);

  for (const [tiers, given] of kinds) {
    it(`a flow is listed as cut exactly if it is allowed before and denied after, as opened the other way round${tiers}`, () => {
      const found = { cut: 0, opened: 0 };
      fc.assert(
        fc.property(given, seenFlows, ({ before, after }, randomFlows) => {
          const [old, now] = [prepareCluster(before), prepareCluster(after)];
          const seen = distinct(randomFlows.map((each) => toSeen(each, before)));
          const { flows: judged } = computeImpact({
            before,
            after,
            seen: [{ addresses: [], flows: seen }],
            pairs: false,
          });
          for (const [list, was, is] of [
            ['cut', 'allowed', 'denied'],
            ['opened', 'denied', 'allowed'],
          ] as const) {
            const expected = seen.filter(
              (flow) => decide(old, flow).verdict === was && decide(now, flow).verdict === is,
            );
            found[list] += expected.length;
            assert.deepEqual(
              judged![list].reduce((sum, { connections }) => sum + connections, 0),
              expected.reduce((sum, { connections }) => sum + connections, 0),
            );
            // Each listed flow is one of them, with the reason of the end that denies.
            for (const { reasons } of judged![list])
              assert.ok(reasons.length > 0 && reasons.every(({ reason }) => reason !== ''));
            const names = new Set(expected.map((flow) => nameOf(old, flow)));
            assert.deepEqual(
              new Set(
                judged![list].flatMap((each) =>
                  each.families.map(
                    (family) =>
                      `${family} ${each.source} > ${each.destination} ${each.protocol} ${each.destinationPort}`,
                  ),
                ),
              ),
              names,
            );
          }
        }),
        { numRuns: runs },
      );
      assert.ok(found.cut > runs / 4 && found.opened > runs / 4, `only ${JSON.stringify(found)}`);
    });
  }

  for (const [tiers, given] of kinds) {
    it(`seen by both nodes, each end counts as the node of its pod has seen it${tiers}`, () => {
      fc.assert(
        fc.property(given, seenFlows, ({ before, after }, randomFlows) => {
          const [old, now] = [prepareCluster(before), prepareCluster(after)];
          const seen = distinct(randomFlows.map((each) => toSeen(each, before)));
          // A node sees the flows of its own pods only; what is the node's own passes in (S5.1).
          const told = nodeNames.map((node) => ({
            node,
            addresses: [],
            flows: seen.filter((flow) => touches(old, now, flow, node)),
          }));
          const { flows: judged } = computeImpact({ before, after, seen: told, pairs: false });
          const expected = seen.filter((flow) => {
            return decide(old, flow).verdict === 'allowed' && decide(now, flow).verdict === 'denied';
          });
          assert.equal(
            judged!.cut.reduce((sum, { connections }) => sum + connections, 0),
            expected.reduce((sum, { connections }) => sum + connections, 0),
          );
        }),
        { numRuns: runs },
      );
    });
  }

  it('pods are listed as newly isolated, or no longer, exactly if the evaluator judges their ends so', () => {
    const found = { true: 0, false: 0 };
    fc.assert(
      fc.property(changes, ({ before, after }) => {
        const [old, now] = [prepareCluster(before), prepareCluster(after)];
        const { isolation } = computeImpact({ before, after, pairs: false });
        const listed = new Map(isolation.map((each) => [`${each.pod} ${each.direction}`, each]));
        for (const { key } of old.pods.values()) {
          const then = now.pods.get(key);
          // Who has lost his address to another has no end to be judged at.
          if (!then || ![old, now].every((cluster) => ownsAddress(cluster, key))) continue;
          for (const direction of ['ingress', 'egress'] as const) {
            const [was, is] = [isolatedBy(old, key, direction), isolatedBy(now, key, direction)];
            const change = listed.get(`${key} ${direction}`);
            assert.equal(
              change?.isolated,
              was.size > 0 === is.size > 0 ? undefined : is.size > 0,
              `${key} ${direction}`,
            );
            if (!change) continue;
            found[`${change.isolated}`]++;
            assert.deepEqual(new Set(change.by), change.isolated ? is : was);
          }
        }
      }),
      // Few clusters have a pod that loses its isolation.
      { numRuns: 3 * runs },
    );
    assert.ok(found.true > runs / 10 && found.false > runs / 10, `only ${JSON.stringify(found)}`);
  });

  for (const [tiers, given] of kinds) {
    it(`pairs on declared ports are listed exactly if their verdict changes${tiers}`, () => {
      const found = { cut: 0, opened: 0 };
      fc.assert(
        fc.property(given, ({ before, after }) => {
          const [old, now] = [prepareCluster(before), prepareCluster(after)];
          const { pairs } = computeImpact({ before, after, pairs: true });
          const expected = allPairs(old, now, after);
          for (const list of ['cut', 'opened'] as const) {
            found[list] += expected[list].size;
            assert.deepEqual(new Set(pairs![list].flatMap(expand)), expected[list], list);
            for (const each of pairs![list]) assert.equal(expand(each).length, each.pairs * each.families.length);
          }
        }),
        { numRuns: runs },
      );
      assert.ok(found.cut > runs / 10 && found.opened > runs / 10, `only ${JSON.stringify(found)}`);
    });
  }
});

function idOf({ kind, metadata }: ApiObject): string {
  return `${kind} ${String(metadata['namespace'])}/${metadata.name}`;
}

function toSeen(flow: RandomFlow, objects: readonly ApiObject[]): SeenFlow {
  const { family } = flow;
  const addresses = flowAddresses(objects, family);
  const hasPort = typeof flow.protocol === 'string' && flow.protocol !== 'ICMP';
  return {
    family,
    source: addresses[flow.source % addresses.length]!,
    destination: addresses[flow.destination % addresses.length]!,
    protocol: flow.protocol,
    ...(hasPort && { destinationPort: flow.destinationPort }),
    connections: 1,
    open: 1,
  };
}

/** A power of two each, so that a sum says which flows are in it. */
function distinct(seen: readonly SeenFlow[]): SeenFlow[] {
  const byText = new Map(seen.map((flow) => [JSON.stringify(flow), flow]));
  return [...byText.values()].map((flow, index) => ({ ...flow, connections: 2 ** index }));
}

function decide(cluster: Cluster, flow: SeenFlow): Decision {
  const ends = { source: { address: flow.source }, destination: { address: flow.destination } };
  return evaluate(cluster, { ...flow, ...ends, ...(flow.source === flow.destination && { throughService: true }) });
}

function nameOf(cluster: Cluster, flow: SeenFlow): string {
  const name = (address: string): string => {
    const claimants = cluster.claimants.get(address) ?? [];
    const node = cluster.nodeAddresses.get(address);
    return claimants.length === 1 ? claimants[0]!.key : node === undefined ? address : `node ${node}`;
  };
  return `${flow.family} ${name(flow.source)} > ${name(flow.destination)} ${flow.protocol} ${flow.destinationPort}`;
}

/** Whether the flow crosses the node: it, or a pod of it, is at an end. */
function touches(old: Cluster, now: Cluster, { source, destination }: SeenFlow, node: string): boolean {
  return [source, destination].some((address) => {
    if (nodeOfAddress(address) === node) return true;
    return [old, now].some((cluster) => (cluster.claimants.get(address) ?? []).some((pod) => pod.nodeName === node));
  });
}

function ownsAddress(cluster: Cluster, key: string): boolean {
  const pod = cluster.pods.get(key)!;
  const isItsOwn = (text: string): boolean => cluster.claimants.get(text)?.includes(pod) === true;
  return pod.hostNetwork || pod.terminal || pod.addresses.map(textOf).every(isItsOwn);
}

/** As a flow of no kind that a port could match shows it, from and to somewhere outside. */
function isolatedBy(cluster: Cluster, key: string, direction: Direction): Set<string> {
  const { hostNetwork, terminal } = cluster.pods.get(key)!;
  if (hostNetwork || terminal) return new Set();
  const outside = { ipv4: { address: '198.51.100.77' }, ipv6: { address: '2001:db8:77::77' } };
  const ends = familiesOf(cluster, { pod: key }).map((family) => {
    const pod: Endpoint = { pod: key };
    const [source, destination] = direction === 'ingress' ? [outside[family], pod] : [pod, outside[family]];
    return evaluate(cluster, { source, destination, protocol: 47, family })[direction];
  });
  return new Set(ends.filter(({ judged }) => judged).flatMap((end) => end.isolatedBy));
}

function allPairs(
  old: Cluster,
  now: Cluster,
  objects: readonly ApiObject[],
): { cut: Set<string>; opened: Set<string> } {
  const found = { cut: new Set<string>(), opened: new Set<string>() };
  const live = [...old.pods.values()].filter((pod) => !pod.terminal && now.pods.get(pod.key)?.terminal === false);
  for (const family of families) {
    const ends = live.filter(({ key }) => now.pods.get(key)!.addresses.some((address) => address.family === family));
    for (const source of ends) {
      for (const destination of ends) {
        if (source === destination) continue;
        const raw = objects.find((object) => idOf(object) === `Pod ${destination.key}`)!;
        for (const { protocol, port } of declaredPortsOf(raw)) {
          const flow = {
            source: { pod: source.key },
            destination: { pod: destination.key },
            protocol,
            ...(port !== undefined && { destinationPort: port }),
            family,
          };
          const [was, is] = [evaluate(old, flow).verdict, evaluate(now, flow).verdict];
          if (was !== is)
            found[is === 'denied' ? 'cut' : 'opened'].add(
              `${family} ${source.key} > ${destination.key} ${protocol}/${port}`,
            );
        }
      }
    }
  }
  return found;
}

function expand({ source, destination, protocol, port, families: of }: PairChange): string[] {
  return of.flatMap((family) =>
    source.members.flatMap((from) =>
      destination.members.filter((to) => to !== from).map((to) => `${family} ${from} > ${to} ${protocol}/${port}`),
    ),
  );
}
