import { execa } from 'execa';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from './kernel-files.ts';

export interface VmOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly megabytes: number;
  readonly processors: number;
  readonly minutes: number;
  /** Receives what the command prints. */
  readonly output: NodeJS.WritableStream;
}

export interface VmResult {
  /** `undefined` if the command did not end: the virtual machine stopped, or its time was up. */
  readonly exitCode: number | undefined;
  /** What the kernel printed. */
  readonly console: string;
}

/** In the virtual machine, the folder that the machine reads afterwards. */
const shared = '/run/vm';

/**
 * Runs a command as root under the kernel, over this machine's files, in qemu without hardware virtualisation: five to ten times slower than the
 * machine. Of what it writes, only the contents of the file $POSTERN_TALLY stay, at `tally`.
 */
export async function runInVm(kernel: Kernel, command: readonly string[], options: VmOptions, tally?: string): Promise<VmResult> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-vm-'));
  try {
    await writeFile(join(folder, 'start'), startScript(kernel, command, options));
    await chmod(join(folder, 'start'), 0o755);
    const share = (path: string, tag: string, extra: string): string[] => {
      return ['-virtfs', `local,path=${path},mount_tag=${tag},security_model=none${extra}`];
    };
    const qemu = execa(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', `${options.processors}`, '-m', `${options.megabytes}M`],
        ...['-nodefaults', '-no-user-config', '-nographic', '-no-reboot'],
        ...['-kernel', kernel.image, '-initrd', kernel.initrd],
        ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr'],
        ...['-serial', `file:${join(folder, 'console')}`, '-serial', 'stdio'],
        ...share('/', 'machine', ',readonly=on,multidevs=remap'),
        ...share(folder, 'out', ''),
      ],
      { stdin: 'ignore', stderr: 'inherit', buffer: false, reject: false, timeout: options.minutes * 60_000 },
    );
    qemu.stdout.pipe(options.output, { end: false });
    await qemu;
    const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
    const [exitCode, counted] = [await read('exit-code'), await read('tally')];
    if (tally !== undefined && counted !== '') await writeFile(tally, counted);
    return { exitCode: exitCode === '' ? undefined : Number(exitCode), console: await read('console') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function startScript(kernel: Kernel, command: readonly string[], { cwd, env }: VmOptions): string {
  const variables = Object.entries({ ...env, POSTERN_TALLY: `${shared}/tally` });
  const modules = `/lib/modules/${kernel.release}`;
  return [
    '#!/bin/sh',
    'exec </dev/null >/dev/ttyS1 2>&1',
    // The terminal would add a carriage return to each line.
    'stty -F /dev/ttyS1 -opost',
    ...variables.map(([name, value]) => `export ${name}=${quote(value)}`),
    'ip link set lo up',
    `mkdir -p ${modules} && mount --bind ${quote(kernel.modules)} ${modules}`,
    `cd ${quote(cwd)}`,
    command.map(quote).join(' '),
    `echo $? >${shared}/exit-code`,
    'sync',
    // Powers off at once: nothing of the virtual machine stays.
    'echo o >/proc/sysrq-trigger',
    'sleep 60',
    '',
  ].join('\n');
}

function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
