import { parseArgs } from 'node:util';
import { kernels, nftVersions, type KernelName, type NftVersion } from './kernels.ts';
import { runUnder } from './run-under.ts';

const usage = `Usage: npm run vm -- KERNEL [--nft VERSION] -- COMMAND [ARGUMENT…]

Runs the command as root under another Linux kernel, in qemu, over a copy of this machine's files that is gone afterwards.
The command starts in the same folder. It is five to ten times slower than here. Exits with its exit code, or with 124 if it
does not end in time.

  KERNEL             ${Object.keys(kernels).join(', ')}; Debian has them, and ~/.cache/postern keeps them
      --nft VERSION  another version of nft: ${Object.keys(nftVersions).join(', ')}
      --memory MB    memory of the virtual machine (default 3072)
      --minutes N    its time (default 30)

Examples:
  npm run vm -- 6.1 -- uname -a
  npm run vm -- 5.10 -- mocha test/nftables/render.kernel.test.ts
  npm run vm -- 7.3 --nft 1.1.7 -- sh -c 'modprobe macvlan && nft --version'
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      nft: { type: 'string' },
      memory: { type: 'string', default: '3072' },
      minutes: { type: 'string', default: '30' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const [kernel, ...command] = positionals;
  const problem = findProblem(kernel, command, values.nft);
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n\n${usage}`);
    return 2;
  }
  const { exitCode, console } = await runUnder(
    { kernel: kernel as KernelName, nft: values.nft as NftVersion | undefined },
    command,
    {
      megabytes: Number(values.memory),
      minutes: Number(values.minutes),
      output: process.stdout,
      tally: process.env.POSTERN_TALLY,
      report: (text) => process.stderr.write(`vm: ${text}\n`),
    },
  );
  if (exitCode === undefined) {
    const last = console.trim().split('\n').slice(-20).join('\n');
    process.stderr.write(`vm: the command did not end within ${values.minutes} minutes, or the kernel stopped:\n${last}\n`);
  }
  return exitCode ?? 124;
}

function findProblem(kernel: string | undefined, command: readonly string[], nft: string | undefined): string | undefined {
  if (process.arch !== 'x64') return `no kernels for ${process.arch}: the virtual machine runs those of amd64`;
  if (kernel === undefined || !Object.hasOwn(kernels, kernel)) return `unknown kernel ${kernel ?? ''}`.trim();
  if (nft !== undefined && !Object.hasOwn(nftVersions, nft)) return `unknown version of nft ${nft}`;
  if (command.length === 0) return 'no command';
  return undefined;
}

process.exitCode = await main();
