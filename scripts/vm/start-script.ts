/** In the virtual machine, the folder that the machine reads afterwards. */
export const shared = '/run/vm';

export interface StartOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The kernel's version, as `uname -r` prints it, and the folder of its modules. */
  readonly release: string;
  readonly modules: string;
}

/** What the virtual machine runs once its files are there: the command, then off. */
export function renderStartScript({ command, cwd, env, release, modules }: StartOptions): string {
  const place = `/lib/modules/${release}`;
  return [
    '#!/bin/sh',
    'exec </dev/null >/dev/ttyS1 2>&1',
    // The terminal would add a carriage return to each line.
    'stty -F /dev/ttyS1 -opost',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`),
    'ip link set lo up',
    `mkdir -p ${place} && mount --bind ${quote(modules)} ${place}`,
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
