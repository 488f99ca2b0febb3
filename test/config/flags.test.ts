import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { agentFlags, type Flag } from '../../src/config/flags.ts';
import { expectDocTable } from '../support/doc-table.ts';

const flags = Object.entries<Flag<unknown>>(agentFlags);

describe('the flags of the agent', () => {
  it('are listed in the docs', async () => {
    const rows = flags.map(([, { name, argument, env, fallback, required, summary }]) => {
      const absent = required ? 'required' : fallback === undefined ? '' : `\`${fallback}\``;
      const flag = argument === undefined ? name : `${name} ${argument}`;
      return [`\`--${flag}\``, `\`${env}\``, absent, summary];
    });
    await expectDocTable('docs/reference/flags.md', ['Flag', 'Variable', 'Default', 'Meaning'], rows);
  });

  for (const [key, { name, env, fallback, read }] of flags) {
    it(`--${name} has the names that follow from it, and a default that it can read`, () => {
      // Commander hands a flag over under its camel-case name.
      assert.equal(
        key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
        name,
      );
      assert.equal(env, `POSTERN_${name.toUpperCase().replaceAll('-', '_')}`);
      if (fallback !== undefined) assert.notEqual(read(fallback), undefined);
    });
  }
});
