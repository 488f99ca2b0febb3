import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { stateOf, type SavedState } from '../../src/state/saved-state.ts';
import { deleteState, loadState, StateError, writeState } from '../../src/state/state-file.ts';
import { encodeState } from './encode-state.ts';
import { failFrom } from './failing-disk.ts';
import { emptySnapshot } from '../../src/model/snapshot.ts';
import { fullSnapshot } from './samples.ts';

const old = stateOf(fullSnapshot);
const next: SavedState = { ...stateOf(emptySnapshot), gatedRanges: ['10.9.0.0/24'] };

describe('the state on disk', () => {
  let parent: string;
  let directory: string;
  let file: string;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'postern-test-'));
    directory = join(parent, 'a', 'state');
    file = join(directory, 'state.json');
  });
  afterEach(() => rm(parent, { recursive: true }));

  const write = (state: SavedState, node = 'n1'): Promise<void> => writeState(directory, [encodeState(state, node)]);

  async function load(): Promise<SavedState | string> {
    const loaded = await loadState(directory, 'n1');
    return loaded.kind === 'state' ? loaded.state : loaded.kind === 'none' ? 'none' : loaded.problem;
  }

  it('is none where there is no directory, and none where it is empty', async () => {
    assert.equal(await load(), 'none');
    await mkdir(directory, { recursive: true });
    assert.equal(await load(), 'none');
  });

  it('is forgotten without a trace, also where there is none, and one that stays is told', async () => {
    await deleteState(directory);
    await write(old);
    await writeFile(join(directory, 'state.json.rejected'), 'x');
    await deleteState(directory);
    assert.deepEqual(await readdir(directory), []);
    await mkdir(file);
    await assert.rejects(deleteState(directory), StateError);
  });

  it('is read as it was written, with its time; nobody else may read it, and nothing is beside it', async () => {
    const before = Date.now();
    await write(old);
    const loaded = await loadState(directory, 'n1');
    assert.ok(loaded.kind === 'state');
    assert.deepEqual(loaded.state, old);
    // File systems round down.
    assert.ok(Math.abs(loaded.savedAt.getTime() - before) < 10_000);
    assert.deepEqual(await readdir(directory), ['state.json']);
    assert.deepEqual([(await stat(directory)).mode & 0o777, (await stat(file)).mode & 0o777], [0o700, 0o600]);
  });

  it('is the newest', async () => {
    await write(old);
    await write(next);
    assert.deepEqual(await load(), next);
  });

  describe('when its writer crashes', () => {
    const crash = new Error('crashed');

    it('is on the disk before it takes its name, and so has its name before the writer says so', async () => {
      const disk = failFrom(Infinity, crash);
      await write(old).finally(() => disk.restore());
      const order = ['mkdir', 'rm', 'open', 'write', 'sync', 'close', 'rename', 'open', 'sync', 'close'];
      assert.deepEqual(disk.steps, order);
    });

    for (let step = 0; step < 10; step++) {
      const expected = step <= 6 ? old : next;
      it(`at step ${step}, is whole: the ${expected === old ? 'old' : 'new'} one`, async () => {
        await write(old);
        const disk = failFrom(step, crash);
        await assert.rejects(write(next), { cause: crash }).finally(() => disk.restore());
        assert.ok(disk.steps.length > step);
        assert.deepEqual(await load(), expected);
        await write(next);
        assert.deepEqual(await load(), next);
        assert.deepEqual(await readdir(directory), ['state.json']);
      });
    }
  });

  it('stays the old one where a new one cannot be written, and leaves no half of it', async () => {
    await write(old);
    const full = new Error('ENOSPC: no space left on device, write');
    const disk = failFrom(3, full, { once: true });
    const message = `cannot save the state of this node in ${directory}: ENOSPC: no space left on device, write`;
    await assert
      .rejects(write(next), { name: 'StateError', code: 'state', message, cause: full })
      .finally(() => disk.restore());
    assert.deepEqual(await readdir(directory), ['state.json']);
    assert.deepEqual(await load(), old);
  });

  it('cannot be kept where a file is in the way of the directory, which is said', async () => {
    await writeFile(join(parent, 'a'), '');
    await assert.rejects(write(old), (error) => error instanceof StateError && error.message.includes(directory));
  });

  it('is not written through a link that waits under the temporary name', async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(join(parent, 'victim'), 'mine');
    await symlink(join(parent, 'victim'), `${file}.tmp`);
    await write(old);
    assert.equal(await readFile(join(parent, 'victim'), 'utf8'), 'mine');
    assert.deepEqual(await load(), old);
  });

  for (const [what, text, problem] of [
    ['is damaged', encodeState(old, 'n1').replace('10.244.1.2', '10.244.1.7'), 'it is damaged'],
    ['is cut off', encodeState(old, 'n1').slice(0, -5), 'it is damaged'],
    ['is empty', '', 'it is damaged'],
    [
      'is of another version',
      encodeState(old, 'n1').replace('"version":4', '"version":99'),
      'its format is 99, and this version uses 4',
    ],
    ['is of another node', encodeState(old, 'n2'), 'it belongs to node n2, and this is n1'],
  ] as const) {
    it(`is not used where it ${what}, and is put aside`, async () => {
      await mkdir(directory, { recursive: true });
      await writeFile(`${file}.rejected`, 'an earlier one');
      await writeFile(file, text);
      assert.equal(await load(), `${file} is not used: ${problem}; renamed to state.json.rejected`);
      assert.equal(await load(), 'none');
      assert.equal(await readFile(`${file}.rejected`, 'utf8'), text);
    });
  }

  it('is not used where it cannot be read, which is said', async () => {
    await mkdir(file, { recursive: true });
    assert.match(String(await load()), /state\.json cannot be read: EISDIR/);
  });

  it('is not used where it is damaged and cannot be put aside either, which is said', async () => {
    await mkdir(join(directory, 'state.json.rejected', 'x'), { recursive: true });
    await writeFile(file, '');
    assert.match(String(await load()), /is not used: it is damaged; renaming it failed: /);
  });
});
