import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import { extraNamespace, extraPods, extras } from '../../bench/changes/extra-namespaces.ts';
import { Forecast, scriptOf } from '../../bench/changes/forecast.ts';
import { again, ending, remotePods, starting, withoutLabels, type PodObject } from '../../bench/changes/pods.ts';
import { clusterObjects } from '../../bench/cluster/objects.ts';
import { shapes, type Shape } from '../../bench/cluster/shapes.ts';
import { imagePipeline } from '../../bench/image-flags.ts';

const tiny: Shape = { ...shapes.small, name: 'tiny', namespaces: 40, pods: 1000, policies: 300 };

describe('the forecast of what the agent writes', () => {
  let forecast: Forecast;
  let member: PodObject;
  before(() => {
    forecast = new Forecast(tiny);
    forecast.stages();
    const keys = new Set(forecast.groups.flat().map((key) => key.split('/').slice(0, 2).join('/')));
    member = remotePods(tiny, keys).find((pod) => forecast.changesElementsOnly(withoutLabels(pod), again(pod)))!;
  });

  it('has a transaction for a pod that leaves its groups, one for its return, and none for the rest', () => {
    const { elements } = forecast;
    forecast.receive('MODIFIED', withoutLabels(member));
    assert.deepEqual(
      forecast.stages().map(({ name }) => name),
      imagePipeline.fastPath ? ['break', 'delete'] : ['break'],
    );
    assert.ok(forecast.elements < elements);
    forecast.receive('MODIFIED', again(member));
    assert.deepEqual(
      forecast.stages().map(({ name }) => name),
      ['switch'],
    );
    assert.equal(forecast.elements, elements);
    forecast.receive('MODIFIED', again(member));
    assert.deepEqual(forecast.stages(), []);
    assert.ok(!forecast.changesElementsOnly(again(member)));
  });

  it('has all of it as a script for an empty kernel', () => {
    const script = scriptOf(forecast.whole());
    for (const table of ['ip postern', 'ip6 postern']) assert.ok(script.includes(`table ${table} {`), table);
    assert.equal(scriptOf(forecast.whole(), 'break'), '');
  });

  it('follows pods of this node, with their sandboxes', () => {
    const pods = extraPods(tiny, { name: 'more', pods: 5, policies: 0, place: { after: 0 }, seed: 1 });
    const { elements } = forecast;
    forecast.sandboxes(pods);
    for (const object of [extraNamespace(tiny, 'more', 0), ...pods]) forecast.receive('ADDED', object);
    assert.ok(forecast.stages().length > 0);
    assert.ok(forecast.elements >= elements + 10, `${elements}, ${forecast.elements}`);
  });

  it('follows a rollout of pods', () => {
    const { elements } = forecast;
    const pods = extraPods(tiny, { name: 'rollout', pods: 20, policies: 0, place: { firstNode: 5000 }, seed: 2 });
    forecast.receive('ADDED', extraNamespace(tiny, 'rollout', 0));
    for (const pod of pods) forecast.receive('ADDED', starting(pod));
    forecast.stages();
    // With more members, a class may share the sets of its groups. The node then has fewer elements than before.
    const withoutAddresses = forecast.elements;
    for (const pod of pods) forecast.receive('MODIFIED', pod);
    forecast.stages();
    assert.notEqual(forecast.elements, withoutAddresses);
    for (const pod of pods) forecast.receive('MODIFIED', ending(pod));
    for (const pod of pods) forecast.receive('DELETED', pod);
    forecast.stages();
    assert.equal(forecast.elements, elements);
  });
});

describe('pods beside the cluster', () => {
  it('have addresses and uids that no other pod has', () => {
    const extra = Object.values(extras).flatMap((each) => extraPods(tiny, each));
    const all = [...clusterPods(), ...extra];
    const addresses = all.flatMap(({ status }) => status.podIPs.map(({ ip }) => ip));
    assert.equal(new Set(addresses).size, addresses.length);
    assert.equal(new Set(all.map(({ metadata }) => metadata.uid)).size, all.length);
  });
});

function clusterPods(): PodObject[] {
  return [...clusterObjects(tiny)].filter((object): object is PodObject => (object as PodObject).kind === 'Pod');
}
