import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { AuditTally } from '../../../src/agent/audits/audit-tally.ts';
import type { RecordedDenial } from '../../../src/compile/denials.ts';
import { modeAnnotation } from '../../../src/model/policy.ts';
import type { Pipeline } from '../../../src/pipeline.ts';
import { knowledgeOf } from '../denials/attribution.ts';
import { clusterPolicy, namespace, pod, policy } from '../../support/objects.ts';
import { startPipeline, upsertOf, type ApiObject } from '../../support/pipeline.ts';
import { compareText } from '../../../src/lib/sort.ts';

const day = 24 * 60 * 60 * 1000;

function audited(name: string, spec: object): ApiObject {
  const made = policy(name, spec);
  return { ...made, metadata: { ...made.metadata, annotations: { [modeAnnotation]: 'audit' } } };
}

const record = (source: string, port: number, more: Partial<RecordedDenial> = {}): RecordedDenial => ({
  verdict: 'audit',
  direction: 'ingress',
  family: 'ipv4',
  source,
  destination: '10.1.0.1',
  protocol: 'tcp',
  port,
  packets: 1,
  secondsAgo: 0,
  ...more,
});

describe('the tally of audits (S13.4)', () => {
  let pipeline: Pipeline;
  beforeEach(() => {
    pipeline = startPipeline('n1', [
      namespace('x', { team: 'x' }),
      pod('x/a', { ips: ['10.1.0.1'] }),
      pod('x/b', { ips: ['10.1.0.2'] }),
      audited('x/none', { podSelector: {}, policyTypes: ['Ingress'] }),
      audited('x/out', { podSelector: {}, policyTypes: ['Egress'] }),
    ]);
  });
  const take = (tally: AuditTally, now: number, ...records: RecordedDenial[]) =>
    tally.take(records, knowledgeOf(pipeline), now);

  const pageOf = (tally: AuditTally, now = 950) =>
    tally.page({ policies: pipeline.snapshot.policies, leftOut: new Map() }, now);

  it('goes on with the rows of the agent before, and counts anew what it misses', () => {
    const old = new AuditTally(5, { namespace: 2 });
    take(old, 10, record('10.1.0.2', 80));
    take(old, 20, record('10.1.0.2', 81));
    take(old, 30, record('10.1.0.2', 82));
    old.missed({ direction: 'ingress', denied: 7, noted: 4 }, 40);
    const saved = JSON.parse(JSON.stringify(old.rows)) as AuditTally['rows'];
    const tally = new AuditTally(900, { namespace: 2 });
    take(tally, 910, record('10.1.0.2', 81));
    tally.restore(saved, 920);
    const { since, unlisted, unrecorded, rows } = pageOf(tally);
    assert.deepEqual([since, unlisted, unrecorded], [900, [], []]);
    assert.deepEqual(
      rows.map(({ port, connections, first, last }) => [port, connections, first, last]),
      [
        [80, 1, 10, 10],
        [81, 2, 20, 910],
      ],
    );
    const later = new AuditTally(900);
    later.restore(saved, 8 * day);
    assert.deepEqual(pageOf(later).rows, []);
  });

  it('counts connections between two ends on one port, with the policies in audit of the direction', () => {
    const tally = new AuditTally(5);
    take(tally, 10, record('10.1.0.2', 80));
    const [last] = take(tally, 20, record('10.1.0.2', 80), record('203.0.113.7', 81));
    assert.deepEqual(last!.ids, ['x/none']);
    const { since, rows } = pageOf(tally);
    assert.deepEqual(
      [
        since,
        ...rows.map(({ from, to, port, connections, first, last: at }) => [from, to, port, connections, first, at]),
      ],
      [5, ['x/b', 'x/a', 80, 2, 10, 20], ['203.0.113.7', 'x/a', 81, 1, 20, 20]],
    );
  });

  it('leaves out what an Admin policy accepts, whatever NetworkPolicies say', () => {
    const from = [{ namespaces: {} }];
    const spec = { tier: 'Admin', priority: 1, subject: { namespaces: {} }, ingress: [{ action: 'Accept', from }] };
    pipeline.receive(upsertOf({ kind: 'ClusterNetworkPolicy', metadata: { name: 'c', uid: 'c' }, spec }));
    const tally = new AuditTally(0);
    assert.deepEqual(take(tally, 1, record('10.1.0.2', 80)), []);
    assert.equal(take(tally, 1, record('203.0.113.7', 80)).length, 1);
  });

  it('leaves out pods that no policy in audit selects any more', () => {
    pipeline.receive(upsertOf(policy('x/none', { podSelector: {}, policyTypes: ['Ingress'] })));
    assert.deepEqual(take(new AuditTally(0), 1, record('10.1.0.2', 80)), []);
  });

  it('compares so many rules with all connections of a look, and lists what is left then', () => {
    const from = [{ namespaces: {} }];
    pipeline.receive(upsertOf(clusterPolicy('c', { ingress: [{ action: 'Accept', from }] })));
    const scan = (ports: number) => Array.from({ length: ports }, (_, at) => record('10.1.0.2', at + 1));
    const leftOut = (compared: number, ports: number): number =>
      ports - take(new AuditTally(0, { compared }), 1, ...scan(ports)).length;
    assert.deepEqual([leftOut(Infinity, 100), leftOut(0, 100)], [100, 0]);
    const some = leftOut(300, 100);
    assert.ok(some > 1 && some < 100, `${some} left out`);
    assert.equal(leftOut(300, 1000), some);
  });

  it('names so many policies of a pod, and counts the others', () => {
    const names = Array.from({ length: 25 }, (_, at) => `x/p${String(at).padStart(2, '0')}`);
    for (const each of names) pipeline.receive(upsertOf(audited(each, { podSelector: {}, policyTypes: ['Ingress'] })));
    const tally = new AuditTally(0);
    const [first, second] = take(tally, 1, record('10.1.0.2', 80), record('10.1.0.2', 81));
    assert.deepEqual(first!.ids, ['x/none', ...names]);
    assert.equal(second!.ids, first!.ids);
    for (const { policies, morePolicies } of [first!.connection, ...pageOf(tally).rows])
      assert.deepEqual([policies, morePolicies], [['x/none', ...names.slice(0, 19)], 6]);
  });

  it('searches for old rows at most once a minute', () => {
    const tally = new AuditTally(0, { namespace: 1 });
    const second = 1000;
    take(tally, 0, record('10.1.0.2', 1));
    const ports = [-10, 10, 49, 50].map((after) => {
      take(tally, 7 * day + after * second, record('10.1.0.2', 2));
      return pageOf(tally).rows.map(({ port }) => port);
    });
    assert.deepEqual(ports, [[1], [1], [1], [2]]);
  });

  it('has bounded rows: what finds no room is counted, until old rows are forgotten', () => {
    const tally = new AuditTally(0, { namespace: 2 });
    take(tally, 0, record('10.1.0.2', 1), record('10.1.0.2', 2), record('10.1.0.2', 3), record('10.1.0.2', 1));
    assert.deepEqual(
      [pageOf(tally).rows.length, pageOf(tally).unlisted],
      [2, [{ namespace: 'x', connections: 1, last: 0 }]],
    );
    take(tally, 6 * day, record('10.1.0.2', 1));
    take(tally, 8 * day, record('10.1.0.2', 3));
    assert.deepEqual(
      pageOf(tally).rows.map(({ port }) => port),
      [1, 3],
    );
  });

  it('gives a namespace its share of full rows: the one with the most loses what was not seen for the longest', () => {
    for (const [name, address] of [
      ['y', '10.1.0.3'],
      ['z', '10.1.0.4'],
    ] as const) {
      pipeline.receive(upsertOf(namespace(name)));
      pipeline.receive(upsertOf(pod(`${name}/a`, { ips: [address] })));
      pipeline.receive(upsertOf(audited(`${name}/none`, { podSelector: {}, policyTypes: ['Ingress'] })));
    }
    const to = (destination: string, ...ports: number[]) =>
      ports.map((port) => record('203.0.113.7', port, { destination }));
    const tally = new AuditTally(0, { node: 6, namespace: 3 });
    take(tally, 1, ...to('10.1.0.1', 1, 2, 3, 1), ...to('10.1.0.3', 1, 2, 3), ...to('10.1.0.4', 1, 2, 3, 4));
    const { rows, unlisted } = pageOf(tally);
    assert.deepEqual(
      rows.map(({ to: pod, port }) => `${pod} ${port}`),
      ['x/a 3', 'x/a 1', 'y/a 2', 'y/a 3', 'z/a 1', 'z/a 2'],
    );
    const missed = { x: 1, y: 1, z: 2 };
    assert.deepEqual(
      unlisted.toSorted((a, b) => compareText(a.namespace, b.namespace)),
      Object.entries(missed).map(([of, connections]) => ({ namespace: of, connections, last: 1 })),
    );
  });

  it('counts packets without a record: those of the node, and apart those in network namespaces of pods', () => {
    const tally = new AuditTally(0);
    const look = { direction: 'ingress', denied: 5, noted: 3 } as const;
    for (const each of [look, look, { ...look, place: 'x/a' }, { ...look, direction: 'egress', noted: 5 } as const])
      tally.missed(each, 7);
    tally.missed(look, 9);
    assert.deepEqual(pageOf(tally).unrecorded, [
      { direction: 'ingress', packets: 6, last: 9 },
      { direction: 'ingress', namespace: 'x', packets: 2, last: 7 },
    ]);
    assert.deepEqual(
      pageOf(tally, 7 * day + 8).unrecorded.map(({ packets }) => packets),
      [6],
    );
    assert.deepEqual(pageOf(tally, 7 * day + 10).unrecorded, []);
  });

  it('counts IPv4 and IPv6 apart, since policies may judge them apart', () => {
    pipeline.receive(upsertOf(pod('x/a', { ips: ['10.1.0.1', 'fd00::1'] })));
    const tally = new AuditTally(0);
    const ipv6 = record('2001:db8::7', 80, { family: 'ipv6', destination: 'fd00::1' });
    pipeline.receive(upsertOf(pod('x/b', { ips: ['10.1.0.2', '2001:db8::7'] })));
    take(tally, 1, record('10.1.0.2', 80), record('10.1.0.2', 80), ipv6);
    assert.deepEqual(
      pageOf(tally).rows.map(({ from, source, connections }) => [from, source, connections]),
      [
        ['x/b', '10.1.0.2', 2],
        ['x/b', '2001:db8::7', 1],
      ],
    );
  });

  it('names the policies in audit that have none here', () => {
    pipeline.receive(upsertOf(policy('x/enforced', { podSelector: {} })));
    const leftOut = new Map<string, 'too-large' | 'refused-by-kernel'>([
      ['x/none', 'too-large'],
      ['x/enforced', 'refused-by-kernel'],
    ]);
    const page = new AuditTally(0).page({ policies: pipeline.snapshot.policies, leftOut }, 1);
    assert.deepEqual(page.leftOut, { 'x/none': 'too-large' });
  });
});
