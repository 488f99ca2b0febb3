import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import { skipTest } from '../support/skip.ts';

const room = new URL('../../src/state/', import.meta.url).href;
const own = new URL('./', import.meta.url).href;

/** Writes a small state, then one for which the file system has no room, and says what is left. */
const script = `
  import { readdirSync } from 'node:fs';
  import { loadState, writeState } from '${room}state-file.ts';
  import { encodeState } from '${own}encode-state.ts';
  const directory = process.argv[1];
  const state = (name) => ({
    localPods: new Map(), policies: new Map(), groups: new Map(), denied: new Set(), gatedRanges: [name],
  });
  await writeState(directory, [encodeState(state('small'), 'n1')]);
  const { code, cause } = await writeState(directory, [encodeState(state('x'.repeat(200_000)), 'n1')]).catch((error) => error);
  const loaded = await loadState(directory, 'n1');
  process.stdout.write(JSON.stringify([code, cause.code, readdirSync(directory), loaded.state.gatedRanges]));`;

describe('the state on a small disk', function () {
  this.timeout(180_000);
  let folder: string;
  before(async function () {
    if (process.getuid?.() !== 0) skipTest(this, 'mounting a small file system needs root');
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  });
  after(async () => {
    if (folder) await rm(folder, { recursive: true });
  });

  it('stays the old one when there is no room for a new one', async () => {
    const mounted = 'mount -t tmpfs -o size=64k postern-test "$1" && exec "$2" --input-type=module --eval "$3" "$1"';
    // The mount is seen by nobody else, and goes with the process.
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', mounted, 'sh', folder, process.execPath, script];
    const { stdout } = await execa('unshare', args);
    assert.deepEqual(JSON.parse(stdout), ['state', 'ENOSPC', ['state.json'], ['small']]);
  });
});
