import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Indexer } from '../../src/indexer/indexer.ts';
import { sorted } from '../../src/lib/sort.ts';
import { namespace, node, pod, policy, sandbox, type PodFields } from '../support/objects.ts';
import { removeOf, syncedEvents, upsertOf, type ApiObject } from '../support/pipeline.ts';
import { describeSnapshot } from './describe-snapshot.ts';

const labels = { app: 'client' };
/** Versions of a pod of another node that differ in all that matters to this node. */
const versions: readonly PodFields[] = [
  { node: 'n2', ips: ['10.1.0.1'], labels },
  { node: 'n2', ips: ['10.1.0.1'], labels: { app: 'other' } },
  { node: 'n2', ips: ['10.1.0.1'], labels: { ...labels, unused: 'yes' } },
  { node: 'n2', ips: ['10.1.0.1'], labels, leaving: true },
  { node: 'n2', ips: ['10.1.0.1'], labels, phase: 'Failed' },
  { node: 'n2', ips: ['10.1.0.1'], labels, hostNetwork: true },
  { node: 'n2', ips: ['10.1.0.1'], labels, uid: 'next' },
  { node: 'n2', ips: ['10.1.0.1'], labels, ports: [{ name: 'http', containerPort: 80 }] },
  { node: 'n2', ips: ['10.1.0.2'], labels },
  { node: 'n2', ips: [], labels },
  { node: 'n3', ips: ['10.1.0.1'], labels },
  { node: 'n1', ips: ['10.1.0.1'], labels },
];
const web = policy('x/web', {
  podSelector: { matchLabels: { app: 'web' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 80 }] }],
});
const late = policy('x/late', {
  podSelector: { matchLabels: { app: 'web' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { unused: 'yes' } } }] }],
});
const isolating = policy('x/isolating', { podSelector: { matchLabels: { unused: 'yes' } } });

/** @param rival a pod that claims the address of the changing pod */
function clusterOf(rival: PodFields): ApiObject[] {
  const ranges = { ...node('n1', '192.0.2.1'), spec: { podCIDRs: ['10.1.0.0/24'] } };
  const local = pod('x/web', { ips: ['10.1.0.9'], labels: { app: 'web' } });
  return [namespace('x'), ranges, node('n2', '192.0.2.2'), node('n3', '192.0.2.3'), local, pod('x/rival', rival), web];
}

/** Without a sandbox, the addresses of local pods are those that the API server reports, and others may contest them. */
function start(objects: readonly ApiObject[], { hasSandbox = true } = {}): Indexer {
  const indexer = new Indexer('n1');
  for (const event of [...objects.map(upsertOf), ...syncedEvents()]) indexer.receive(event);
  if (hasSandbox) indexer.receive(sandbox('x/web', { ips: ['10.1.0.9'], link: { device: 'veth-web' } }));
  return indexer;
}

function sayings(indexer: Indexer): unknown {
  const members = indexer
    .snapshot()
    .groups.values()
    .map(({ id, members: of }) => [id, sorted([...of].map((each) => JSON.stringify(each)))]);
  return [describeSnapshot(indexer), Object.fromEntries(members), indexer.gateClaims, indexer.size];
}

describe('Indexer: a pod that changes', () => {
  for (const [rival, hasSandbox] of [
    [{ node: 'n3', ips: ['10.1.0.200'] }, true],
    [{ node: 'n1', ips: ['10.1.0.1'] }, true],
    [{ node: 'n1', ips: ['10.1.0.1'] }, false],
    [{ node: 'n3', ips: ['10.1.0.1'] }, true],
  ] as const) {
    const where = `a rival on ${rival.node} at ${rival.ips.join()}, ${hasSandbox ? 'with' : 'without'} a sandbox`;
    it(`leaves nothing of its last version: ${where}`, () => {
      for (const before of versions) {
        for (const after of versions) {
          const indexer = start([...clusterOf(rival), pod('x/client', before)], { hasSandbox });
          indexer.receive(upsertOf(pod('x/client', after)));
          const fresh = start([...clusterOf(rival), pod('x/client', after)], { hasSandbox });
          assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after]));
          // Reads the pods that the index has.
          for (const each of [indexer, fresh]) for (const policy of [late, isolating]) each.receive(upsertOf(policy));
          assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after, 'late']));
          for (const each of [indexer, fresh]) for (const policy of [late, isolating]) each.receive(removeOf(policy));
          // A claim that comes or goes reads the other pods that claim the address.
          for (const fields of [{ node: 'n3', ips: ['10.1.0.1'] }, { node: 'n3' }, rival]) {
            for (const each of [indexer, fresh]) each.receive(upsertOf(pod('x/rival', fields)));
            assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after, fields]));
          }
          for (const each of [indexer, fresh]) each.receive(removeOf(pod('x/client', after)));
          assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after, 'gone']));
        }
      }
    });
  }

  it('is in the groups of its new labels, whichever label a selection looks at', () => {
    for (const before of versions) {
      for (const after of versions) {
        const objects = [...clusterOf({ node: 'n3' }), late];
        const indexer = start([...objects, pod('x/client', before)]);
        indexer.receive(upsertOf(pod('x/client', after)));
        assert.deepEqual(sayings(indexer), sayings(start([...objects, pod('x/client', after)])));
      }
    }
  });

  const costOf = (indexer: Indexer, ...changes: readonly PodFields[]): { pods: number; selections: number } => {
    const before = indexer.visits;
    for (const fields of changes) indexer.receive(upsertOf(pod('x/client', fields)));
    const after = indexer.visits;
    return { pods: after.pods - before.pods, selections: after.selections - before.selections };
  };

  it('costs one look if it says nothing new, or has a new label that no selection looks at', () => {
    const [first, relabelled, unused] = versions;
    const indexer = start([...clusterOf({ node: 'n3' }), pod('x/client', first)]);
    assert.deepEqual(costOf(indexer, first!, first!), { pods: 2, selections: 0 });
    assert.deepEqual(costOf(indexer, unused!, first!), { pods: 2, selections: 0 });
    assert.ok(costOf(indexer, relabelled!, first!).selections > 0);
    indexer.receive(upsertOf(late));
    assert.ok(costOf(indexer, unused!, first!).selections > 0);
    indexer.receive(removeOf(late));
    assert.deepEqual(costOf(indexer, unused!, first!), { pods: 2, selections: 0 });
  });
});
