import type { DescribedDenial } from './describe-denial.ts';

/** What an owner of a pod is told: so many connections, of which the last was this. */
export interface PodDenials {
  /** `namespace/name` */
  readonly pod: string;
  readonly connections: number;
  readonly last: DescribedDenial;
}

interface Tally {
  connections: number;
  last: DescribedDenial | undefined;
  toldAt: number;
}

/** So seldom is a pod's owner told of one direction. */
const pauseMs = 600_000;

/** Gathers what is denied to each pod in each direction, so that a pod has one Event of many connections. */
export class DenialTally {
  readonly #tallies = new Map<string, Tally>();

  /** @param last one of them that is described */
  count(pod: string, direction: string, connections: number, last?: DescribedDenial): void {
    const key = `${pod} ${direction}`;
    const tally = this.#tallies.get(key) ?? { connections: 0, last: undefined, toldAt: -Infinity };
    tally.connections += connections;
    tally.last = last ?? tally.last;
    this.#tallies.set(key, tally);
  }

  /** Of the pods that may be told of again, the one with most. Times are milliseconds of a clock that never goes back. */
  next(now: number): PodDenials | undefined {
    let chosen: { readonly key: string; readonly tally: Tally; readonly last: DescribedDenial } | undefined;
    for (const [key, tally] of this.#tallies) {
      const isDue = now - tally.toldAt >= pauseMs;
      // Nobody has been denied anything there for as long.
      if (isDue && tally.connections === 0) this.#tallies.delete(key);
      const { last } = tally;
      if (!isDue || !last || tally.connections <= (chosen?.tally.connections ?? 0)) continue;
      chosen = { key, tally, last };
    }
    if (!chosen) return undefined;
    const { key, tally, last } = chosen;
    const { connections } = tally;
    this.#tallies.set(key, { connections: 0, last: undefined, toldAt: now });
    return { pod: key.split(' ')[0]!, connections, last };
  }

  /** Forgets the pods that are not there any more. */
  keep(isThere: (pod: string) => boolean): void {
    for (const key of this.#tallies.keys()) if (!isThere(key.split(' ')[0]!)) this.#tallies.delete(key);
  }

  get size(): number {
    return this.#tallies.size;
  }
}
