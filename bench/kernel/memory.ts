import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

/** What the kernel allocates for rules, sets and their elements: slabs and large blocks, `Percpu` for counters, and large tables by vmalloc. */
const fields = ['SUnreclaim', 'Percpu', 'VmallocUsed'] as const;
const everyMs = 250;
/** Readings within `calmMB` that count as settled: the kernel frees what was deleted some time later. */
const calmReadings = 8;
const calmMB = 0.5;
const patienceMs = 60_000;

/** Megabytes of the whole machine, so that only differences on an idle machine mean something. Waits until they do not change. */
export async function settledKernelMemory(): Promise<number> {
  const end = performance.now() + patienceMs;
  const readings: number[] = [];
  for (;;) {
    readings.push(readKernelMemory(await readFile('/proc/meminfo', 'utf8')));
    const last = readings.slice(-calmReadings);
    const isCalm = last.length === calmReadings && Math.max(...last) - Math.min(...last) <= calmMB;
    if (isCalm || performance.now() > end) return last.at(-1)!;
    await wait(everyMs);
  }
}

export function readKernelMemory(meminfo: string): number {
  const kilobytes = fields.map((field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(meminfo)![1]));
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}
