import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ClusterPolicies } from '../../../src/agent/status/cluster-policies.ts';
import { describeNodes, NodeCoverage } from '../../../src/agent/status/coverage.ts';
import { HeldPolicies } from '../../../src/agent/status/held-policies.ts';
import {
  leaseBody,
  leaseNameOf,
  markOf,
  readLease,
  readMarks,
  withMarksOf,
  writeHeld,
} from '../../../src/agent/status/held-report.ts';
import { HeldWriter } from '../../../src/agent/status/held-writer.ts';
import type { LeaseClient } from '../../../src/agent/status/lease-client.ts';
import { emptySnapshot } from '../../../src/model/snapshot.ts';
import { clusterPolicy } from './facts.ts';

const [p, q] = [
  { uid: 'p', generation: 1 },
  { uid: 'q', generation: 7 },
];
const holds = (...versions: { uid: string; generation: number }[]) =>
  writeHeld(new Map(versions.map((each) => [each.uid, each])), new Set());
const lease = (node: string, nodeUid: string, report = holds(p)): object => {
  const body = leaseBody({ node, nodeUid, ...report }, '2026-12-01T00:00:00.000000Z') as { metadata: object };
  return { ...body, metadata: { ...body.metadata, name: leaseNameOf(node) } };
};
const nodes = new Map(['n1', 'n2'].map((name) => [name, { uid: `uid ${name}` }]));
const coverage = (...leases: unknown[]) =>
  new NodeCoverage(
    nodes,
    leases.flatMap((each) => readLease(each) ?? []),
  );
const lagging = (found: NodeCoverage, version = p): string => describeNodes(found.of(version).lagging);

