import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { DirectoryWatch } from '../../src/sandboxes/directory-watch.ts';
import { until } from '../lab/until.ts';
import { makeFolder } from './watched.ts';

describe('the watch of a directory', () => {
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let directory: string;
  let lines: string[];
  let watch: DirectoryWatch;

  beforeEach(async () => {
    folder = await makeFolder();
    directory = join(folder.path, 'a', 'b', 'c');
    lines = [];
    watch = new DirectoryWatch({
      directory,
      opened: () => lines.push('opened'),
      lost: () => lines.push('lost'),
      changed: (name) => lines.push(`changed ${name}`),
    });
  });
  afterEach(async () => {
    watch.close();
    await folder[Symbol.asyncDispose]();
  });

  it('says first whether there is one', async () => {
    watch.check();
    assert.deepEqual([lines, watch.isOpen], [['lost'], false]);
    await mkdir(directory, { recursive: true });
    watch.check();
    assert.deepEqual([lines, watch.isOpen], [['lost', 'opened'], true]);
    assert.equal(watch.failure, undefined);
  });

  it('says nothing again as long as nothing happens', async () => {
    for (let n = 0; n < 3; n++) watch.check();
    assert.deepEqual(lines, ['lost']);
    await mkdir(directory, { recursive: true });
    for (let n = 0; n < 3; n++) watch.check();
    assert.deepEqual(lines, ['lost', 'opened']);
  });

  it('sees it come and go a level at a time', async () => {
    watch.check();
    for (const part of ['a', 'a/b', 'a/b/c']) await mkdir(join(folder.path, part));
    await until(() => lines.includes('opened'));
    await rm(directory, { recursive: true });
    await until(() => lines.filter((line) => line === 'lost').length === 2);
    await rm(join(folder.path, 'a'), { recursive: true });
    await mkdir(directory, { recursive: true });
    await until(() => lines.filter((line) => line === 'opened').length === 2);
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('changed')),
      ['lost', 'opened', 'lost', 'opened'],
    );
  });

  it('follows the path, not the folder', async () => {
    await mkdir(directory, { recursive: true });
    watch.check();
    const aside = join(folder.path, 'aside');
    await rename(directory, aside);
    await until(() => lines.includes('lost'));
    await mkdir(directory);
    await until(() => lines.filter((line) => line === 'opened').length === 2);
    lines.length = 0;
    await writeFile(join(aside, 'old'), '');
    await writeFile(join(directory, 'new'), '');
    await until(() => lines.includes('changed new'));
    assert.ok(!lines.includes('changed old'));
  });

  it('notices when it looks that another folder has taken the place, though nothing was told', async () => {
    await mkdir(directory, { recursive: true });
    watch.check();
    await rename(join(folder.path, 'a'), join(folder.path, 'aside'));
    await mkdir(directory, { recursive: true });
    watch.check();
    assert.deepEqual(lines, ['opened', 'opened']);
    await writeFile(join(directory, 'new'), '');
    await until(() => lines.includes('changed new'));
  });

  it('tells nothing after it is closed', async () => {
    await mkdir(directory, { recursive: true });
    watch.check();
    await writeFile(join(directory, 'file'), '');
    watch.close();
    lines.length = 0;
    const other = new DirectoryWatch({
      directory,
      opened() {},
      lost() {},
      changed: (name) => lines.push(`other ${name}`),
    });
    other.check();
    await writeFile(join(directory, 'file'), 'more');
    await until(() => lines.includes('other file'));
    other.close();
    assert.ok(lines.every((line) => line === 'other file'));
  });
});
