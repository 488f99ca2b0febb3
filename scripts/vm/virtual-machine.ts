import { execa } from 'execa';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tallyVariable } from '../tally.ts';
import type { Kernel } from './kernel-files.ts';
import { renderStartScript, shared } from './start-script.ts';

export interface VmOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folders of this machine, each with its place in the virtual machine. */
  readonly folders: Readonly<Record<string, string>>;
  readonly megabytes: number;
  readonly processors: number;
  readonly minutes: number;
  /** Receives what the command prints. */
  readonly output: NodeJS.WritableStream;
  /** Where the command's tally goes. */
  readonly tally?: string | undefined;
}

export interface VmResult {
  /** `undefined` if the command did not end: the virtual machine stopped, or its time was up. */
  readonly exitCode: number | undefined;
  /** What the kernel printed. */
  readonly console: string;
}

/**
 * Runs a command as root under the kernel, over this machine's files, in qemu without hardware virtualisation: five to ten times slower than the
 * machine. Of what it writes, only its tally stays.
 */
export async function runInVm(kernel: Kernel, command: readonly string[], options: VmOptions): Promise<VmResult> {
  const { cwd, megabytes, processors, minutes, output, tally } = options;
  const folder = await mkdtemp(join(tmpdir(), 'postern-vm-'));
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  try {
    const folders = { ...options.folders, [kernel.modules]: `/lib/modules/${kernel.release}` };
    const env = { ...options.env, [tallyVariable]: `${shared}/tally` };
    await writeFile(join(folder, 'start'), renderStartScript({ command, cwd, env, folders }));
    await chmod(join(folder, 'start'), 0o755);
    const share = (path: string, tag: string, extra: string): string[] => {
      return ['-virtfs', `local,path=${path},mount_tag=${tag},security_model=none${extra}`];
    };
    const qemu = execa(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', `${processors}`, '-m', `${megabytes}M`],
        ...['-nodefaults', '-no-user-config', '-nographic', '-no-reboot'],
        ...['-kernel', kernel.image, '-initrd', kernel.initrd],
        ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr'],
        ...['-serial', `file:${join(folder, 'console')}`, '-serial', 'stdio'],
        ...share('/', 'machine', ',readonly=on,multidevs=remap'),
        ...share(folder, 'out', ''),
      ],
      {
        stdin: 'ignore',
        stderr: 'inherit',
        buffer: false,
        reject: false,
        timeout: minutes * 60_000,
        cancelSignal: interrupt.signal,
      },
    );
    qemu.stdout.pipe(output, { end: false });
    await qemu;
    const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
    const [exitCode, counted] = [await read('exit-code'), await read('tally')];
    if (tally !== undefined && counted !== '') await writeFile(tally, counted);
    return { exitCode: exitCode === '' ? undefined : Number(exitCode), console: await read('console') };
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    await rm(folder, { recursive: true, force: true });
  }
}
