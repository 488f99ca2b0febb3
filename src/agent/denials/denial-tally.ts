import type { Direction } from '../../model/policy.ts';
import type { DescribedDenial } from './describe-denial.ts';

/** Denied connections of a pod in one direction, for users of its namespace. Times are those of `count`. */
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
  readonly reportedAt: number;
}

/** The minimum time between two reports for one pod and direction. */
const pauseMs = 600_000;
/** Older denials are not reported. */
const maxAgeMs = 60_000;

/** Collects the denials of each pod and direction, so that one Event reports many connections. */
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
      reportedAt: known?.reportedAt ?? -Infinity,
    });
  }

  /** Sets the description of one of the counted denials, as users of the pod's namespace may read it (S9.14). */
  describe(pod: string, last: DescribedDenial): void {
    const key = `${pod} ${last.direction}`;
    const tally = this.#tallies.get(key);
    if (tally) this.#tallies.set(key, { ...tally, last });
  }

  /** Returns the pod with the most denied connections among those that may be reported now. Times are milliseconds of a monotonic clock. */
  next(now: number): PodDenials | undefined {
    let chosen: PodDenials | undefined;
    for (const [key, tally] of this.#tallies) {
      if (now - tally.reportedAt < pauseMs) continue;
      const { last, connections } = tally;
      // Nothing was denied to this pod recently.
      if (now - tally.until > maxAgeMs) this.#tallies.delete(key);
      else if (last && connections > (chosen?.connections ?? 0)) chosen = { ...tally, last };
    }
    if (!chosen) return undefined;
    const { pod, direction } = chosen;
    this.#tallies.set(`${pod} ${direction}`, { ...chosen, connections: 0, last: undefined, reportedAt: now });
    return chosen;
  }

  /** Forgets pods that no longer exist. */
  keep(isThere: (pod: string) => boolean): void {
    for (const [key, { pod }] of this.#tallies) if (!isThere(pod)) this.#tallies.delete(key);
  }

  get size(): number {
    return this.#tallies.size;
  }
}
