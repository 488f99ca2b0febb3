import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { findObstacle, PodWaits } from '../../../src/agent/cni/pod-waits.ts';
import type { LocalPod, Snapshot } from '../../../src/model/snapshot.ts';

const web = { namespace: 'x', name: 'web', uid: 'u1', addresses: ['10.1.0.5'] };

function local(uid: string, addresses: readonly string[], mirrorOf?: string): LocalPod {
  const key = `x/web/${uid}`;
  return { key, addresses, links: new Map(), ports: [], policies: [], ...(mirrorOf !== undefined && { mirrorOf }) };
}

function facts(pods: readonly LocalPod[], denied: readonly string[] = [], inSync = true) {
  const localPods: Snapshot['localPods'] = new Map(pods.map((pod) => [pod.key, pod]));
  return { inSync, localPods, denied: new Map(denied.map((address) => [address, new Set<never>()])) };
}

describe('findObstacle', () => {
  it('is what keeps the pod from its rules', () => {
    assert.equal(findObstacle(web, facts([local('u1', ['10.1.0.5'])])), undefined);
    assert.match(findObstacle(web, facts([local('u1', ['10.1.0.5'])], [], false))!, /not read the cluster/);
    assert.match(findObstacle(web, facts([]))!, /does not know the pod x\/web/);
    assert.match(findObstacle(web, facts([local('u2', ['10.1.0.5'])]))!, /does not know the pod/);
    assert.match(findObstacle(web, facts([local('u1', ['10.1.0.4'])]))!, /10\.1\.0\.5 does not belong/);
    assert.match(findObstacle(web, facts([local('u1', ['10.1.0.5'])], ['10.1.0.5']))!, /deletes connections/);
    const heldBack = { ...local('u1', ['10.1.0.5']), isHeldBack: true } as const;
    assert.match(findObstacle(web, facts([heldBack], ['10.1.0.5']))!, /does not know the Namespace object x yet/);
  });

  it('knows a static pod by its mirror object', () => {
    assert.equal(findObstacle(web, facts([local('u9', ['10.1.0.5'], 'u1')])), undefined);
  });

  it('needs every address of a pod with two', () => {
    const dual = { ...web, addresses: ['10.1.0.5', 'fd00::5'] };
    assert.match(findObstacle(dual, facts([local('u1', ['10.1.0.5'])]))!, /fd00::5/);
  });
});

describe('PodWaits', () => {
  let now: ReturnType<typeof facts>;
  let waits: PodWaits;
  let plans: number;
  let ending: AbortController;
  beforeEach(() => {
    [now, plans, ending] = [facts([]), 0, new AbortController()];
    waits = new PodWaits(
      () => now,
      () => void plans++,
    );
  });
  /** The answer, or `waiting` if there is none yet. */
  const stateOf = async (waiting: Promise<string | undefined>): Promise<string | undefined> => {
    await new Promise((resolve) => setImmediate(resolve));
    return Promise.race([waiting, Promise.resolve('waiting')]);
  };

  it('waits for a change that was planned with the pod, not for the next one that ends', async () => {
    const waiting = waits.wait(web, ending.signal);
    assert.equal(plans, 1);
    waits.planned();
    now = facts([local('u1', ['10.1.0.5'])]);
    waits.applied();
    assert.equal(await stateOf(waiting), 'waiting');
    waits.planned();
    assert.equal(await stateOf(waiting), 'waiting');
    waits.applied();
    assert.equal(await waiting, undefined);
  });

  it('forgets a plan that another one follows', async () => {
    now = facts([local('u1', ['10.1.0.5'])]);
    const waiting = waits.wait(web, ending.signal);
    waits.planned();
    now = facts([local('u1', ['10.1.0.5'])], ['10.1.0.5']);
    waits.planned();
    waits.applied();
    assert.equal(await stateOf(waiting), 'waiting');
    ending.abort();
    assert.match((await waiting)!, /deletes connections/);
  });

  it('gives up with the reason, at once if it is too late already', async () => {
    const waiting = waits.wait(web, ending.signal);
    ending.abort();
    assert.match((await waiting)!, /does not know the pod/);
    assert.match((await waits.wait(web, ending.signal))!, /does not know the pod/);
  });

  it('ends two waits for one pod together', async () => {
    now = facts([local('u1', ['10.1.0.5'])]);
    const both = [waits.wait(web, ending.signal), waits.wait(web, ending.signal)];
    waits.planned();
    waits.applied();
    assert.deepEqual(await Promise.all(both), [undefined, undefined]);
  });
});
