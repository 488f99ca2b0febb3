import assert from 'node:assert/strict';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { readEntryFile } from '../../src/sandboxes/entry-file.ts';
import { makeFolder } from './watched.ts';

describe('a file that may be anything', () => {
  it('is its text, and when it was written', async () => {
    await using folder = await makeFolder();
    const path = join(folder.path, 'file');
    await writeFile(path, 'a text');
    await utimes(path, 7, 7);
    const reading = await readEntryFile(path);
    assert.deepEqual(reading.kind === 'text' && [reading.text, reading.writtenAt], ['a text', 7_000_000_000n]);
  });

  it('is the same until it is written again', async () => {
    await using folder = await makeFolder();
    const path = join(folder.path, 'file');
    await writeFile(path, 'a text');
    const first = await readEntryFile(path);
    assert.equal(first.kind, 'text');
    const version = first.kind === 'text' ? first.version : '';
    assert.deepEqual(await readEntryFile(path, version), { kind: 'same' });
    await writeFile(path, 'a longer text');
    assert.equal((await readEntryFile(path, version)).kind, 'text');
  });

  it('may not be there, or be none', async () => {
    await using folder = await makeFolder();
    assert.deepEqual(await readEntryFile(join(folder.path, 'file')), { kind: 'gone' });
    await mkdir(join(folder.path, 'folder'));
    const { kind, ...rest } = await readEntryFile(join(folder.path, 'folder'));
    assert.deepEqual([kind, 'message' in rest && rest.message], ['failed', 'is not a regular file']);
    // What stands where a folder should be says nothing of the file.
    await writeFile(join(folder.path, 'file'), '');
    assert.equal((await readEntryFile(join(folder.path, 'file', 'file'))).kind, 'failed');
  });
});
