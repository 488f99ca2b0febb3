import type { Direction } from '../../model/policy.ts';
import type { DescribedDenial } from './describe-denial.ts';

/** What users of a pod's namespace are told: so many connections, and the last of them in words for them. Times are as they were given. */
export interface PodDenials {
  /** `namespace/name` */
  readonly pod: string;
  readonly direction: Direction;
  readonly connections: number;
  readonly since: number;
  readonly until: number;
  readonly last: DescribedDenial;
}

interface Tally extends Omit<PodDenials, 'last'> {
  readonly last: DescribedDenial | undefined;
  readonly toldAt: number;
}

/** So seldom is a pod's owner told of one direction. */
const pauseMs = 600_000;
/** What is older is no news. */
const newsMs = 60_000;

/** Gathers what is denied to each pod in each direction, so that its owner is told of many connections at once. */
export class DenialTally {
  readonly #tallies = new Map<string, Tally>();

  count(pod: string, direction: Direction, connections: number, at: number): void {
    const known = this.#tallies.get(`${pod} ${direction}`);
    const isFresh = known !== undefined && known.connections > 0;
    this.#tallies.set(`${pod} ${direction}`, {
      pod,
      direction,
      connections: (known?.connections ?? 0) + connections,
      since: isFresh ? known.since : at,
      until: at,
      last: known?.last,
      toldAt: known?.toldAt ?? -Infinity,
    });
  }

  /** One of those that were counted, in words for users of the pod's namespace (S9.14). */
  describe(pod: string, last: DescribedDenial): void {
    const key = `${pod} ${last.direction}`;
    const tally = this.#tallies.get(key);
    if (tally) this.#tallies.set(key, { ...tally, last });
  }

  /** Of the pods that may be told of again, the one with most. Times are milliseconds of a clock that never goes back. */
  next(now: number): PodDenials | undefined {
    let chosen: PodDenials | undefined;
    for (const [key, tally] of this.#tallies) {
      if (now - tally.toldAt < pauseMs) continue;
      const { last, connections } = tally;
      // Nobody has been denied anything there for as long.
      if (now - tally.until > newsMs) this.#tallies.delete(key);
      else if (last && connections > (chosen?.connections ?? 0)) chosen = { ...tally, last };
    }
    if (!chosen) return undefined;
    const { pod, direction } = chosen;
    this.#tallies.set(`${pod} ${direction}`, { ...chosen, connections: 0, last: undefined, toldAt: now });
    return chosen;
  }

  /** Forgets the pods that are not there any more. */
  keep(isThere: (pod: string) => boolean): void {
    for (const [key, { pod }] of this.#tallies) if (!isThere(pod)) this.#tallies.delete(key);
  }

  get size(): number {
    return this.#tallies.size;
  }
}
