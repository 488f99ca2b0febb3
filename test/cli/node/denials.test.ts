import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { readInside } from '../../../src/cli/node/denials.ts';

describe('what was denied inside of pods', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-denials-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function read(signal: AbortSignal): Promise<{ count: number; notes: string[] }> {
    const notes: string[] = [];
    const pods = ['left', 'gone', 'other'].map((name) => ({
      pod: `shop/${name}\u001b[2J`,
      path: join(folder, name),
      addresses: [],
    }));
    for (const name of ['left', 'other']) await writeFile(join(folder, name), '');
    const found = await readInside(pods, (text) => notes.push(text), signal);
    return { count: found.length, notes };
  }

  it('is read for each pod alone: a plain file in place of a namespace is noted, and the next pod is read', async () => {
    const { count, notes } = await read(new AbortController().signal);
    equal(count, 0);
    deepEqual(
      notes.map((text) => /^cannot read what was denied inside of pod (shop[/][a-z]+)\?\[2J: /.exec(text)?.[1]),
      ['shop/left', 'shop/other'],
    );
    match(notes[0]!, /is no network namespace here/);
  });

  it('is left out, with a note for each pod, when the time is over', async () => {
    const { notes } = await read(AbortSignal.abort(new Error('too late')));
    equal(notes.filter((text) => text.endsWith(': too late')).length, 3);
  });
});
