import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { describe, it } from 'mocha';

const root = resolve(import.meta.dirname, '../..');

/** What a page in a browser uses. A module of Node.js, in whatever room, makes the build fail. */
const entries = [
  'suggest/suggest.ts',
  'flows/traffic.ts',
  'flows/read-history.ts',
  'flows/workloads.ts',
  'flows/flow-fold.ts',
  'evaluator/evaluator.ts',
];

describe('rooms that run in a browser', () => {
  it('import no module of Node.js', async () => {
    const { outputFiles } = await build({
      entryPoints: entries.map((entry) => resolve(root, 'src', entry)),
      ...{ bundle: true, format: 'esm', platform: 'browser', write: false, outdir: 'out', logLevel: 'silent' },
    });
    assert.equal(outputFiles.length, entries.length);
    for (const { text, path } of outputFiles) assert.doesNotMatch(text, /\b(Buffer|process)\s*[.(]/, path);
  });

  it('would be stopped if they did', async () => {
    const entryPoints = [resolve(root, 'src/apply/own-addresses.ts')];
    const built = build({
      entryPoints,
      bundle: true,
      platform: 'browser',
      write: false,
      outdir: 'out',
      logLevel: 'silent',
    });
    await assert.rejects(built, /node:os/);
  });
});
