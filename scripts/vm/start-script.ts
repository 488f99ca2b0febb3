/** In the virtual machine, the folder that the machine reads afterwards. */
export const shared = '/run/vm';

export interface StartOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folders of this machine, each with its place in the virtual machine. */
  readonly folders: Readonly<Record<string, string>>;
}

/** What the virtual machine runs once its files are there: the command, then off. */
export function renderStartScript({ command, cwd, env, folders }: StartOptions): string {
  return [
    '#!/bin/sh',
    'exec </dev/null >/dev/ttyS1 2>&1',
    // The terminal would add a carriage return to each line.
    'stty -F /dev/ttyS1 -opost',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`),
    'ip link set lo up',
    ...Object.entries(folders).map(([from, to]) => `mkdir -p ${quote(to)} && mount --bind ${quote(from)} ${quote(to)}`),
    // As on a node with a bridge: the kernel loads it by no other way.
    'modprobe br_netfilter',
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
