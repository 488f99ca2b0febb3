import { readClassCounts, type ClassCounts, type CountedClass } from '../compile/class-counters.ts';
import { families, type Family } from '../model/address.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ClassMetrics } from '../telemetry/metrics/classes.ts';
import { repeat } from './repeat.ts';

/** The maximum number of policy names in a label. */
const mostNames = 10;

const nothing: ClassCounts = { judged: 0, denied: 0 };
const noTable = '{"nftables": []}';

/** Lists our table of a family without elements, as nft JSON; `undefined` if it does not exist. */
type List = (family: Family, signal: AbortSignal) => Promise<string | undefined>;

/** Adds the packet counters of classes in the kernel to the metrics. */
export class ClassCounter {
  readonly #list: List;
  readonly #metrics: ClassMetrics;
  #classes: readonly CountedClass[] = [];
  /** The listings of the last look; empty before the first. */
  readonly #listings = new Map<Family, string>();

  constructor(list: List, metrics: ClassMetrics) {
    this.#list = list;
    this.#metrics = metrics;
  }

  /** To be called with the classes that the kernel holds now. */
  applied(classes: readonly CountedClass[]): void {
    if (classes === this.#classes) return;
    this.#classes = classes;
    this.#metrics.classes(classes.map(({ policies, ...rest }) => ({ ...rest, policies: namesOf(policies) })));
  }

  /** The first look only sets the baseline: earlier packets belong to an earlier agent. Rejects if nft fails. */
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
      // A counter starts at 0 when the agent writes its chain again.
      const before = counts.judged >= judged && counts.denied >= denied ? { judged, denied } : nothing;
      const newlyDenied = counts.denied - before.denied;
      this.#metrics.packets(each, 'denied', newlyDenied);
      // A packet that passes during the listing may be in one of the two counters only.
      this.#metrics.packets(each, 'allowed', Math.max(0, counts.judged - before.judged - newlyDenied));
    }
  }
}

/** Milliseconds between two looks. Each lists the rules without elements, which takes 20 ms for a thousand rules. */
const interval = 10_000;

/** Reads the counters regularly until the signal aborts. */
export function watchClasses(classes: ClassCounter, logger: Logger, signal: AbortSignal): void {
  const failed = (err: unknown): void => logger.warn({ err }, 'could not read the packet counters of classes');
  repeat(interval, () => classes.look(signal), { signal, failed });
}

function namesOf(policies: readonly string[]): string {
  const names = policies.slice(0, mostNames).join(' ');
  return policies.length > mostNames ? `${names} and ${policies.length - mostNames} more` : names;
}
