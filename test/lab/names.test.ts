import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { LabNames } from '../../src/lab/names.ts';

describe('lab: names', () => {
  it('are unique per lab: no prefix is the start of another', () => {
    assert.ok(!new LabNames('lab2').prefix.startsWith(new LabNames('lab').prefix));
    for (const bad of ['', 'a-b', 'UP', '../x', 'x'.repeat(21)])
      assert.throws(() => new LabNames(bad), { code: 'input' });
  });

  it('are unique per pod, also for names too long for a file', () => {
    const names = new LabNames('lab');
    assert.notEqual(names.pod('a', 'b.c'), names.pod('a', 'b-c'));
    assert.notEqual(names.pod('a-b', 'c'), names.pod('a', 'b-c'));
    const long = 'x'.repeat(252);
    const [first, second] = [names.pod('n'.repeat(63), `${long}1`), names.pod('n'.repeat(63), `${long}2`)];
    assert.notEqual(first, second);
    assert.ok(first.length <= 255 && first.startsWith(names.prefix));
  });
});
