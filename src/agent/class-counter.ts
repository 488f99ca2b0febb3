import { readClassCounts, type ClassCounts, type CountedClass } from '../compile/class-counters.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ClassMetrics } from '../telemetry/metrics/classes.ts';
import { repeat } from './repeat.ts';

/** More names would make a label that nobody reads. */
const mostNames = 10;

const nothing: ClassCounts = { judged: 0, denied: 0 };
const noTable = '{"nftables": []}';

/** Adds up what the classes count in the kernel. */
export class ClassCounter {
  readonly #list: (signal: AbortSignal) => Promise<string | undefined>;
  readonly #metrics: ClassMetrics;
  #classes: readonly CountedClass[] = [];
  /** As nft had it at the last look; `undefined` before the first. */
  #listing: string | undefined;

  /** @param list our table without elements, as nft lists it; `undefined` where there is none */
  constructor(list: (signal: AbortSignal) => Promise<string | undefined>, metrics: ClassMetrics) {
    this.#list = list;
    this.#metrics = metrics;
  }

  /** The kernel holds these now. */
  applied(classes: readonly CountedClass[]): void {
    if (classes === this.#classes) return;
    this.#classes = classes;
    this.#metrics.classes(classes.map(({ name, pods, policies }) => ({ name, pods, policies: namesOf(policies) })));
  }

  /** What was counted before the first look is not this agent's. Rejects where the kernel cannot be asked. */
  async look(signal: AbortSignal): Promise<void> {
    const last = this.#listing;
    const listing = (await this.#list(signal)) ?? noTable;
    this.#listing = listing;
    if (last === undefined) return;
    const classes = this.#classes;
    const known = readClassCounts(last, classes);
    for (const [name, counts] of readClassCounts(listing, classes)) {
      const { judged, denied } = known.get(name) ?? nothing;
      // Written anew, it counts from 0.
      const before = counts.judged >= judged && counts.denied >= denied ? { judged, denied } : nothing;
      const newlyDenied = counts.denied - before.denied;
      this.#metrics.packets(name, 'denied', newlyDenied);
      // Packets that pass during the listing may be in one count and not in the other.
      this.#metrics.packets(name, 'allowed', Math.max(0, counts.judged - before.judged - newlyDenied));
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
