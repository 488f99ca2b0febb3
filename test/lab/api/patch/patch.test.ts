import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { JsonObject } from '../../../../src/lab/api/object.ts';
import { applyPatch, type PatchType } from '../../../../src/lab/api/patch/patch.ts';
import { resources } from '../../../../src/lab/api/resources.ts';
import { podObject } from '../objects.ts';
import { refusalOf } from '../refusal.ts';

const two = [
  { name: 'web', image: 'web:1', ports: [{ containerPort: 80 }, { containerPort: 443 }], args: ['a', 'b'] },
  { name: 'side', image: 'side:1' },
];
const pod = podObject('a', { finalizers: ['e.com/a', 'e.com/b'], labels: { app: 'a' } }, { containers: two });

function patch(type: PatchType, body: unknown): JsonObject {
  const before = structuredClone(pod);
  const result = applyPatch(resources.pods, pod, { type, body }) as JsonObject;
  assert.deepEqual(pod, before, 'the object itself is not changed');
  return result;
}

const specOf = (body: unknown): JsonObject => patch('strategic', body).spec as JsonObject;
const containersOf = (list: unknown): unknown[] => specOf({ spec: { containers: list } }).containers as unknown[];

describe('a strategic merge patch', () => {
  it('merges lists that have a key, item by item and at every depth, and appends what is new', () => {
    assert.deepEqual(
      containersOf([
        { name: 'side', image: 'side:2' },
        { name: 'new', image: 'new:1' },
        { name: 'web', ports: [{ containerPort: 443, name: 'https' }] },
      ]),
      [
        { ...two[0], ports: [{ containerPort: 80 }, { containerPort: 443, name: 'https' }] },
        { name: 'side', image: 'side:2' },
        { name: 'new', image: 'new:1' },
      ],
    );
  });

  it('replaces lists that have none', () => {
    const [web] = containersOf([{ name: 'web', args: ['c'] }]) as [JsonObject];
    assert.deepEqual(web.args, ['c']);
  });

  it('removes a field by null and an item by $patch: delete', () => {
    assert.deepEqual(
      containersOf([
        { name: 'web', $patch: 'delete' },
        { name: 'side', image: null },
      ]),
      [{ name: 'side' }],
    );
  });

  it('replaces a merged list, or an object, by $patch: replace', () => {
    const only = { name: 'only', image: 'x' };
    assert.deepEqual(containersOf([only, { $patch: 'replace' }]), [only]);
    assert.deepEqual(specOf({ spec: { $patch: 'replace', containers: [only] } }), { containers: [only] });
  });

  it('puts named items in the order of $setElementOrder, and others where they were before them', () => {
    const order = { '$setElementOrder/containers': [{ name: 'new' }, { name: 'side' }] };
    const spec = specOf({ spec: { ...order, containers: [{ name: 'new', image: 'x' }] } });
    assert.deepEqual(
      (spec.containers as JsonObject[]).map((each) => each.name),
      ['new', 'web', 'side'],
    );
    const reversed = specOf({ spec: { '$setElementOrder/containers': [{ name: 'side' }, { name: 'web' }] } });
    assert.deepEqual(
      (reversed.containers as JsonObject[]).map((each) => each.name),
      ['side', 'web'],
    );
  });

  it('treats finalizers as a set', () => {
    const metadata = patch('strategic', {
      metadata: { finalizers: ['e.com/b', 'e.com/c'], '$deleteFromPrimitiveList/finalizers': ['e.com/a'] },
    }).metadata as JsonObject;
    assert.deepEqual(metadata.finalizers, ['e.com/b', 'e.com/c']);
  });

  it('keeps only what $retainKeys names', () => {
    assert.deepEqual(specOf({ spec: { $retainKeys: ['hostNetwork'], hostNetwork: true } }), { hostNetwork: true });
  });

  it('is refused where an item lacks its key, or a directive is unknown', () => {
    for (const body of [{ spec: { containers: [{ image: 'x' }] } }, { spec: { $patch: 'mend' } }]) {
      const refusal = refusalOf(() => patch('strategic', body));
      assert.deepEqual([refusal.code, refusal.reason], [422, 'Invalid']);
    }
    assert.equal(refusalOf(() => patch('strategic', [])).code, 400);
  });
});

describe('a merge patch', () => {
  it('merges objects, replaces lists and removes by null', () => {
    const result = patch('merge', { metadata: { labels: { app: null, b: 'c' } }, spec: { containers: [] } });
    assert.deepEqual((result.metadata as JsonObject).labels, { b: 'c' });
    assert.deepEqual(result.spec, { containers: [] });
  });
});

describe('a JSON patch', () => {
  it('does its operations in order', () => {
    const result = patch('json', [
      { op: 'test', path: '/metadata/labels/app', value: 'a' },
      { op: 'add', path: '/metadata/labels/e.com~1x', value: 'y' },
      { op: 'replace', path: '/spec/containers/1/image', value: 'side:2' },
      { op: 'remove', path: '/spec/containers/0/ports/0' },
      { op: 'add', path: '/spec/containers/0/args/-', value: 'c' },
      { op: 'add', path: '/spec/containers/0/args/1', value: 'aa' },
      { op: 'copy', from: '/metadata/labels/app', path: '/metadata/labels/copy' },
      { op: 'move', from: '/metadata/labels/app', path: '/metadata/labels/moved' },
    ]);
    assert.deepEqual((result.metadata as JsonObject).labels, { 'e.com/x': 'y', copy: 'a', moved: 'a' });
    const [web, side] = (result.spec as { containers: [JsonObject, JsonObject] }).containers;
    assert.deepEqual([web.ports, web.args, side.image], [[{ containerPort: 443 }], ['a', 'aa', 'b', 'c'], 'side:2']);
  });

  const unfit = [
    { op: 'test', path: '/metadata/labels/app', value: 'b' },
    { op: 'remove', path: '/metadata/labels/none' },
    { op: 'replace', path: '/metadata/labels/none', value: 'x' },
    { op: 'add', path: '/none/x', value: 'y' },
    { op: 'remove', path: '/spec/containers/2' },
    { op: 'add', path: '/spec/containers/01', value: {} },
    { op: 'add', path: 'metadata', value: {} },
    { op: 'mend', path: '/metadata' },
    { op: 'replace', path: '/metadata/labels/app' },
    { op: 'copy', from: 3, path: '/metadata/labels/copy' },
  ];
  for (const operation of unfit) {
    it(`is refused with 422: ${operation.op} ${operation.path}`, () => {
      const fits = { op: 'remove', path: '/metadata/labels/app' };
      assert.equal(refusalOf(() => patch('json', [operation, fits])).code, 422);
    });
  }
});
