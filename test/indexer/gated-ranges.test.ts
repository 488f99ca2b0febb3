import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { NodeFact } from '../../src/model/cluster.ts';
import { Pipeline, type PipelineOptions } from '../../src/pipeline.ts';
import { removeOf, upsertOf, type ApiObject } from '../support/pipeline.ts';

const nodeWith = (name: string, ...podCIDRs: readonly string[]): ApiObject => ({
  kind: 'Node',
  metadata: { name, uid: name },
  spec: { podCIDRs },
});
const learned: NodeFact = { op: 'ranges', cidrs: ['10.9.0.0/24', 'fd09::/64'] };

function pipelineOf(options: PipelineOptions = {}): Pipeline {
  return new Pipeline('n1', options);
}

describe('gatedRanges: where no address may be used but those of local pods (S7.5)', () => {
  it('are those that the operator names, else those of the own node, else those that the runtime shows', () => {
    const named = pipelineOf({ podCidrs: ['10.7.0.0/24'] });
    const asked = pipelineOf();
    const told = [
      learned,
      upsertOf(nodeWith('n1', '10.8.0.0/24')),
      removeOf(nodeWith('n1')),
      { ...learned, cidrs: [] },
    ];
    const seen = told.map((event) => {
      named.receive(event);
      asked.receive(event);
      return [named.snapshot.gatedRanges, asked.snapshot.gatedRanges];
    });
    const always = ['10.7.0.0/24'];
    assert.deepEqual(seen, [
      [always, ['10.9.0.0/24', 'fd09::/64']],
      [always, ['10.8.0.0/24']],
      [always, ['10.9.0.0/24', 'fd09::/64']],
      [always, []],
    ]);
  });

  it('are not those of another node', () => {
    const pipeline = pipelineOf();
    pipeline.receive(upsertOf(nodeWith('n2', '10.8.0.0/24')));
    assert.deepEqual(pipeline.snapshot.gatedRanges, []);
  });

  it('follow the node', () => {
    const pipeline = pipelineOf();
    pipeline.receive(upsertOf(nodeWith('n1')));
    pipeline.receive(upsertOf(nodeWith('n1', '10.8.0.0/24')));
    pipeline.receive(upsertOf(nodeWith('n1', 'fd08::/64', '10.8.1.0/24')));
    assert.deepEqual(pipeline.snapshot.gatedRanges, ['10.8.1.0/24', 'fd08::/64']);
  });

  it('are canonical, each once, and none within another', () => {
    const { snapshot } = pipelineOf({ podCidrs: ['fd01::1/64', '10.1.0.0/16', '10.1.3.0/24', '10.1.0.9/16'] });
    assert.deepEqual(snapshot.gatedRanges, ['10.1.0.0/16', 'fd01::/64']);
  });

  it('are none where there is no gate', () => {
    const pipeline = pipelineOf({ gate: false, podCidrs: ['10.7.0.0/24'] });
    pipeline.receive(learned);
    pipeline.receive(upsertOf(nodeWith('n1', '10.8.0.0/24')));
    assert.deepEqual(pipeline.snapshot.gatedRanges, []);
  });

  describe('are not those of the Node', () => {
    const podWith = (name: string, node: string, ...ips: readonly string[]): ApiObject => ({
      kind: 'Pod',
      metadata: { namespace: 'x', name, uid: name },
      spec: { nodeName: node },
      status: { podIPs: ips.map((ip) => ({ ip })) },
    });
    const own = upsertOf(nodeWith('n1', '10.8.0.0/24', 'fd08::/64'));
    const other = upsertOf(nodeWith('n2', '10.8.1.0/24', 'fd08:1::/64'));
    const ofNode = ['10.8.0.0/24', 'fd08::/64'];
    const stories = {
      'where a pod of another node has an address inside': podWith('p', 'n2', '10.8.0.9'),
      'where a pod of this node has an address outside': podWith('p', 'n1', '10.8.0.9', 'fd09::9'),
    };
    for (const [story, pod] of Object.entries(stories)) {
      it(`${story}, whichever is told first, until it is gone`, () => {
        for (const told of [
          [own, other, upsertOf(pod)],
          [upsertOf(pod), own, other],
        ]) {
          const pipeline = pipelineOf();
          for (const event of told) pipeline.receive(event);
          assert.deepEqual([pipeline.snapshot.gatedRanges, pipeline.disputedRanges], [[], ofNode]);
          pipeline.receive(learned);
          assert.deepEqual(pipeline.snapshot.gatedRanges, ['10.9.0.0/24', 'fd09::/64']);
          pipeline.receive(removeOf(pod));
          assert.deepEqual([pipeline.snapshot.gatedRanges, pipeline.disputedRanges], [ofNode, []]);
        }
      });
    }

    it('unless pods only do as they should, or have no node yet, or the operator names the ranges', () => {
      const pods = [
        podWith('a', 'n1', '10.8.0.9', 'fd08::9'),
        podWith('b', 'n2', '10.8.1.9', 'fd08:1::9'),
        podWith('c', '', '10.8.0.10'),
      ];
      const pipeline = pipelineOf();
      for (const event of [own, other, ...pods.map(upsertOf)]) pipeline.receive(event);
      assert.deepEqual([pipeline.snapshot.gatedRanges, pipeline.disputedRanges], [ofNode, []]);
      const named = pipelineOf({ podCidrs: ['10.8.0.0/24'] });
      for (const event of [own, other, upsertOf(podWith('d', 'n2', '10.8.0.9'))]) named.receive(event);
      assert.deepEqual([named.snapshot.gatedRanges, named.disputedRanges], [['10.8.0.0/24'], []]);
    });

    it('unless the pod leaves: it may be of a node that had the ranges before', () => {
      const pipeline = pipelineOf();
      const leaving = podWith('p', 'n2', '10.8.0.9');
      const metadata = { ...leaving.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
      for (const event of [own, other, upsertOf({ ...leaving, metadata })]) pipeline.receive(event);
      assert.deepEqual(pipeline.snapshot.gatedRanges, ofNode);
    });

    it('unless its Node is gone: its ranges may have been handed on', () => {
      const pipeline = pipelineOf();
      const told = [own, upsertOf(podWith('p', 'n2', '10.8.0.9')), other, removeOf(nodeWith('n2')), other];
      const seen = told.map((event) => {
        pipeline.receive(event);
        return pipeline.snapshot.gatedRanges;
      });
      assert.deepEqual(seen, [ofNode, ofNode, [], ofNode, []]);
    });

    it('as to one family, where the Node says nothing of it', () => {
      const pipeline = pipelineOf();
      pipeline.receive(upsertOf(nodeWith('n1', '10.8.0.0/24')));
      pipeline.receive(upsertOf(podWith('a', 'n1', '10.8.0.9', 'fd09::9')));
      assert.deepEqual(pipeline.snapshot.gatedRanges, ['10.8.0.0/24']);
    });
  });
});
