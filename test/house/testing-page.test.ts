import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadYaml } from '@kubernetes/client-node';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { documentShape } from '../../src/cli/expect/format.ts';
import { parseTests } from '../../src/cli/expect/read-tests.ts';
import { expectDocTable } from '../support/doc-table.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/testing.md'), 'utf8');
const blocks = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text]) => text!);
const [example, workflow] = blocks as [string, string];

interface Workflow {
  readonly on: object;
  readonly permissions: object;
  readonly jobs: Readonly<
    Record<string, { readonly steps: readonly { readonly uses?: string; readonly run?: string }[] }>
  >;
}

describe('docs/testing.md', function () {
  this.timeout(180_000);
  let folder: string;
  before(() => void (folder = mkdtempSync(join(tmpdir(), 'postern-page-'))));
  after(() => rmSync(folder, { recursive: true }));

  it('has the fields of a test', async () => {
    const tests = documentShape.kind === 'fields' ? documentShape.fields['tests'] : undefined;
    assert.ok(tests?.kind === 'list' && tests.of.kind === 'fields');
    const { fields, required } = tests.of;
    const rows = Object.entries(fields).map(([name, { about }]) => [
      `\`${name}\``,
      `${about.replace(/[:.]?$/, '.')}${required.includes(name) ? ' Required.' : ''}`,
    ]);
    await expectDocTable('docs/testing.md', ['Field of a test', 'What it says'], rows);
  });

  it('has an example that can be read', () => {
    assert.equal(parseTests('example', example).length, 3);
  });

  it('prints what the command prints', async () => {
    const args = ['test', '-f', 'examples/first-light', 'examples/first-light/tests.yaml'];
    const { stdout } = await execa(join(root, 'bin/postern.js'), args, { cwd: root });
    assert.ok(page.includes(stdout.replaceAll(/^/gm, '    ')), stdout);
  });

  it('has a workflow of GitHub Actions with actions as in .github, whose commands work', async () => {
    const { on, permissions, jobs } = loadYaml<Workflow>(workflow);
    assert.deepEqual([Object.keys(on), permissions], [['pull_request', 'push'], { contents: 'read' }]);
    const steps = Object.values(jobs).flatMap((job) => job.steps);
    const own = readFileSync(join(root, '.github/workflows/pull-request.yml'), 'utf8');
    for (const { uses } of steps) if (uses !== undefined) assert.ok(own.includes(`uses: ${uses} #`), uses);
    const runs = steps.flatMap(({ run }) => run ?? []);
    assert.deepEqual([runs.length, runs[0]], [2, 'npm ci --ignore-scripts --omit=dev --prefix .postern']);
    symlinkSync(root, join(folder, '.postern'));
    mkdirSync(join(folder, 'manifests'));
    cpSync(join(root, 'examples/first-light'), join(folder, 'manifests'), { recursive: true });
    cpSync(join(root, 'examples/first-light/tests.yaml'), join(folder, 'tests.yaml'));
    const { stdout } = await execa('sh', ['-c', runs[1]!], { cwd: folder });
    assert.match(stdout, /^6 passed, 0 failed;/m);
    assert.match(readFileSync(join(folder, 'report.xml'), 'utf8'), /<testsuites .*tests="6" failures="0"/);
  });
});
