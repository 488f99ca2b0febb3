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
  /** Programs that are nft and conntrack in that namespace. */
  readonly nft: string;
  readonly conntrack: string;
  readonly exec: Exec;
  readonly namespacePath: string;
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
  const wrap = async (program: string): Promise<string> => {
    const path = join(folder, program);
    await writeFile(path, `#!/bin/sh\nexec ${[...enterNamespace(name, program, [])].flat().join(' ')} "$@"\n`);
    await chmod(path, 0o755);
    return path;
  };
  const run = async (file: string, args: string[]): Promise<string> => {
    const { stdout } = await execa(...enterNamespace(name, file, args));
    return stdout;
  };
  return {
    nft: await wrap('nft'),
    conntrack: await wrap('conntrack'),
    exec: (file, args, options) => exec(...enterNamespace(name, file, args), options),
    namespacePath: `/run/netns/${name}`,
    readFile: (path) => run('cat', [path]),
    sh: (script) => run('sh', ['-ec', script]),
    async close() {
      await deleteNamespace(name);
      await rm(folder, { recursive: true });
    },
  };
}
