import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { readTally, tallyVariable } from '../../scripts/tally.ts';

const root = resolve(import.meta.dirname, '../..');
const spec = `
  import { before, describe, it } from '${root}/node_modules/mocha/index.js';
  import { takeSample } from '${root}/test/support/sample.ts';
  import { skipTest } from '${root}/test/support/skip.ts';
  takeSample(['a', 'b', 'c'], { what: 'kinds', count: 1, nameOf: String, suite: 'all' });
  describe('a', () => {
    it('passes', () => {});
    it('fails', () => { throw new Error('no'); });
    it('lacks something', function () { skipTest(this, 'no kernel'); });
    it.skip('is silent', () => {});
    describe('all', () => {
      before(function () { skipTest(this, 'not root'); });
      it('of these', () => {});
    });
    describe('none', () => {
      before(() => { throw new Error('no'); });
      it('of these', () => {});
    });
  });
`;

describe('the reporter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-reporter-'));
  const tallyFile = join(folder, 'tally.json');
  let exitCode: number | undefined;

  before(async function () {
    this.timeout(180_000);
    const specFile = join(folder, 'planted.test.ts');
    writeFileSync(specFile, spec);
    const env = { [tallyVariable]: tallyFile, POSTERN_SAMPLE: '1' };
    ({ exitCode } = await execa('mocha', [specFile], { cwd: root, env, reject: false, preferLocal: true }));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('counts passes, failures of tests and hooks, and skips with their reasons; a skip without one is a failure', () => {
    assert.deepEqual(readTally(tallyFile), {
      passed: 1,
      failed: [
        'a fails: no',
        'a is silent: skipped without a reason: call skipTest of test/support/skip.ts',
        'a none "before all" hook for "of these": no',
      ],
      skipped: [
        { title: 'a lacks something', reason: 'no kernel' },
        { title: 'a all of these', reason: 'not root' },
      ],
      leftOut: ['2 of 3 kinds; all: npm run test:whole -- all'],
    });
    assert.equal(exitCode, 3);
  });

  it('has counted what ended, if the run is stopped', async function () {
    this.timeout(180_000);
    const specFile = join(folder, 'stopped.test.ts');
    const lines = [
      `import { it } from '${root}/node_modules/mocha/index.js';`,
      `it('passes', () => {});`,
      `it('fails', () => { throw new Error('no'); });`,
      `it('ends the process', () => process.exit(0));`,
    ];
    writeFileSync(specFile, lines.join('\n'));
    await execa('mocha', [specFile], {
      cwd: root,
      env: { [tallyVariable]: tallyFile },
      reject: false,
      preferLocal: true,
    });
    const { passed, failed, isPartial } = readTally(tallyFile)!;
    assert.deepEqual([passed, failed, isPartial], [1, ['fails: no'], true]);
  });
});
