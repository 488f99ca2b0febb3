import { homedir } from 'node:os';
import { join } from 'node:path';
import { provideKernel } from './kernel-files.ts';
import type { KernelName, NftVersion } from './kernels.ts';
import { nftPlace, provideNft } from './nft-files.ts';
import { runInVm, type VmOptions, type VmResult } from './virtual-machine.ts';

/** A Linux kernel, and a version of nft if not the machine's own. */
export interface Platform {
  readonly kernel: KernelName;
  readonly nft?: NftVersion | undefined;
}

export interface RunOptions extends Pick<VmOptions, 'megabytes' | 'minutes' | 'output' | 'tally'> {
  /** Receives what takes long. */
  readonly report: (text: string) => void;
  /** Environment variables besides those of this process that are Postern's. */
  readonly env?: Readonly<Record<string, string>>;
}

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'postern');
const processors = 2;

/** Runs a command in this folder under the kernel, with the packages of this machine and of `node_modules`. */
export async function runUnder(
  { kernel: name, nft }: Platform,
  command: readonly string[],
  { report, env: more, ...options }: RunOptions,
): Promise<VmResult> {
  if (process.arch !== 'x64')
    throw new Error(`no kernels for ${process.arch}: the virtual machine runs those of amd64`);
  const kernel = await provideKernel(name, cache, report);
  const folders = nft === undefined ? {} : { [await provideNft(nft, cache, report)]: nftPlace };
  report(`starting Linux ${kernel.release}`);
  const cwd = process.cwd();
  const path = [join(nftPlace, 'path'), join(cwd, 'node_modules/.bin'), process.env.PATH, '/usr/sbin', '/sbin'].join(
    ':',
  );
  const env = { ...findOwnVariables(), ...more, PATH: path, HOME: '/root', LANG: 'C.UTF-8' };
  return runInVm(kernel, command, { ...options, cwd, env, folders, processors });
}

function findOwnVariables(): Record<string, string> {
  const ours = Object.entries(process.env).filter(([name]) => name.startsWith('POSTERN_'));
  return Object.fromEntries(ours) as Record<string, string>;
}
