import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ServerObjects, type EventType } from '../../bench/agent/server-objects.ts';
import { again, ending, type PodObject } from '../../bench/changes/pods.ts';
import { upsert } from '../../bench/cluster/events.ts';
import { clusterObjects } from '../../bench/cluster/objects.ts';
import { shapes, type Shape } from '../../bench/cluster/shapes.ts';
import { ObjectVersions } from '../../src/agent/object-versions.ts';

const tiny: Shape = { ...shapes.small, namespaces: 2, pods: 20, policies: 4, localPods: 10 };

describe("the objects of the bench's API server", () => {
  it("have the versions of the agent's page /applied, after lists, changes, deletions and a new object of the same name", () => {
    const [server, agent] = [new ServerObjects(), new ObjectVersions()];
    const pods: PodObject[] = [];
    for (const object of server.listed(clusterObjects(tiny))) {
      agent.receive(upsert(object));
      if ((object as PodObject).kind === 'Pod') pods.push(object as PodObject);
    }
    assert.deepEqual(server.versions, agent.version);
    const [first, second] = pods as [PodObject, PodObject];
    const replaced = { ...second, metadata: { ...second.metadata, uid: 'another' } };
    const events: readonly [EventType, PodObject][] = [
      ['MODIFIED', again(first)],
      ['MODIFIED', ending(second)],
      ['DELETED', second],
      ['ADDED', replaced],
      ['DELETED', first],
    ];
    const seen = new Set<string>();
    for (const [type, object] of events) {
      const event = upsert(server.write(type, object));
      assert.ok(event.op === 'upsert');
      agent.receive(type === 'DELETED' ? { op: 'remove', resource: event.resource, key: event.key } : event);
      assert.deepEqual(server.versions, agent.version);
      seen.add(event.resourceVersion);
    }
    assert.equal(seen.size, events.length);
  });
});
