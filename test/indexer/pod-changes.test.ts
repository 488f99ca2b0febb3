import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Indexer } from '../../src/indexer/indexer.ts';
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

/** @param rival a pod that claims the address of the changing pod */
function clusterOf(rival: PodFields): ApiObject[] {
  const ranges = { ...node('n1', '192.0.2.1'), spec: { podCIDRs: ['10.1.0.0/24'] } };
  const local = pod('x/web', { ips: ['10.1.0.9'], labels: { app: 'web' } });
  return [namespace('x'), ranges, node('n2', '192.0.2.2'), node('n3', '192.0.2.3'), local, pod('x/rival', rival), web];
}

function start(objects: readonly ApiObject[]): Indexer {
  const indexer = new Indexer('n1');
  for (const event of [...objects.map(upsertOf), ...syncedEvents()]) indexer.receive(event);
  indexer.receive(sandbox('x/web', { ips: ['10.1.0.9'], link: { device: 'veth-web' } }));
  return indexer;
}

const sayings = (indexer: Indexer): unknown => [describeSnapshot(indexer), indexer.gateClaims, indexer.size];

describe('Indexer: a pod that changes', () => {
  for (const rival of [
    { node: 'n3', ips: ['10.1.0.200'] },
    { node: 'n1', ips: ['10.1.0.1'] },
    { node: 'n3', ips: ['10.1.0.1'] },
  ]) {
    it(`leaves nothing of its last version, with a rival on ${rival.node} at ${rival.ips.join()}`, () => {
      for (const before of versions) {
        for (const after of versions) {
          const indexer = start([...clusterOf(rival), pod('x/client', before)]);
          indexer.receive(upsertOf(pod('x/client', after)));
          const fresh = start([...clusterOf(rival), pod('x/client', after)]);
          assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after]));
          // A claim that comes or goes reads the other pods that claim the address.
          for (const fields of [{ node: 'n3', ips: ['10.1.0.1'] }, { node: 'n3' }, rival]) {
            for (const each of [indexer, fresh]) each.receive(upsertOf(pod('x/rival', fields)));
            assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after, fields]));
          }
          // Reads the pods that the index has.
          for (const each of [indexer, fresh]) each.receive(upsertOf(late));
          assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after, 'late']));
          for (const each of [indexer, fresh]) each.receive(removeOf(pod('x/client', after)));
          assert.deepEqual(sayings(indexer), sayings(fresh), JSON.stringify([before, after, 'gone']));
        }
      }
    });
  }

  it('and says nothing new costs one look', () => {
    const client = pod('x/client', versions[0]);
    const indexer = start([...clusterOf({ node: 'n3' }), client]);
    const before = indexer.visits;
    for (let i = 0; i < 100; i++) indexer.receive(upsertOf(client));
    const after = indexer.visits;
    assert.deepEqual([after.pods - before.pods, after.selections - before.selections], [100, 0]);
  });
});
