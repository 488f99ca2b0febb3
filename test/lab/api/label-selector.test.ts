import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parseFieldSelector } from '../../../src/lab/api/field-selector.ts';
import { parseLabelSelector, selectsLabels } from '../../../src/lab/api/label-selector.ts';
import { podObject } from './objects.ts';
import { refusalOf } from './refusal.ts';

const pod = podObject('a', { labels: { app: 'web', tier: '', 'example.com/x': 'y' } }, { nodeName: 'n1' });

describe('a label selector in a query', () => {
  const selected = [
    '',
    'app=web',
    'app==web',
    'app!=db',
    'other!=db',
    'tier=',
    'app',
    '!other',
    'app in (db, web)',
    'app in (db,web),tier',
    'other notin (a,b)',
    'example.com/x in (y)',
    'app=web,tier,!other,app notin (db)',
  ];
  for (const text of selected) {
    it(`selects by '${text}'`, () => assert.ok(parseLabelSelector(text)(pod)));
  }

  for (const text of [
    'app=db',
    'app!=web',
    'other',
    '!app',
    'app in (db)',
    'app notin (web)',
    'tier=x',
    'app,other',
    'toString',
  ]) {
    it(`does not select by '${text}'`, () => assert.ok(!parseLabelSelector(text)(pod)));
  }

  for (const text of ['app in web', 'a=b=c', 'app in (', '=x', 'app=web,', 'app=-', 'a/b/c=d', 'app in (a,(b))']) {
    it(`is refused as '${text}'`, () => assert.equal(refusalOf(() => parseLabelSelector(text)).code, 400));
  }
});

describe('a label selector of an object', () => {
  const select = (selector: object): boolean => selectsLabels(selector, pod.metadata.labels!);
  it('demands all of its labels and expressions', () => {
    assert.ok(select({}));
    assert.ok(
      select({ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'other', operator: 'NotIn', values: ['a'] }] }),
    );
    assert.ok(!select({ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }));
    assert.ok(!select({ matchLabels: { constructor: 'x' } }));
  });
});

describe('a field selector', () => {
  const select = (text: string): boolean => parseFieldSelector(text, ['spec.nodeName', 'spec.hostNetwork'])(pod);
  it('compares names and the fields of its resource', () => {
    assert.ok(select('metadata.name=a,metadata.namespace==default,spec.nodeName!=n2'));
    assert.ok(!select('spec.nodeName=n2'));
    assert.ok(!select('spec.nodeName='));
    assert.ok(select('spec.hostNetwork=false'));
  });

  it('refuses other fields and what does not parse', () => {
    assert.equal(refusalOf(() => select('spec.image=x')).message, 'field label not supported: spec.image');
    assert.equal(refusalOf(() => select('metadata.name')).code, 400);
  });
});
