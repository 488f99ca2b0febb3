import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { countFindings, renderFinding } from '../../../src/cli/doctor/render.ts';
import type { Finding } from '../../../src/doctor/finding.ts';

const finding: Finding = {
  check: 'foreign-drop',
  severity: 'warning',
  subject: 'table ip filter',
  problem: 'p',
  effect: 'e',
  pods: [],
  policies: [],
  remedy: 'r',
};

describe('the text of a finding', () => {
  it('leaves out empty lists', () => {
    assert.equal(
      renderFinding(finding),
      'warning: table ip filter (foreign-drop)\n  wrong    p\n  effect   e\n  do       r\n',
    );
  });

  it('names some of many pods', () => {
    const pods = Array.from({ length: 10 }, (_, index) => `x/${index}`);
    assert.match(
      renderFinding({ ...finding, pods, policies: ['x/p'] }),
      /\n  policies x\/p\n  pods     x\/0, .*, x\/7 and 2 more\n/,
    );
  });

  it('prints no control characters of names', () => {
    const subject = 'table ip a\u001b[2J\nb';
    const text = renderFinding({ ...finding, subject, problem: 'x\r\ny\u009b1m\u202e', pods: ['a\tb'] });
    assert.match(text, /^warning: table ip a\?\[2J b \(foreign-drop\)\n  wrong    x  y\?1m\?\n/);
    assert.match(text, /pods     a b/);
  });

  it('counts', () => {
    assert.deepEqual([0, 1, 2].map(countFindings), ['no findings', '1 finding', '2 findings']);
  });
});
