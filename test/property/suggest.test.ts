import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { prepareCluster, textOf, type Cluster } from '../../src/evaluator/cluster.ts';
import { evaluate } from '../../src/evaluator/evaluator.ts';
import type { FlowEnd } from '../../src/flows/kept-flow.ts';
import { ownerLabels } from '../../src/flows/owner-labels.ts';
import { toYaml } from '../../src/cli/flows/yaml.ts';
import { readDocuments } from '../../src/manifests/documents.ts';
import type { Address } from '../../src/model/address.ts';
import { suggest, type Suggestion } from '../../src/suggest/suggest.ts';
import type { ApiObject } from '../support/pipeline.ts';
import { ofControllers, scenes, wanted } from '../suggest/random-traffic.ts';
import { meetsRareCases, runs } from '../support/runs.ts';

const usual = 200;

describe('random clusters with random traffic: suggested policies', function () {
  this.timeout(0);

  it(`allow what they come from and DNS, and select by no label of a controller (${usual} clusters)`, () => {
    const met = { suggestions: 0, allowed: 0, leftOut: 0, named: 0, shared: 0, blocks: 0 };
    fc.assert(
      fc.property(scenes, ({ objects, seen }) => {
        const { suggestions } = suggest(objects, seen, wanted);
        for (const suggestion of suggestions) {
          const { policy, replay, allowed, leftOut } = suggestion;
          assert.deepEqual(replay.denied, [], JSON.stringify(policy));
          assert.ok(replay.flows >= allowed.length);
          const text = JSON.stringify(policy);
          for (const key of ofControllers) assert.ok(!text.includes(`"${key}"`), text);
          const [document, ...rest] = readDocuments(`# comment\n${toYaml(policy)}`);
          assert.ok(document && 'value' in document && rest.length === 0);
          assert.deepEqual(document.value, policy);
          keepsDns(objects, suggestion);
          met.suggestions++;
          met.allowed += allowed.length;
          met.leftOut += leftOut.length;
          if (/"port":"[a-z]/.test(text)) met.named++;
          if (suggestion.workloads.length > 1) met.shared++;
          if (text.includes('203.0.113.0/24')) met.blocks++;
        }
        allowsTogether(objects, suggestions);
      }),
      { numRuns: runs(usual), seed: 18 },
    );
    if (!meetsRareCases) return;
    for (const [what, count] of Object.entries(met)) assert.ok(count > 3, `${what}: ${count}`);
  });

  /** In the real cluster, with this policy alone: from each pod that it isolates. */
  function keepsDns(objects: readonly ApiObject[], { policy, namespace }: Suggestion): void {
    const without = objects.filter(({ kind }) => kind !== 'NetworkPolicy');
    const cluster = prepareCluster([...without, policy]);
    for (const pod of cluster.pods.values()) {
      if (pod.namespace !== namespace || pod.hostNetwork || pod.terminal) continue;
      for (const protocol of ['UDP', 'TCP'] as const) {
        const flow = {
          source: { pod: pod.key },
          destination: { pod: 'kube-system/coredns' },
          protocol,
          destinationPort: 53,
        };
        for (const family of ['ipv4', 'ipv6'] as const) {
          // A pod whose address others claim, or that has none in this family, opens no connections of its own.
          const isOwn = pod.addresses.some((each) => each.family === family && isOwner(cluster, pod.key, each));
          if (isOwn) assert.equal(evaluate(cluster, { ...flow, family }).egress.verdict, 'allowed', pod.key);
        }
      }
    }
  }

  function isOwner(cluster: Cluster, key: string, address: Address): boolean {
    const [owner, ...others] = cluster.claimants.get(textOf(address)) ?? [];
    return owner?.key === key && others.length === 0;
  }

  /** Positive control of the replay, by the whole cluster: all suggestions together, between the pods that there really are. */
  function allowsTogether(objects: readonly ApiObject[], suggestions: readonly Suggestion[]): void {
    const without = objects.filter(({ kind }) => kind !== 'NetworkPolicy');
    const cluster = prepareCluster([...without, ...suggestions.map(({ policy }) => policy)]);
    const podAt = (end: FlowEnd): string | undefined =>
      end.kind !== 'workload'
        ? undefined
        : [...cluster.pods.values()].find(
            (pod) =>
              !pod.hostNetwork &&
              !pod.terminal &&
              pod.namespace === end.namespace &&
              JSON.stringify(ownerLabels(pod.labels)) === JSON.stringify(end.labels) &&
              pod.addresses.some((each) => each.family === 'ipv4' && isOwner(cluster, pod.key, each)),
          )?.key;
    for (const { direction, seen } of suggestions.flatMap(({ allowed }) => allowed)) {
      const [source, destination] = [podAt(seen.from), podAt(seen.to)];
      // The policy names the namespace by the label that the API server sets.
      const isKnown = [seen.from, seen.to].every(
        (end) => end.kind !== 'workload' || cluster.namespaceLabels.has(end.namespace),
      );
      if (source === undefined || destination === undefined || !isKnown) continue;
      const ends = { source: { pod: source }, destination: { pod: destination } };
      const flow = { ...ends, protocol: seen.protocol, destinationPort: seen.port as number, family: 'ipv4' } as const;
      assert.equal(evaluate(cluster, flow)[direction].verdict, 'allowed', `${direction} ${JSON.stringify(seen)}`);
    }
  }
});
