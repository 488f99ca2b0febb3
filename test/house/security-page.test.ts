import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'mocha';
import { readCells } from '../support/doc-table.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'SECURITY.md'), 'utf8');
const [, , ...attackers] = page
  .slice(page.indexOf('## Threat model'), page.indexOf('## What does not hold'))
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map(readCells);

function testsOf(text: string): string[] {
  return Array.from(text.matchAll(/`(test\/[^`]+)`/g), ([, file]) => file!);
}

describe('SECURITY.md', () => {
  it('names a test for each attacker', () => {
    assert.ok(attackers.length > 0);
    for (const [attacker, , , tests] of attackers) assert.ok(testsOf(tests!).length > 0, attacker);
  });

  it('names tests that are there', () => {
    assert.deepEqual(
      testsOf(page).filter((file) => !existsSync(join(root, file))),
      [],
    );
  });

  it('names every file of attacks', () => {
    const named = new Set(testsOf(page));
    assert.deepEqual(
      globSync('test/attacks/*.{kernel.test,long}.ts', { cwd: root }).filter((file) => !named.has(file)),
      [],
    );
  });
});
