import { readdir } from 'node:fs/promises';
import { runCommand } from './command.ts';
import type { CommandOptions } from './command.ts';

const directory = '/run/netns';

/** Sysctls below net/, for example `ipv4/ip_forward`. */
export type Sysctls = Readonly<Record<string, string | number>>;

/** No duplicate address detection, so that addresses are usable at once. New namespaces inherit IPv4 settings, so these are set too. */
const baseSysctls: Sysctls = {
  'ipv6/conf/all/accept_dad': 0,
  'ipv6/conf/default/accept_dad': 0,
  'ipv4/conf/all/rp_filter': 0,
  'ipv4/conf/default/rp_filter': 0,
  'ipv4/ip_forward': 0,
};

export const routerSysctls: Sysctls = { 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1 };

export function namespacePath(name: string): string {
  return `${directory}/${name}`;
}

/** The command line that runs `file` in a network namespace. All other namespaces stay those of the machine. */
export function enterNamespace(name: string, file: string, args: readonly string[]): [string, string[]] {
  return ['nsenter', [`--net=${namespacePath(name)}`, '--', file, ...args]];
}

export function runInNamespace(
  name: string,
  file: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  return runCommand(...enterNamespace(name, file, args), options);
}

/** Creates a namespace with its loopback up. */
export async function createNamespace(name: string, sysctls: Sysctls = {}): Promise<void> {
  await runCommand('ip', ['netns', 'add', name]);
  const settings = Object.entries({ ...baseSysctls, ...sysctls });
  const script = settings.map(
    ([key, value]) => `[ ! -e /proc/sys/net/${key} ] || echo ${value} > /proc/sys/net/${key}`,
  );
  await runInNamespace(name, 'sh', ['-e'], { input: [...script, 'ip link set lo up', ''].join('\n') });
}

/** Lines of `ip -batch`. */
export function configureLinks(namespace: string, lines: readonly string[]): Promise<string> {
  return runCommand('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** Lines of `bridge -batch`. */
export function configureBridges(namespace: string, lines: readonly string[]): Promise<string> {
  return runCommand('bridge', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

export async function listNamespaces(prefix: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.filter((name) => name.startsWith(prefix)).sort();
}

/** Kills all processes in the namespace, then removes it. */
export async function deleteNamespace(name: string): Promise<void> {
  await killProcesses(name);
  await runCommand('ip', ['netns', 'delete', name]);
}

async function killProcesses(name: string): Promise<void> {
  // Repeats until none is left: a process may fork meanwhile.
  for (let rounds = 0; rounds < 10; rounds++) {
    const pids = (await runCommand('ip', ['netns', 'pids', name])).split('\n').filter((line) => line !== '');
    if (pids.length === 0) return;
    for (const pid of pids) kill(Number(pid));
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
