import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { PodObject } from '../../bench/changes/pods.ts';
import { schedule } from '../../bench/changes/schedule.ts';
import { Random } from '../../bench/cluster/random.ts';

const pod = (name: string): PodObject => ({
  kind: 'Pod',
  metadata: {
    namespace: 'x',
    name,
    uid: name,
    resourceVersion: '1',
    labels: { app: 'web', 'pod-template-hash': 'old' },
  },
  spec: { nodeName: 'n2' },
  status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }] },
});
const pods = (prefix: string, count: number): PodObject[] => {
  return Array.from({ length: count }, (_, i) => pod(`${prefix}${i}`));
};
const rate = { seconds: 60, events: 500, concerning: 5 };
const events = [...schedule(rate, pods('member', 30), pods('other', 40), new Random(1))];
const concerning = events.filter(({ way }) => way);

describe('churn', () => {
  it('has the given rate of events, evenly spaced, and the given rate for this node', () => {
    assert.deepEqual([events.length, concerning.length], [30_000, 300]);
    assert.deepEqual([...new Set(events.map(({ due }, i) => due - i * 2))], [0]);
    const gaps = concerning.slice(1).map(({ due }, i) => due - concerning[i]!.due);
    assert.deepEqual([...new Set(gaps)], [200]);
    assert.equal(60_000 - concerning.at(-1)!.due, 100);
  });

  it('removes each pod from its groups, and adds it back later, before its next removal', () => {
    const last = new Map<string, { way: string; due: number }>();
    for (const { object, way, due } of concerning) {
      const { name, labels } = object.metadata;
      const before = last.get(name);
      assert.equal(way, before?.way === 'removal' ? 'addition' : 'removal', name);
      assert.equal('app' in labels, way === 'addition', name);
      if (before) assert.ok(due - before.due >= 2000, name);
      last.set(name, { way, due });
    }
    assert.equal(last.size, 30);
    assert.deepEqual([...new Set([...last.values()].map(({ way }) => way))], ['addition']);
  });

  it('keeps the labels of all other pods', () => {
    for (const { object, way } of events) {
      if (way) continue;
      assert.match(object.metadata.name, /^other/);
      assert.equal(object.metadata.labels['app'], 'web');
      assert.deepEqual(object.status.podIPs, [{ ip: '10.0.0.1' }]);
    }
  });

  it('emits each version once', () => {
    assert.equal(new Set(events.map(({ object }) => object.metadata.resourceVersion)).size, events.length);
  });
});
