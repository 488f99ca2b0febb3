import { readdirSync, readFileSync } from 'node:fs';

/** Of the kernel's times of a process (`USER_HZ`): on every platform that has /proc the same, whatever the kernel's own. */
const ticksPerSecond = 100;

export interface ProcessorTime {
  /** Milliseconds of the process itself. */
  readonly own: number;
  /** Of those that it has started: those that it has waited for, and those that still run. */
  readonly children: number;
}

export function processorTime(pid: number): ProcessorTime {
  const [utime = 0, stime = 0, waitedUser = 0, waitedSystem = 0] = timesOf(pid);
  const living = childrenOf(pid).flatMap(timesOf);
  const children = [waitedUser, waitedSystem, ...living].reduce((sum, ticks) => sum + ticks, 0);
  return { own: inMilliseconds(utime + stime), children: inMilliseconds(children) };
}

function inMilliseconds(ticks: number): number {
  return (1000 * ticks) / ticksPerSecond;
}

/** utime, stime, cutime and cstime of proc_pid_stat(5). */
function timesOf(pid: number): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).map(Number);
}

/** Whichever of its threads has started them. */
function childrenOf(pid: number): number[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
  return lists.flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number));
}
