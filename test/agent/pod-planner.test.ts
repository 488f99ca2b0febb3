import assert from 'node:assert/strict';
import { it } from 'mocha';
import { PodPlanner } from '../../src/agent/pod-networks/pod-planner.ts';
import { namespace, node, pod, policy } from '../support/objects.ts';
import { startPipeline, upsertOf } from '../support/pipeline.ts';

it('a planner of a pod counts changes of its rules, and knows which of them its last plan leads to', () => {
  const addresses = ['10.1.0.2'];
  const pipeline = startPipeline(
    'n1',
    [
      namespace('shop'),
      { ...node('n1', '192.0.2.1'), spec: { podCIDRs: ['10.1.0.0/24'] } },
      pod('shop/web', { ips: addresses, uid: 'uid-web' }),
    ],
    { gate: false },
  );
  const interfaces = [{ device: 'eth0', namespace: '/run/netns/cni-1', addresses }];
  const place = { id: 'c1', namespace: 'shop', name: 'web', uid: 'uid-web', order: 1, live: true, link: undefined };
  const rules = { guard: true, allowed: {} };
  const planner = new PodPlanner({ sandbox: { ...place, addresses, interfaces }, judgedByNode: [], rules });
  const take = (): boolean => planner.take(pipeline.plan(undefined).compiled, pipeline.snapshot);
  const states: [string, number, number][] = [];
  const note = (what: string): unknown => states.push([what, planner.version, planner.planned]);

  note('before a compile');
  take();
  note('before a plan');
  const { result } = planner.plan(undefined);
  note('after a plan');
  assert.equal(take(), false);
  note('after a compile with the same rules');
  pipeline.receive(upsertOf(policy('shop/deny', { podSelector: {}, policyTypes: ['Ingress'] })));
  assert.equal(take(), true);
  note('after other rules');
  planner.plan(result);
  note('after their plan');
  assert.deepEqual(states, [
    ['before a compile', 0, 0],
    ['before a plan', 1, 0],
    ['after a plan', 1, 1],
    ['after a compile with the same rules', 1, 1],
    ['after other rules', 2, 1],
    ['after their plan', 2, 2],
  ]);
});
