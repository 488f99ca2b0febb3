import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { describe, it } from 'mocha';
import { readArguments } from '../../scripts/vm/arguments.ts';
import { findArchive, readDependencies } from '../../scripts/vm/debian-suite.ts';
import { findParts } from '../../scripts/vm/kernel-files.ts';
import type { KernelName } from '../../scripts/vm/kernels.ts';
import { parts } from '../../scripts/vm/parts.ts';
import { cellsOf, mergeRows, rowsOf, type Row } from '../../scripts/vm/record.ts';
import { renderStartScript } from '../../scripts/vm/start-script.ts';

describe('npm run vm', () => {
  const problemOf = (...words: string[]): string => {
    const read = readArguments(words);
    return typeof read === 'object' && 'problem' in read ? read.problem : 'none';
  };

  it('takes all words after -- for the command', () => {
    const command = ['mocha', '-g', 'a b', '--', '--nft'];
    assert.deepEqual(readArguments(['7.3', '--nft', '1.1.7', '--minutes', '2', '--', ...command]), {
      platform: { kernel: '7.3', nft: '1.1.7' },
      command,
      megabytes: 3072,
      minutes: 2,
    });
    assert.equal(readArguments(['--help']), 'help');
  });

  it('says what is wrong', () => {
    assert.equal(problemOf(), 'no kernel');
    assert.equal(problemOf('toString', '--', 'true'), 'unknown kernel toString');
    assert.equal(problemOf('6.1', '--nft', '2', '--', 'true'), 'unknown version of nft 2');
    assert.equal(problemOf('6.1', 'true'), 'no command: it stands after --');
    assert.equal(problemOf('6.1', '--'), 'no command: it stands after --');
    assert.equal(problemOf('6.1', '--memory', 'much', '--', 'true'), '--memory must be a number from 512');
    assert.equal(problemOf('6.1', '--minutes', '0', '--', 'true'), '--minutes must be a number above 0');
    assert.match(problemOf('6.1', '-g', '--', 'true'), /Unknown option '-g'/);
  });

  it('finds the archive of the machine among the targets of apt', () => {
    const targets = 'http://deb.example/debian-security/\nhttp://mirror.example/debian/\nhttp://other.example/debian';
    assert.equal(findArchive(targets), 'http://mirror.example/debian/');
    assert.throws(() => findArchive('http://archive.example/ubuntu/\n'), /run this on Debian/);
  });

  it('finds the parts of a kernel, however Debian splits it', async () => {
    const packages: Readonly<Record<string, string>> = {
      'linux-image-amd64': '  Depends: linux-base-amd64\n  Depends: linux-image-7.3.4-amd64\n',
      'linux-image-7.3.4-amd64':
        '  PreDepends: linux-base\n |Depends: <dracut>\n |Depends: initramfs-tools\n  Depends: linux-base-7.3.4-amd64\n' +
        '  Depends: linux-binary-7.3.4-amd64\n  Depends: linux-modules-7.3.4-amd64\n',
    };
    const dependenciesOf = (name: string): Promise<string[]> =>
      Promise.resolve(readDependencies(`${name}\n${packages[name] ?? ''}`));
    assert.deepEqual(await findParts(dependenciesOf, 'linux-image-amd64'), [
      'linux-image-7.3.4-amd64',
      'linux-base-7.3.4-amd64',
      'linux-binary-7.3.4-amd64',
      'linux-modules-7.3.4-amd64',
    ]);
  });

  it('gives the command its words and variables as they are', () => {
    const words = ["it's", 'a  b', '$HOME', '`id`', String.raw`\n`, '*'];
    const script = renderStartScript({
      command: ['printf', '%s|', ...words],
      cwd: '/',
      env: { VALUE: "o'clock $HOME" },
      folders: { '/m': '/lib/modules/1' },
    });
    const lines = script.split('\n');
    const call = lines.find((line) => line.startsWith("'printf'"));
    const assignment = lines.find((line) => line.startsWith('export VALUE'));
    const run = (text: string): string => execFileSync('sh', ['-c', text], { encoding: 'utf8' });
    assert.equal(run(call!), `${words.join('|')}|`);
    assert.equal(run(`${assignment}; printf %s "$VALUE"`), "o'clock $HOME");
  });
});

describe('the record of the matrix', () => {
  const platform = { kernel: '6.1', nft: '1.1.3' } as const;
  const tally = { passed: 3, failed: ['a b'], skipped: [{ title: 'c', reason: 'd' }], leftOut: [] };

  it('has a row for each part; a part without a result has failed', () => {
    const report = { linux: '6.1.0-50-amd64', tallies: { rules: tally } };
    const rows = rowsOf(platform, ['rules', 'node'], report, '2026-12-01');
    assert.deepEqual(rows.map(cellsOf), [
      ['6.1.0-50-amd64', '1.1.3', 'rules', '3 passed, 1 skipped, 1 failed: a b', '2026-12-01'],
      ['6.1.0-50-amd64', '1.1.3', 'node', '0 passed, 1 failed: did not end', '2026-12-01'],
    ]);
    assert.equal(rowsOf(platform, ['rules'], undefined, '2026-12-01')[0]!.failed.length, 1);
  });

  it('has one row for a platform that the agent refuses', () => {
    const report = { linux: '5.10.0-32-amd64', refused: 'too old', tallies: {} };
    const rows = rowsOf({ kernel: '5.10', nft: '1.1.3' }, ['rules', 'node'], report, '2026-12-01');
    assert.deepEqual(rows.map(cellsOf), [['5.10.0-32-amd64', '1.1.3', '', 'refused: too old', '2026-12-01']]);
  });

  it('replaces what ran again, keeps the rest, and sorts versions as numbers', () => {
    const row = (kernel: KernelName, part: string | undefined, date: string): Row => {
      return {
        ...platform,
        kernel,
        linux: kernel,
        ...(part !== undefined && { part }),
        date,
        passed: 1,
        failed: [],
        skipped: 0,
      };
    };
    const old = [
      row('6.12', 'rules', '1'),
      row('6.1', 'rules', '1'),
      row('6.1', 'node', '1'),
      row('5.10', undefined, '1'),
    ];
    const merged = mergeRows(old, [row('6.1', 'rules', '2'), row('5.10', 'node', '2')]);
    assert.deepEqual(
      merged.map(({ kernel, part, date }) => [kernel, part, date]),
      [
        ['5.10', 'node', '2'],
        ['6.1', 'node', '1'],
        ['6.1', 'rules', '2'],
        ['6.12', 'rules', '1'],
      ],
    );
  });

  it('is of parts that have tests', () => {
    for (const { name, files } of parts)
      for (const each of files) assert.notEqual(globSync(each).length, 0, `${name}: ${each}`);
  });
});
