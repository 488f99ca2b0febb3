import { readdirSync, readFileSync } from 'node:fs';

/** `USER_HZ`, the unit of process times in /proc. It is 100 on all platforms of Node.js, for any HZ of the kernel. */
const ticksPerSecond = 100;

export interface ProcessorTime {
  /** Of the process itself, in milliseconds. */
  readonly own: number;
  /** Of its children, in milliseconds: exited ones that it has waited for, and running ones. */
  readonly children: number;
}

export function processorTime(pid: number): ProcessorTime {
  const [utime = 0, stime = 0, waitedUser = 0, waitedSystem = 0] = timesOf(pid);
  const living = childrenOf(pid).flatMap(timesOfChild);
  const children = [waitedUser, waitedSystem, ...living].reduce((sum, ticks) => sum + ticks, 0);
  return { own: inMilliseconds(utime + stime), children: inMilliseconds(children) };
}

function inMilliseconds(ticks: number): number {
  return (1000 * ticks) / ticksPerSecond;
}

/** utime, stime, cutime and cstime of proc_pid_stat(5). */
function timesOf(pid: number): number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may contain any text.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).map(Number);
}

/** None of a child that has ended since it was listed. */
function timesOfChild(pid: number): number[] {
  try {
    return timesOf(pid);
  } catch {
    return [];
  }
}

/** Children of all threads of the process. */
function childrenOf(pid: number): number[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
  return lists.flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number));
}
