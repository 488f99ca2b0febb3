import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Context } from 'mocha';
import type { Exec } from '../../src/apply/exec.ts';
import { exec } from '../../src/apply/exec.ts';
import { createNamespace, deleteNamespace, enterNamespace } from '../../src/lab/network-namespace.ts';
import { skipTest } from '../support/skip.ts';

/** A network namespace of its own, with rules, links and sysctls that nobody else sees. */
export interface Kernel {
  /** A program that is nft in that namespace. */
  readonly nft: string;
  readonly exec: Exec;
  readonly readFile: (path: string) => Promise<string>;
  /** Runs a shell script there; rejects if it fails. */
  sh(script: string): Promise<string>;
  close(): Promise<void>;
}

let count = 0;

/** From a hook: skips its suite where the machine does not allow it. */
export async function openKernel(context: Context): Promise<Kernel> {
  if (process.getuid?.() !== 0) skipTest(context, 'network namespaces need root');
  const name = `postern-test-${process.pid}-${count++}`;
  await createNamespace(name);
  const folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  const nft = join(folder, 'nft');
  await writeFile(nft, `#!/bin/sh\nexec ${[...enterNamespace(name, 'nft', [])].flat().join(' ')} "$@"\n`);
  await chmod(nft, 0o755);
  const run = async (file: string, args: string[]): Promise<string> => {
    const { stdout } = await execa(...enterNamespace(name, file, args));
    return stdout;
  };
  return {
    nft,
    exec: (file, args, options) => exec(...enterNamespace(name, file, args), options),
    readFile: (path) => run('cat', [path]),
    sh: (script) => run('sh', ['-ec', script]),
    async close() {
      await deleteNamespace(name);
      await rm(folder, { recursive: true });
    },
  };
}
