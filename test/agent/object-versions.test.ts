import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ObjectVersions } from '../../src/agent/object-versions.ts';
import { ObjectDigest } from '../../src/lib/object-digest.ts';
import type { ResourceEvent } from '../../src/model/cluster.ts';
import { pod } from '../support/objects.ts';
import { removeOf, syncedEvents, upsertOf } from '../support/pipeline.ts';

const version = (name: string, resourceVersion: string, uid = name): ResourceEvent => {
  const object = pod(name, { uid });
  return upsertOf({ ...object, metadata: { ...object.metadata, resourceVersion } });
};

/** What a fresh list of these versions gives. */
function digestOf(...versions: readonly (readonly [uid: string, resourceVersion: string])[]): string {
  const digest = new ObjectDigest();
  for (const each of versions) digest.add(...each);
  return digest.toString();
}

describe('ObjectVersions', () => {
  const after = (...events: readonly ResourceEvent[]) => {
    const versions = new ObjectVersions();
    for (const event of events) versions.receive(event);
    return versions.version;
  };

  it('is what a fresh list gives, whatever happened on the way', () => {
    const list = digestOf(['x/a', '7'], ['new', '9']);
    const ways = [
      [version('x/a', '7'), version('x/b', '9', 'new')],
      [version('x/b', '9', 'new'), version('x/a', '7')],
      [version('x/a', '3'), version('x/b', '4', 'old'), version('x/b', '9', 'new'), version('x/a', '7')],
      [version('x/a', '7'), version('x/a', '7'), version('x/b', '9', 'new'), ...syncedEvents()],
      [
        version('x/c', '1'),
        removeOf(pod('x/c')),
        removeOf(pod('x/c')),
        version('x/a', '7'),
        version('x/b', '9', 'new'),
      ],
    ];
    for (const way of ways) assert.equal(after(...way).pods, list);
  });

  it('differs where any version does', () => {
    const one = after(version('x/a', '7')).pods;
    assert.notEqual(one, after(version('x/a', '8')).pods);
    assert.notEqual(one, after(version('x/a', '7', 'other')).pods);
    assert.notEqual(one, after(version('x/a', '7'), version('x/b', '7')).pods);
    assert.notEqual(one, after().pods);
  });

  it('counts each resource by itself', () => {
    const { pods, ...others } = after(version('x/a', '7'));
    assert.notEqual(pods, digestOf());
    assert.deepEqual(others, {
      namespaces: digestOf(),
      nodes: digestOf(),
      networkpolicies: digestOf(),
      clusternetworkpolicies: digestOf(),
    });
  });
});
