import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Exec } from '../../src/apply/exec.ts';
import { hasOurTables } from '../../src/apply/has-our-tables.ts';

const { signal } = new AbortController();

/** Returns what the function says if nft ends with this exit code and this output. */
const ask = (exitCode: number, stdout: string): Promise<boolean | undefined> => {
  const exec: Exec = async () => ({ exitCode, stdout, stderr: '' });
  return hasOurTables(exec, signal);
};

describe('whether the kernel has a table of ours', () => {
  for (const [listing, expected] of [
    ['', false],
    ['table ip nat\ntable ip postern-2\ntable inet postern\n', false],
    ['table ip nat\ntable ip6 postern\n', true],
    ['table bridge postern\n', true],
  ] as const) {
    it(`is ${expected} for the list ${JSON.stringify(listing)}`, async () => {
      assert.equal(await ask(0, listing), expected);
    });
  }

  it('is unknown if nft cannot list the tables', async () => {
    assert.equal(await ask(1, 'table ip postern\n'), undefined);
  });
});
