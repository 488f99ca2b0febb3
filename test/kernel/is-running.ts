import { readdir, readlink } from 'node:fs/promises';

/** Whether a process runs this program. */
export async function isRunning(program: string): Promise<boolean> {
  for (const pid of await readdir('/proc')) {
    if ((await readlink(`/proc/${pid}/exe`).catch(() => '')) === program) return true;
  }
  return false;
}
