import assert from 'node:assert/strict';
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { pureRooms, rooms } from '../../scripts/house/rooms.ts';
import { sorted } from '../../src/lib/sort.ts';

const root = resolve(import.meta.dirname, '../..');

/** A file planted in a copy of the repository, what it says, and what the lint says to that (nothing: it is allowed). */
const planted: readonly (readonly [file: string, code: string, problem?: string])[] = [
  ['compile/planted-a.ts', `import '../indexer/indexer.ts';`, 'compile may not import indexer/indexer.ts'],
  ['compile/planted-b.ts', `import type { A } from '../watch/list.ts';`, 'compile may not import watch/list.ts'],
  ['compile/planted-c.ts', `import '../model/policy.ts';`],
  ['compile/planted-d.ts', `import './planted-c.ts';`],
  ['plan/planted.ts', `export * from '../model/issue.ts';`, 'plan may not import model/issue.ts'],
  ['plan/deep/planted.ts', `import '../../model/issue.ts';`, 'plan may not import model/issue.ts'],
  ['plan/deep/planted-b.ts', `import '../planted.ts';`],
  ['nftables/planted.ts', `export { a } from '../model/issue.ts';`, 'nftables may not import model/issue.ts'],
  ['indexer/planted.ts', `await import('../nftables/render.ts');`, 'indexer may not import nftables/render.ts'],
  ['indexer/planted-b.ts', 'await import(`../nftables/${1}.ts`);', 'an import must name its module by a literal'],
  ['indexer/planted-c.ts', `import '../../test/support/skip.ts';`, '../../test/support/skip.ts is outside src'],
  ['model/planted.ts', `import 'node:fs';`, 'model may not import node:fs'],
  ['model/planted-b.ts', `type A = import('../plan/plan.ts').A;`, 'model may not import plan/plan.ts'],
  ['model/planted-c.ts', `import 'pino';`, 'model may not import npm:pino'],
  ['kinds/planted.ts', `import type { V1Pod } from '@kubernetes/client-node';`],
  [
    'kinds/planted-b.ts',
    `import '@kubernetes/client-node';`,
    'kinds may import only types from npm:@kubernetes/client-node',
  ],
  ['evaluator/planted.ts', `import '../model/address.ts';`],
  ['evaluator/planted-b.ts', `import '../model/cluster.ts';`, 'evaluator may not import model/cluster.ts'],
  ['agent/planted.ts', `import '../lab/lab.ts';`, 'agent may not import lab/lab.ts'],
  ['cli/planted.ts', `import '../lab/lab.ts';`],
  ['page/planted.tsx', `import '../map/view.ts';\nimport 'preact';`],
  ['page/planted-b.tsx', `import 'node:fs';`, 'page may not import node:fs'],
  [
    'page/planted-c.tsx',
    `import '../evaluator/evaluator.ts';`,
    'page may import only types from evaluator/evaluator.ts',
  ],
  ['map/planted.ts', `import '../page/format.ts';`, 'map may not import page/format.ts'],
  ['shed/planted.ts', `import '../lib/sort.ts';`, 'src/shed is not in the table of rooms'],
  ['shed.ts', `import './lib/sort.ts';`, 'src/shed.ts is not in the table of rooms'],
];

/** What a room may reach without an import, and circles: each file breaks the rule named beside it. */
const plantedRules: readonly (readonly [file: string, code: string, rule: string])[] = [
  ...pureRooms.map((room) => [`${room}/planted-clock.ts`, 'Date.now();', 'eslint(no-restricted-globals)'] as const),
  ['compile/planted-dice.ts', 'Math.random();', 'eslint(no-restricted-properties)'],
  ['apply/planted-environment.ts', 'process.env.PATH;', 'node(no-process-env)'],
  ['plan/planted-a.ts', `import type { B } from './planted-b.ts';\nexport type A = B;`, 'import(no-cycle)'],
  ['plan/planted-b.ts', `import type { A } from './planted-a.ts';\nexport type B = A[];`, 'import(no-cycle)'],
];

describe('the walls of the house', () => {
  let copy: string;
  let exitCode: number | undefined;
  const found = new Map<string, string>();
  const rulesBroken = new Set<string>();

  before(async function () {
    this.timeout(180_000);
    copy = mkdtempSync(join(tmpdir(), 'postern-walls-'));
    for (const path of ['package.json', '.gitignore', '.oxlintrc.json', 'tsconfig.json', 'scripts', 'src']) {
      cpSync(join(root, path), join(copy, path), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const [file, code] of [...planted, ...plantedRules]) {
      mkdirSync(dirname(join(copy, 'src', file)), { recursive: true });
      writeFileSync(join(copy, 'src', file), `${code}\n`);
    }
    const result = await execa('node', ['--run', 'lint', '--', '-f', 'json'], { cwd: copy, reject: false });
    exitCode = result.exitCode;
    const { diagnostics } = JSON.parse(result.stdout) as {
      diagnostics: { code: string; message: string; filename: string }[];
    };
    for (const { code, message, filename } of diagnostics) {
      rulesBroken.add(`${filename} ${code}`);
      if (code === 'house(walls)') found.set(filename, message);
    }
  });
  after(() => rmSync(copy, { recursive: true, force: true }));

  for (const [file, code, problem] of planted) {
    it(`${problem === undefined ? 'let' : 'stop'} ${file}: ${code}`, () => {
      assert.equal(found.get(`src/${file}`), problem);
    });
  }

  for (const [file, code, rule] of plantedRules) {
    it(`stop ${file}: ${code}`, () => assert.ok(rulesBroken.has(`src/${file} ${rule}`)));
  }

  it('make the lint fail', () => assert.equal(exitCode, 1));

  it('see every file under src', async () => {
    const { stdout } = await execa('oxlint', ['--debug=files'], { cwd: root, preferLocal: true });
    const seen = stdout.split('\n').filter((file) => file.startsWith('src/'));
    assert.deepEqual(sorted(seen), sorted(globSync('src/**/*.{ts,tsx,js,jsx,mts,mjs,cts,cjs}', { cwd: root })));
  });

  it('stand between rooms that exist', () => {
    assert.deepEqual(
      sorted(readdirSync(join(root, 'src')).filter((name) => name !== 'README.md')),
      sorted(Object.keys(rooms)),
    );
  });

  it('keep every process, network and clock out of pure rooms', () => {
    const doors = new Set(['watch', 'apply', 'telemetry', 'config', 'manifests', 'lab', 'agent', 'cli', 'node:*']);
    for (const name of pureRooms)
      assert.deepEqual(
        rooms[name]?.imports.filter((entry) => doors.has(entry)),
        [],
      );
  });
});
