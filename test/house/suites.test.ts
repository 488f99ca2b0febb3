import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'mocha';
import { filesOf, suites, suitesOf, type Suite } from '../../scripts/suites.ts';
import { expectDocTable } from '../support/doc-table.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

describe('the suites', () => {
  it('have each test file once', () => {
    const files = globSync('{test,e2e,bench,src,scripts}/**/*.{test,long}.ts', { cwd: root });
    assert.ok(files.length > 200);
    const homes = new Map(files.map((file): [string, string[]] => [file, []]));
    for (const suite of suites) for (const file of filesOf(suite)) homes.get(file)!.push(suite.name);
    assert.deepEqual(
      [...homes]
        .filter(([, names]) => names.length !== 1)
        .map(([file, names]) => `${file}: ${names.join(', ') || 'none'}`),
      [],
    );
  });

  it('have files for each of their patterns, or a script of package.json', () => {
    const empty = suites.flatMap(({ files = [] }) =>
      files.filter((each) => globSync(each, { cwd: root }).length === 0),
    );
    assert.deepEqual(empty, []);
    const missing = suites.filter(
      ({ script, files }) =>
        (script === undefined) === (files === undefined) || (script !== undefined && !Object.hasOwn(scripts, script)),
    );
    assert.deepEqual(missing, []);
  });

  it('have names of their own', () => {
    assert.equal(new Set(suites.map(({ name }) => name)).size, suites.length);
  });

  it('run every night, but for those that are run by hand', () => {
    const nightly = read('.github/workflows/nightly.yml');
    assert.match(nightly, /npm run test:whole$/m);
    const whole = new Set(suitesOf('whole'));
    for (const suite of suites) {
      if (whole.has(suite) || suite.from === 'by hand') continue;
      assert.ok(nightly.includes(`npm run ${suite.script}`), suite.name);
    }
  });

  it('are the table of CONTRIBUTING.md', async () => {
    const header = ['Suite', 'It proves', 'Where', 'Seconds', 'It runs in'];
    await expectDocTable('CONTRIBUTING.md', header, suites.map(rowOf));
  });
});

const runsIn = {
  check: '`npm run check`, `npm test`, nightly',
  test: '`npm test`, nightly',
  whole: 'nightly',
  nightly: 'nightly',
  'by hand': 'by hand',
} as const;

function rowOf(suite: Suite): string[] {
  const { name, proves, files, script, seconds, from } = suite;
  const where = files ? files.map((each) => `\`${each}\``).join(' ') : `\`npm run ${script}\``;
  return [name, proves, where, String(seconds), runsIn[from]];
}
