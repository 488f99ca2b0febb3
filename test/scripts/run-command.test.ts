import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { runCommand } from '../../scripts/run-command.ts';

describe('running a command', () => {
  it('returns what it wrote and how it ended', async () => {
    const result = await runCommand('echo out; echo err >&2; exit 3', { minutes: 1, show: false });
    assert.deepEqual(result, { exitCode: 3, timedOut: false, output: 'out\nerr\n' });
  });

  it('ends all of its processes when the time is over', async () => {
    // The background process holds standard output open: were it left alone, the command would never close.
    const result = await runCommand('sleep 600 & sleep 600', { minutes: 0.002, show: false });
    assert.deepEqual(result, { exitCode: 1, timedOut: true, output: '' });
  });
});
