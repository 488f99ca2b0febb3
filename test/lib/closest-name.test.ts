import { equal } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { closestName } from '../../src/lib/closest-name.ts';

describe('closestName', () => {
  const known = ['shop/api', 'shop/web', 'host/database'];
  const rows: readonly (readonly [name: string, closest: string | undefined])[] = [
    ['shop/ap', 'shop/api'],
    ['shop/wbe', 'shop/web'],
    ['host/databaes', 'host/database'],
    ['elsewhere/nothing', undefined],
    ['', undefined],
  ];
  for (const [name, closest] of rows) {
    it(`${JSON.stringify(name)}: ${closest}`, () => equal(closestName(name, known), closest));
  }
});
