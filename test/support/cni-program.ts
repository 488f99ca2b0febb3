import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import type { Context } from 'mocha';
import { skipTest } from './skip.ts';

const script = resolve(import.meta.dirname, '../../scripts/image/cni.sh');
let building: Promise<string> | undefined;

/** Compiles the CNI plugin once for each process. Skips the tests on a machine without a C compiler. Returns the path of the program. */
export async function buildCniProgram(context: Context): Promise<string> {
  const { exitCode } = await execa('cc', ['--version'], { reject: false });
  if (exitCode !== 0) skipTest(context, 'there is no C compiler: please install gcc and libc6-dev');
  return (building ??= build());
}

async function build(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-cni-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const program = join(directory, 'postern-cni');
  await execa('sh', [script, program]);
  return program;
}
