import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { monitorArguments } from '../../src/nftables/transactions.ts';

/**
 * Maximum use of an agent's nft processes. A run is a process that exits after its work. The monitor and the session for small scripts
 * (`nft -i`) stay, so they do not count as runs; the latency of changes includes the time of the session.
 */
export interface NftUse {
  readonly peakMB: number;
  readonly longestSeconds: number;
}

const monitor = monitorArguments.join('\0');

/** Polls the children of a process until `stop`. */
export class ProcessWatch {
  readonly #parent: number;
  readonly #started = new Map<number, number>();
  #peakKB = 0;
  #longest = 0;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(parent: number) {
    this.#parent = parent;
    this.#running = this.#run();
  }

  async stop(): Promise<NftUse> {
    this.#stopped = true;
    await this.#running;
    return { peakMB: this.#peakKB / 1024, longestSeconds: this.#longest / 1000 };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const now = performance.now();
      const seen = new Set<number>();
      for (const pid of await childrenOf(this.#parent)) {
        const [status, line] = await Promise.all(['status', 'cmdline'].map((name) => read(`/proc/${pid}/${name}`)));
        if (!/^Name:\s+nft$/m.test(status!)) continue;
        this.#peakKB = Math.max(this.#peakKB, Number(/^VmHWM:\s+(\d+)/m.exec(status!)?.[1] ?? 0));
        if (line!.includes('\0-i\0') || line!.includes(monitor)) continue;
        seen.add(pid);
        if (!this.#started.has(pid)) this.#started.set(pid, now);
        this.#longest = Math.max(this.#longest, now - this.#started.get(pid)!);
      }
      for (const pid of this.#started.keys()) if (!seen.has(pid)) this.#started.delete(pid);
      await wait(10);
    }
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(threads.map((thread) => read(`/proc/${pid}/task/${thread}/children`)));
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
