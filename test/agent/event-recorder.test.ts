import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { EventRecorder } from '../../src/agent/event-recorder.ts';
import type { ObjectEvent } from '../../src/agent/object-event.ts';
import { ObjectVersions } from '../../src/agent/object-versions.ts';
import type { Issue } from '../../src/model/issue.ts';
import { policy } from '../support/objects.ts';
import { removeOf, upsertOf } from '../support/pipeline.ts';

const issue: Issue = { code: 'invalid-cidr', path: 'spec', message: 'no CIDR', effect: 'failed-closed' };

describe('announcing an issue', () => {
  function start() {
    const versions = new ObjectVersions();
    const names: string[] = [];
    const events: ObjectEvent[] = [];
    const add = (event: ObjectEvent): void => {
      names.push(event.name);
      events.push(event);
    };
    const recorder = new EventRecorder('n1', versions, { add }, () => 0);
    const tell = (change: Partial<Issue> = {}): void =>
      recorder.announce('networkpolicies', 'x/p', { ...issue, ...change });
    const see = (generation: number, uid = 'u'): void => {
      const object = policy('x/p', { podSelector: {} });
      versions.receive(upsertOf({ ...object, metadata: { ...object.metadata, uid, generation } }));
    };
    return { versions, names, events, recorder, tell, see };
  }

  it('happens once for each generation of an object, however often it is told', () => {
    const { names, tell, see } = start();
    see(1);
    for (let i = 0; i < 3; i++) tell();
    assert.equal(names.length, 1);
    tell({ code: 'invalid-port' });
    tell({ path: 'spec.egress' });
    tell({ message: 'in other words' });
    assert.equal(names.length, 3);
    see(2);
    tell();
    tell();
    see(2, 'made anew');
    tell();
    assert.equal(names.length, 5);
    assert.equal(new Set(names).size, 5);
  });

  it('does not happen for an object that is gone', () => {
    const { versions, names, tell, see } = start();
    see(1);
    versions.receive(removeOf(policy('x/p', { podSelector: {} })));
    tell();
    assert.deepEqual(names, []);
  });

  it('happens again if the writer had no room, once it has room', () => {
    const { names, events, recorder, tell, see } = start();
    see(1);
    tell();
    tell({ path: 'spec.egress' });
    recorder.crowdedOut(events[0]!);
    tell();
    assert.equal(names.length, 2, 'there is no room yet');
    recorder.emptied();
    tell();
    tell({ path: 'spec.egress' });
    tell();
    assert.deepEqual(names.slice(2), [names[0]]);
  });

  it('forgets what it has told rather than grow without end', () => {
    const { names, tell, see } = start();
    see(1);
    for (let i = 0; i < 5001; i++) tell({ path: `spec.ingress[${i}]` });
    tell({ path: 'spec.ingress[0]' });
    assert.equal(names.length, 5002);
  });
});
