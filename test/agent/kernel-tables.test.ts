import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { nftKernelTables } from '../../src/agent/kernel-tables.ts';
import type { Nft } from '../../src/apply/nft.ts';
import type { Operation } from '../../src/nftables/ruleset.ts';

const { signal } = new AbortController();
const operations: Operation[] = [{ verb: 'delete chain', family: 'ip', name: 'old' }];

describe('a transaction after a grace period', () => {
  /** Notes the calls. The wait ends a turn later, or fails. */
  async function callsOf(afterGracePeriod: boolean, failure?: Error): Promise<string[]> {
    const calls: string[] = [];
    const nft = {
      async awaitGracePeriod() {
        calls.push('wait');
        await new Promise(setImmediate);
        if (failure) throw failure;
        calls.push('end of the wait');
      },
      run: async (script: string) => void calls.push(script.trim()),
    } as unknown as Nft;
    await nftKernelTables(nft)
      .run(operations, { check: false, signal, afterGracePeriod })
      .catch((error: unknown) => calls.push(String(error)));
    return calls;
  }

  it('runs when the wait has ended', async () => {
    assert.deepEqual(await callsOf(true), ['wait', 'end of the wait', 'delete chain ip postern old']);
  });

  it('does not run if the wait fails', async () => {
    assert.deepEqual(await callsOf(true, new Error('nft does not start')), ['wait', 'Error: nft does not start']);
  });

  it('waits only if it is asked to', async () => {
    assert.deepEqual(await callsOf(false), ['delete chain ip postern old']);
  });
});
