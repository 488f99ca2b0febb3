import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { clusterEvents } from '../../bench/cluster/events.ts';
import { clusterObjects } from '../../bench/cluster/objects.ts';
import { shapes, type Shape } from '../../bench/cluster/shapes.ts';
import { imageNodeFlags } from '../../bench/image-flags.ts';
import { resourceNames } from '../../src/model/cluster.ts';
import { Pipeline } from '../../src/pipeline.ts';

interface RawObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid: string };
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly podIPs: readonly { readonly ip: string }[] };
}

/** Small enough for every run of the tests. */
const tiny: Shape = { ...shapes.small, name: 'tiny', namespaces: 20, pods: 1000, policies: 300 };

const objectsOf = (shape: Shape): RawObject[] => [...clusterObjects(shape)] as RawObject[];
const countsOf = (objects: Iterable<object>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const object of objects) {
    const { kind } = object as RawObject;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
};
const pipelineOf = (shape: Shape): Pipeline => {
  const pipeline = new Pipeline(shape.nodeName);
  for (const event of clusterEvents(shape)) pipeline.receive(event);
  return pipeline;
};

describe('the synthetic cluster', () => {
  it('is the same for the same seed, and differs for another seed', () => {
    assert.deepEqual(objectsOf(tiny), objectsOf(tiny));
    assert.notDeepEqual(objectsOf(tiny), objectsOf({ ...tiny, seed: 99 }));
  });

  for (const shape of [shapes.small, shapes.ovn, { ...tiny, placement: 'zipf' }] satisfies Shape[]) {
    it(`has as many objects as its shape says: ${shape.name}, ${shape.placement}`, () => {
      const { Node: nodes, ...counts } = countsOf(clusterObjects(shape));
      assert.deepEqual(counts, { Namespace: shape.namespaces, NetworkPolicy: shape.policies, Pod: shape.pods });
      assert.equal(nodes, Math.ceil(shape.pods / shape.localPods));
    });
  }

  it('has the given sizes at full scale', () => {
    const sizes = Object.values(shapes).map((s) => [s.name, s.namespaces, s.pods, s.policies, s.localPods]);
    assert.deepEqual(sizes, [
      ['uniform', 1000, 100_000, 10_000, 110],
      ['zipf', 1000, 100_000, 10_000, 110],
      ['ovn', 240, 2400, 4800, 110],
      ['antrea', 25_000, 100_000, 75_000, 110],
      ['small', 100, 10_000, 1000, 110],
    ]);
  });

  it('repeats no name, uid or address', () => {
    const pods = objectsOf(tiny).filter(({ kind }) => kind === 'Pod');
    const unique = (values: readonly unknown[]): void => assert.equal(new Set(values).size, values.length);
    unique(pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
    unique(objectsOf(tiny).map(({ metadata }) => metadata.uid));
    unique(pods.flatMap(({ status }) => status!.podIPs.map(({ ip }) => ip)));
  });

  it('emits only valid objects, each object once, and the end of all lists', () => {
    const keys = new Set<string>();
    const synced = [];
    for (const event of clusterEvents(tiny)) {
      if (event.op === 'synced') synced.push(event.resource);
      if (event.op !== 'upsert') continue;
      assert.deepEqual(event.issues, []);
      keys.add(`${event.resource} ${event.key}`);
    }
    assert.equal(keys.size, objectsOf(tiny).length);
    assert.deepEqual(synced, resourceNames);
  });

  for (const shape of [tiny, { ...tiny, placement: 'zipf' }] satisfies Shape[]) {
    it(`has ranges and CIDRs in three of ten policies or more: ${shape.placement}`, () => {
      const policies = objectsOf(shape).filter(({ kind }) => kind === 'NetworkPolicy');
      const both = policies.filter(({ spec }) => {
        const text = JSON.stringify(spec);
        return text.includes('"endPort"') && text.includes('"ipBlock"');
      });
      assert.ok(both.length >= 0.3 * policies.length, `${both.length} of ${policies.length}`);
    });
  }

  it('has the given number of local pods, each selected, with addresses in the gated ranges of the node', () => {
    const { localPods, gatedRanges, denied } = pipelineOf(tiny).snapshot;
    assert.equal(localPods.size, tiny.localPods);
    for (const { key, policies, addresses } of localPods.values()) {
      assert.ok(policies.length > 0, key);
      assert.equal(addresses.length, 2);
    }
    assert.equal(gatedRanges.length, 2);
    assert.equal(denied.size, 0);
  });

  it('selects a local pod with every policy, if asked for', () => {
    assert.equal(pipelineOf({ ...tiny, subjects: 'local' }).snapshot.policies.size, tiny.policies);
  });

  it('has a few large namespaces and many small ones, if asked for', () => {
    const pods = objectsOf({ ...tiny, placement: 'zipf' }).filter(({ kind }) => kind === 'Pod');
    const sizes = [...Map.groupBy(pods, ({ metadata }) => metadata.namespace).values()].map(({ length }) => length);
    assert.ok(Math.abs(sizes[0]! / sizes[9]! - 10) < 0.5, sizes.join());
  });

  it('is measured with the flags of the image', () => {
    const script = readFileSync(new URL('../../scripts/image/bundle.ts', import.meta.url), 'utf8');
    assert.ok(script.includes(`'#!/usr/bin/node ${imageNodeFlags.join(' ')}'`));
  });
});