describe('reports of what a node holds', () => {
  it('are read as they were written, in any order of the policies (S10.29)', () => {
    assert.deepEqual(holds(p, q), holds(q, p));
    assert.deepEqual(readMarks(holds(p, q).held), new Set([markOf(p), markOf(q)]));
    const found = coverage(lease('n1', 'uid n1', holds(p, q)), lease('n2', 'uid n2', holds(q)));
    assert.deepEqual(
      [lagging(found), lagging(found, q), lagging(found, { uid: 'q', generation: 8 })],
      ['n2', '', 'n1, n2'],
    );
  });

  it('cost no more than the policies that there are, whatever they say (S10.29)', () => {
    const known = new Set([markOf(p)]);
    const report = { held: holds(p, q).held, leftOut: 'a'.repeat(7 * 103) };
    assert.deepEqual(withMarksOf(report, known), { held: markOf(p), leftOut: '' });
  });

  it('tell what the node leaves out', () => {
    const report = writeHeld(new Map([['p', p]]), new Set(['p']));
    const found = coverage(lease('n1', 'uid n1', report), lease('n2', 'uid n2')).of(p);
    assert.deepEqual([describeNodes(found.leftOut), found.lagging.count], ['n1', 0]);
  });

  it('are never due before now, also if the clock moves on between two readings', async () => {
    let time = 0;
    const writer = new HeldWriter({
      node: 'n1',
      nodeUid: () => 'uid n1',
      nodes: () => 100,
      report: () => ({ held: String(Math.floor(time / 50)), leftOut: '' }),
      leases: { get: async () => undefined, patch: async () => '1', create: async () => '1' } as unknown as LeaseClient,
      now: () => (time += 7),
      wallTime: () => time,
      random: () => 0.5,
      observer: { wrote() {}, leads() {} } as never,
    });
    let least = Infinity;
    for (let looks = 0; looks < 5000; looks++) {
      const pause = await writer.look();
      least = Math.min(least, pause);
      time += Math.max(0, Math.ceil(pause / 7) * 7 - 7 * (1 + (looks % 3)));
    }
    assert.ok(least >= 0, String(least));
  });

  it('count for nodes of the cluster only, each by its own Lease (S10.29)', () => {
    const stranger = lease('n3', 'uid n3');
    const earlier = lease('n2', 'uid of the Node before');
    assert.deepEqual(coverage(stranger, earlier, lease('n1', 'uid n1')).of(p), {
      nodes: 2,
      lagging: { count: 1, first: ['n2'] },
      leftOut: { count: 0, first: [] },
    });
    const renamed = {
      ...lease('n2', 'uid n2'),
      metadata: { ...(lease('n2', 'uid n2') as { metadata: object }).metadata, name: 'other' },
    };
    const claiming = { ...lease('n1', 'uid n1'), spec: { holderIdentity: 'n2' } };
    assert.equal(lagging(coverage(renamed, claiming)), 'n1, n2');
  });

  it('hold nothing if they are no reports (S10.29)', () => {
    const forge = (annotations: unknown): unknown => {
      const real = lease('n1', 'uid n1') as { metadata: object };
      return { ...real, metadata: { ...real.metadata, annotations } };
    };
    const { held } = holds(p);
    for (const text of [
      `${held}x`,
      held.toUpperCase(),
      `${held} `,
      `\n${held}`,
      '*******',
      '',
      7,
      null,
      { held },
      'a'.repeat(262_144),
    ]) {
      assert.equal(
        lagging(coverage(forge({ 'postern.dev/held': text }), lease('n2', 'uid n2'))),
        'n1',
        String(text).slice(0, 20),
      );
    }
    for (const nonsense of [undefined, null, 7, 'x', [], {}, { metadata: null }, { spec: { holderIdentity: {} } }])
      assert.equal(readLease(nonsense), undefined);
    for (const annotations of [undefined, null, [], 'x']) assert.equal(lagging(coverage(forge(annotations))), 'n1, n2');
  });

  it('have names that fit the API, one for each node', () => {
    const names = ['n1', 'n2', 'a'.repeat(253), `${'a'.repeat(252)}b`, `${'a.'.repeat(126)}a`].map(leaseNameOf);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) {
      assert.ok(name.length <= 253);
      assert.match(name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
    }
  });

  it('are bounded: with 40,000 policies too, an annotation fits', () => {
    const many = Array.from({ length: 40_000 }, (_, i) => [`p${i}`, { uid: `u${i}`, generation: 1 }] as const);
    const { held } = writeHeld(new Map(many), new Set());
    assert.ok(held.length <= 131_072 && readMarks(held).size >= 10_000);
  });

  it('say what was planned, not what has arrived since, and not before the pods have it too', () => {
    const policies = new ClusterPolicies();
    const { name: key, uid, policy, issues } = clusterPolicy('p');
    const receive = (generation: number, resourceVersion = String(generation)): void => {
      const version = { uid, generation, resourceVersion };
      const value = { kind: 'Policy', ...policy } as const;
      policies.receive({
        op: 'upsert',
        resource: 'clusternetworkpolicies',
        key,
        ...version,
        value,
        issues,
      });
    };
    let isSettled = true;
    const snapshot = () => emptySnapshot;
    const held = new HeldPolicies({
      clusterPolicies: policies,
      snapshot,
      versionOf: () => undefined,
      isSettled: () => isSettled,
    });
    const planned = (): void => held.planned(String(policies.changes));
    const applied = (refused: readonly string[] = []): void =>
      held.applied({ refused: new Set(refused), oversized: [] });
    receive(1);
    assert.equal(held.report, undefined);
    planned();
    receive(2);
    applied();
    assert.deepEqual(held.report, holds({ uid, generation: 1 }));
    isSettled = false;
    planned();
    applied();
    assert.deepEqual(held.report, holds({ uid, generation: 1 }));
    isSettled = true;
    const second = held.report;
    assert.deepEqual(second, holds({ uid, generation: 2 }));
    // A write of the status is no new spec, and the report is not even made anew.
    receive(2, '99');
    planned();
    applied();
    assert.equal(held.report, second);
    applied(['/p', 'shop/web']);
    assert.deepEqual(held.report, { held: '', leftOut: holds({ uid, generation: 2 }).held });
    policies.receive({ op: 'remove', resource: 'clusternetworkpolicies', key });
    planned();
    applied();
    assert.deepEqual(held.report, holds());
  });
});
