import { parseArgs } from 'node:util';
import { isKernelName, isNftVersion, kernels, nftVersions } from './kernels.ts';
import type { Platform } from './run-under.ts';

export const usage = `Usage: npm run vm -- KERNEL [--nft VERSION] -- COMMAND [ARGUMENT…]

Runs the command as root under another Linux kernel, in qemu, over a view of this machine's files. What it writes is gone afterwards.
The command starts in the same folder. It is five to ten times slower than here: set POSTERN_TIME_FACTOR=10 for tests.
Exits with its exit code, or with 124 if it does not end in time.

  KERNEL             ${Object.keys(kernels).join(', ')}; Debian has them, and ~/.cache/postern keeps them
      --nft VERSION  another version of nft: ${Object.keys(nftVersions).join(', ')}
      --memory MB    memory of the virtual machine (default 3072)
      --minutes N    its time (default 30)

Examples:
  npm run vm -- 6.1 -- uname -a
  POSTERN_TIME_FACTOR=10 npm run vm -- 6.12 -- mocha test/nftables/render.kernel.test.ts
  npm run vm -- 7.3 --nft 1.1.7 -- sh -c 'modprobe macvlan && nft --version'
`;

export interface VmArguments {
  readonly platform: Platform;
  readonly command: readonly string[];
  readonly megabytes: number;
  readonly minutes: number;
}

/** Reads the arguments of `npm run vm`. Returns a string that says what is wrong with them. */
export function readArguments(words: readonly string[]): VmArguments | 'help' | { readonly problem: string } {
  const end = words.indexOf('--');
  const own = end === -1 ? words : words.slice(0, end);
  const command = end === -1 ? [] : words.slice(end + 1);
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      allowPositionals: true,
      options: {
        nft: { type: 'string' },
        memory: { type: 'string', default: '3072' },
        minutes: { type: 'string', default: '30' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return 'help';
    const [kernel = '', ...rest] = positionals;
    const { nft } = values;
    if (!isKernelName(kernel)) return { problem: kernel === '' ? 'no kernel' : `unknown kernel ${kernel}` };
    if (nft !== undefined && !isNftVersion(nft)) return { problem: `unknown version of nft ${nft}` };
    if (rest.length > 0 || command.length === 0) return { problem: 'no command: it stands after --' };
    const [megabytes, minutes] = [Number(values.memory), Number(values.minutes)];
    if (!(megabytes >= 512)) return { problem: '--memory must be a number from 512' };
    if (!(minutes > 0)) return { problem: '--minutes must be a number above 0' };
    return { platform: { kernel, nft }, command, megabytes, minutes };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}
