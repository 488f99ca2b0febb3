import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'mocha';
import { mutants } from '../mutants.ts';
import { numberedRules } from '../tiers/rules.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string): string => (existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : '');

describe('the numbered rules of ClusterNetworkPolicies', () => {
  const rules = Object.entries(numberedRules);

  it('are C1 to C36, in order', () => {
    assert.deepEqual(
      rules.map(([number]) => number),
      Array.from({ length: 36 }, (_, index) => `C${index + 1}`),
    );
  });

  it('stand in docs/semantics.md', () => {
    const page = read('docs/semantics.md');
    const cited = rules.flatMap(([number, { cited: all }]) => all.map((each) => `${number} ${each}`));
    assert.deepEqual(
      cited.filter((each) => !page.includes(`**${each.split(' ')[1]}**`)),
      [],
    );
  });

  it('are each shown by tests that exist', () => {
    const named = rules.flatMap(([number, { tests }]) => tests.map((each) => [number, ...each] as const));
    assert.deepEqual(
      named.filter(([, file, title]) => !read(file).includes(title)),
      [],
    );
    assert.deepEqual(
      rules.filter(([, { tests }]) => tests.length === 0),
      [],
    );
  });

  it('are each broken by a mutant that exists, but for those that Postern does not support yet', () => {
    const names = new Set(mutants.map(({ name }) => name));
    assert.deepEqual(
      rules.flatMap(([number, { mutants: own }]) =>
        own.filter((name) => !names.has(name)).map((name) => [number, name]),
      ),
      [],
    );
    const without = rules.filter(([, { mutants: own }]) => own.length === 0);
    assert.deepEqual(
      without.filter(([, { cited }]) => !cited.includes('S10.14')),
      [],
    );
  });
});
