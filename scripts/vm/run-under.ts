import { homedir } from 'node:os';
import { join } from 'node:path';
import { provideKernel } from './kernel-files.ts';
import type { KernelName, NftVersion } from './kernels.ts';
import { provideNft } from './nft-files.ts';
import { runInVm, type VmResult } from './virtual-machine.ts';

/** A Linux kernel, and a version of nft if not the machine's own. */
export interface Platform {
  readonly kernel: KernelName;
  readonly nft?: NftVersion | undefined;
}

export interface RunOptions {
  readonly megabytes: number;
  readonly minutes: number;
  readonly output: NodeJS.WritableStream;
  /** Where the command's tally goes (`scripts/tally.ts`). */
  readonly tally?: string | undefined;
  /** Receives what takes long. */
  readonly report: (text: string) => void;
}

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'postern');
const processors = 2;

/** Runs a command in this folder under the kernel, with the packages of this machine and of `node_modules`. */
export async function runUnder(
  { kernel: name, nft }: Platform,
  command: readonly string[],
  { report, tally, ...options }: RunOptions,
): Promise<VmResult> {
  const kernel = await provideKernel(name, cache, report);
  const newer = nft === undefined ? [] : [await provideNft(nft, cache, report)];
  report(`starting Linux ${kernel.release}`);
  const cwd = process.cwd();
  const path = [...newer, join(cwd, 'node_modules/.bin'), process.env.PATH, '/usr/sbin', '/sbin'].join(':');
  const env = { ...ownVariables(), PATH: path, HOME: '/root', LANG: 'C.UTF-8' };
  return runInVm(kernel, command, { ...options, cwd, env, processors }, tally);
}

function ownVariables(): Record<string, string> {
  const ours = Object.entries(process.env).filter(([name]) => name.startsWith('POSTERN_'));
  return Object.fromEntries(ours) as Record<string, string>;
}
