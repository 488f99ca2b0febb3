import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Exec } from '../../src/apply/exec.ts';
import { findOurTables } from '../../src/apply/find-our-tables.ts';

const { signal } = new AbortController();

/** Returns what the function finds if nft ends with this exit code and this output. */
const ask = (exitCode: number, stdout: string): ReturnType<typeof findOurTables> => {
  const exec: Exec = async () => ({ exitCode, stdout, stderr: '' });
  return findOurTables(exec, signal);
};

describe('our tables and the mark of unsaved rules', () => {
  for (const [listing, tableFound, isUnsaved] of [
    ['', false, false],
    ['table ip nat\ntable ip postern-2\ntable inet postern\n', false, false],
    ['table ip nat\ntable ip6 postern\n', true, false],
    ['table bridge postern\n', true, false],
    ['table ip postern-unsaved\n', false, true],
    ['table ip postern\ntable ip postern-unsaved\n', true, true],
    ['table ip postern\ntable inet postern-unsaved\n', true, false],
  ] as const) {
    it(`are ${tableFound} and ${isUnsaved} for the list ${JSON.stringify(listing)}`, async () => {
      assert.deepEqual(await ask(0, listing), { tableFound, isUnsaved });
    });
  }

  it('are unknown if nft cannot list the tables', async () => {
    assert.equal(await ask(1, 'table ip postern\n'), undefined);
  });
});
