import { readClassCounts, type ClassCounts, type CountedClass } from '../compile/class-counters.ts';
import { families, type Family } from '../model/address.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ClassMetrics } from '../telemetry/metrics/classes.ts';
import { repeat } from './repeat.ts';

/** More names would make a label that nobody reads. */
const mostNames = 10;

const nothing: ClassCounts = { judged: 0, denied: 0 };
const noTable = '{"nftables": []}';

/** Our table of a family without elements, as nft lists it; `undefined` where there is none. */
type List = (family: Family, signal: AbortSignal) => Promise<string | undefined>;

/** Adds up what the classes count in the kernel. */
export class ClassCounter {
  readonly #list: List;
  readonly #metrics: ClassMetrics;
  #classes: readonly CountedClass[] = [];
  /** As nft had them at the last look; none before the first. */
  readonly #listings = new Map<Family, string>();

  constructor(list: List, metrics: ClassMetrics) {
    this.#list = list;
    this.#metrics = metrics;
  }

  /** The kernel holds these now. */
  applied(classes: readonly CountedClass[]): void {
    if (classes === this.#classes) return;
    this.#classes = classes;
    this.#metrics.classes(classes.map(({ policies, ...rest }) => ({ ...rest, policies: namesOf(policies) })));
  }

  /** What was counted before the first look is not this agent's. Rejects where the kernel cannot be asked. */
  async look(signal: AbortSignal): Promise<void> {
    for (const family of families) {
      const last = this.#listings.get(family);
      const listing = (await this.#list(family, signal)) ?? noTable;
      this.#listings.set(family, listing);
      if (last !== undefined) this.#count(family, last, listing);
    }
  }

  #count(family: Family, last: string, listing: string): void {
    const classes = this.#classes.filter((each) => each.family === family);
    const known = readClassCounts(last, classes);
    for (const [each, counts] of readClassCounts(listing, classes)) {
      const { judged, denied } = known.get(each) ?? nothing;
      // Written anew, it counts from 0.
      const before = counts.judged >= judged && counts.denied >= denied ? { judged, denied } : nothing;
      const newlyDenied = counts.denied - before.denied;
      this.#metrics.packets(each, 'denied', newlyDenied);
      // Packets that pass during the listing may be in one count and not in the other.
      this.#metrics.packets(each, 'allowed', Math.max(0, counts.judged - before.judged - newlyDenied));
    }
  }
}

/** Milliseconds between two looks: a listing of the rules alone, 20 ms for a thousand. */
const interval = 10_000;

/** Has them counted until the signal aborts. */
export function watchClasses(classes: ClassCounter, logger: Logger, signal: AbortSignal): void {
  const failed = (err: unknown): void => logger.warn({ err }, 'could not read what classes have counted');
  repeat(interval, () => classes.look(signal), { signal, failed });
}

function namesOf(policies: readonly string[]): string {
  const names = policies.slice(0, mostNames).join(' ');
  return policies.length > mostNames ? `${names} and ${policies.length - mostNames} more` : names;
}
