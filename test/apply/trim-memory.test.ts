import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'mocha';
import { promisify } from 'node:util';

/** Allocates by malloc what lies below something that stays, frees it, and prints the megabytes that the trim returned. */
const program = `
import { readFileSync } from 'node:fs';
import { findTrim } from './src/apply/trim-memory.ts';
const resident = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
const trim = await findTrim();
const buffers = Array.from({ length: 4000 }, () => Buffer.alloc(16_384, 1));
const kept = Buffer.alloc(16_384, 1);
buffers.length = 0;
for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate); }
const before = resident();
trim();
console.log(before - resident(), kept.length);
`;

describe('findTrim', () => {
  it('returns freed memory to the system', async function () {
    this.timeout(180_000);
    const env = { ...process.env, MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072' };
    const flags = ['--expose-gc', '--input-type=module-typescript', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, flags, { env, cwd: process.cwd() });
    assert.ok(Number(stdout.split(' ')[0]) > 20, stdout);
  });
});
