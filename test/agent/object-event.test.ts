import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { repeatedEvent, objectEvent } from '../../src/agent/object-event.ts';
import type { Issue } from '../../src/model/issue.ts';

const issue: Issue = { code: 'invalid-cidr', path: 'spec.ingress[0]', message: 'no CIDR', effect: 'failed-closed' };
const version = { uid: 'u1', resourceVersion: '7', generation: 3 };
const where = { node: 'n1', now: Date.UTC(2026, 0, 2, 3, 4, 5, 678) };
const target = { resource: 'networkpolicies', key: 'shop/web', version } as const;

const nameOf = (change: object, otherIssue: Partial<Issue> = {}, elsewhere = where): string =>
  objectEvent({ ...target, version: { ...version, ...change } }, { ...issue, ...otherIssue }, elsewhere).name;

describe('the Event of an issue', () => {
  it('says of which object, what is wrong and what is done about it', () => {
    const { path, name, body } = objectEvent(target, issue, where);
    assert.equal(path, '/api/v1/namespaces/shop/events');
    assert.match(name, /^web\.[a-z2-7]{12}$/);
    assert.deepEqual(body, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: 'shop' },
      involvedObject: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        namespace: 'shop',
        name: 'web',
        uid: 'u1',
        resourceVersion: '7',
      },
      type: 'Warning',
      reason: 'InvalidCidr',
      message: 'spec.ingress[0]: no CIDR (failed closed: it allows nothing)',
      action: 'Enforce',
      source: { component: 'postern', host: 'n1' },
      reportingComponent: 'postern',
      reportingInstance: 'n1',
      firstTimestamp: '2026-01-02T03:04:05Z',
      lastTimestamp: '2026-01-02T03:04:05Z',
      count: 1,
    });
  });

  it('has one name on every node, at any time, until the object or the case is another', () => {
    const name = nameOf({});
    assert.equal(nameOf({ resourceVersion: '8' }), name);
    assert.equal(nameOf({}, { message: 'in other words' }), name);
    assert.equal(nameOf({}, {}, { node: 'n2', now: 0 }), name);
    const others = [
      nameOf({ uid: 'u2' }),
      nameOf({ generation: 4 }),
      nameOf({}, { code: 'invalid-port' }),
      nameOf({}, { path: 'spec.egress[0]' }),
    ];
    assert.equal(new Set([name, ...others]).size, 5);
  });

  it('is about a Pod of the core API; objects without a namespace have theirs in the default one', () => {
    const pod = objectEvent({ ...target, resource: 'pods' }, issue, where).body as { involvedObject: object };
    assert.partialDeepStrictEqual(pod.involvedObject, { apiVersion: 'v1', kind: 'Pod' });
    const node = objectEvent({ resource: 'nodes', key: 'n1', version }, issue, where);
    assert.equal(node.path, '/api/v1/namespaces/default/events');
  });

  it('stays within what the API server takes', () => {
    const long = objectEvent(
      { ...target, key: `shop/${'a.'.repeat(126)}a` },
      { ...issue, message: 'x'.repeat(5000) },
      where,
    );
    assert.match(long.name, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
    assert.doesNotMatch(long.name, /\.\./);
    assert.ok(long.name.length <= 253);
    assert.equal((long.body as { message: string }).message.length, 1024);
  });
});

describe('the Event of what happens again and again', () => {
  const since = Date.UTC(2026, 0, 2, 3, 4, 5);
  const happening = {
    reason: 'ConnectionDenied',
    subject: 'ingress',
    message: 'denied',
    count: 7,
    since,
    until: since + 9000,
  };
  const of = (change: Partial<typeof happening> = {}) =>
    repeatedEvent({ resource: 'pods', key: 'shop/db-0', version }, { ...happening, ...change }, 'n1');

  it('says since when, until when and how often', () => {
    const { path, body, newest } = of();
    assert.equal(path, '/api/v1/namespaces/shop/events');
    assert.partialDeepStrictEqual(body, {
      involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'db-0', uid: 'u1' },
      type: 'Warning',
      reason: 'ConnectionDenied',
      action: 'Deny',
      firstTimestamp: '2026-01-02T03:04:05Z',
      lastTimestamp: '2026-01-02T03:04:14Z',
      count: 7,
    });
    assert.deepEqual(newest, { message: 'denied', count: 7, lastTimestamp: '2026-01-02T03:04:14Z' });
  });

  it('is one of an object for each subject, however often it is told', () => {
    const { name } = of();
    assert.equal(of({ message: 'denied again', count: 9, since: 0, until: 1 }).name, name);
    assert.notEqual(of({ subject: 'egress' }).name, name);
  });

  it('is cut to what a note may hold', () => {
    const { body, newest } = of({ message: 'x'.repeat(5000) });
    for (const { message } of [body, newest] as { message: string }[]) assert.equal(message.length, 1024);
  });
});
