import {
  tableFamilies,
  type NftSet,
  type Ruleset,
  type Table,
  type TableFamily,
  type VerdictMap,
} from '../nftables/ruleset.ts';
import { tablesUnlike } from '../plan/plan.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ApplyMetrics } from '../telemetry/metrics/apply.ts';
import type { Clock } from './clock.ts';
import type { KernelParts } from './kernel-tables.ts';
import type { Compare } from './reconciler.ts';

export interface SamplerEvents {
  compared(result: Result): void;
  /** The kernel does not hold what was written. `object` is a set or map; without, it is the chains, or the names and types of sets and maps. */
  different(family: TableFamily, object: string | undefined): void;
  /** Called for the first of a series of failures. */
  failed(error: unknown): void;
}

interface SamplerOptions {
  readonly parts: KernelParts;
  readonly clock: Pick<Clock, 'now'>;
  readonly signal: AbortSignal;
  readonly events: SamplerEvents;
}

type Result = 'same' | 'different' | 'failed';

/** One set or map; without a name, everything else of the table. */
interface Part {
  readonly family: TableFamily;
  readonly kind?: 'sets' | 'maps';
  readonly name?: string;
}

/** Milliseconds between two looks. */
export const sampleEveryMs = 2000;
/** Looks in which all parts are compared, if none fails: in less than five minutes, so that no complete comparison is older than ten. */
const looksPerRound = 140;

/**
 * Compares what the kernel holds with what it should hold, a few parts in each look, and all of them in a round of five minutes. The drift watch counts
 * transactions, and reads only if one is not the agent's. So it cannot see that a write of the agent did something else than was meant, that another
 * program's transaction took the place of one of the agent's that changed nothing, and what happens while `nft monitor` does not run.
 *
 * Sets that packets fill are left out: what they hold is not written by the agent.
 */
export class KernelSampler {
  readonly #options: SamplerOptions;
  #waiting: Part[] = [];
  #perLook = 1;
  /** By table, when the round began to compare it, and how many of its parts are left. */
  #round = new Map<TableFamily, { readonly begunAt: number; left: number }>();
  readonly #provenAt = new Map<TableFamily, number>();
  #isFailing = false;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** Whole seconds since the first part of the last complete comparison of each table. A table in which something else was found since is missing. */
  get secondsAgo(): Partial<Record<TableFamily, number>> {
    const now = this.#options.clock.now();
    return Object.fromEntries(Array.from(this.#provenAt, ([family, at]) => [family, Math.round((now - at) / 1000)]));
  }

  /** To be called when the kernel was found to hold something else in this table. */
  drifted(family: TableFamily): void {
    this.#provenAt.delete(family);
    this.#round.delete(family);
    this.#waiting = this.#waiting.filter((part) => part.family !== family);
  }

  /** Compares the next parts. To be called between two changes (`Reconciler.compare`). */
  readonly look: Compare = async (should) => {
    if (this.#waiting.length === 0) this.#begin(should);
    const parts = this.#waiting.splice(0, this.#perLook);
    const results = await this.#compare(parts, should).catch((error: unknown): Result[] => {
      if (!this.#isFailing && !this.#options.signal.aborted) this.#options.events.failed(error);
      this.#isFailing = true;
      return parts.map(() => 'failed');
    });
    for (const [index, result] of results.entries()) this.#take(parts[index]!, result);
    return !results.includes('different');
  };

  #take(part: Part, result: Result): void {
    const { events } = this.#options;
    events.compared(result);
    if (result === 'different') events.different(part.family, part.name);
    const round = this.#round.get(part.family);
    // A table is not proven without all of its parts.
    if (result !== 'same') this.#waiting.push(part);
    else if (round && --round.left === 0) this.#provenAt.set(part.family, round.begunAt);
  }

  #begin(should: Ruleset): void {
    this.#round = new Map();
    this.#isFailing = false;
    for (const family of tableFamilies) {
      const parts = partsOf(family, should[family]);
      this.#waiting.push(...parts);
      this.#round.set(family, { begunAt: this.#options.clock.now(), left: parts.length });
    }
    this.#perLook = Math.ceil(this.#waiting.length / looksPerRound);
  }

  async #compare(parts: readonly Part[], should: Ruleset): Promise<Result[]> {
    const { parts: kernel, signal } = this.#options;
    const writtenOf = ({ family, kind, name }: Part): NftSet | VerdictMap | undefined =>
      kind && name !== undefined ? should[family]?.[kind].get(name) : undefined;
    const objects = parts.flatMap((part) => {
      const object = writtenOf(part);
      return object ? [{ family: part.family, object }] : [];
    });
    const found = objects.length > 0 ? [...(await kernel.readObjects(objects, signal))] : [];
    const results: Result[] = [];
    for (const part of parts) {
      const { family, kind } = part;
      const written = writtenOf(part);
      if (!kind) {
        const rules = await kernel.readRules(family, signal);
        results.push(isLike(family, should[family], rules && withElementsOf(rules, should[family])));
      } else if (!written) {
        // It has gone since the round began.
        results.push('same');
      } else {
        const object = found.shift();
        results.push(object === 'changed' ? 'failed' : isLike(family, only(kind, written), only(kind, object)));
      }
    }
    return results;
  }
}

/** Logs and counts. */
export function samplerReport(metrics: Pick<ApplyMetrics, 'compared'>, logger: Logger): SamplerEvents {
  return {
    compared: (result) => metrics.compared(result),
    different(family, object) {
      const message = "one of Postern's tables does not hold what the agent wrote; the agent reads it, and restores it";
      logger.error({ table: `${family} postern`, ...(object !== undefined && { object }) }, message);
    },
    failed(err) {
      logger.warn(
        { err },
        "could not compare a part of Postern's tables with what it should hold; the agent tries again",
      );
    },
  };
}

function partsOf(family: TableFamily, table: Table | undefined): Part[] {
  if (!table) return [{ family }];
  const sets = [...table.sets.values()].filter((set) => !set.records);
  return [
    { family },
    ...sets.map(({ name }): Part => ({ family, kind: 'sets', name })),
    ...Array.from(table.maps.keys(), (name): Part => ({ family, kind: 'maps', name })),
  ];
}

function isLike(family: TableFamily, written: Table | undefined, found: Table | undefined): 'same' | 'different' {
  const of = (table: Table | undefined): Ruleset => (table ? { [family]: table } : {});
  return tablesUnlike(of(written), of(found)).length === 0 ? 'same' : 'different';
}

/** The table as found, with the elements as written: they are compared apart. */
function withElementsOf(found: Table, written: Table | undefined): Table {
  const fill = <T extends NftSet | VerdictMap>(
    objects: ReadonlyMap<string, T>,
    from: ReadonlyMap<string, T> | undefined,
  ): ReadonlyMap<string, T> =>
    new Map(
      Array.from(objects, ([name, each]) => [name, { ...each, elements: from?.get(name)?.elements ?? each.elements }]),
    );
  return { ...found, sets: fill(found.sets, written?.sets), maps: fill(found.maps, written?.maps) };
}

/** A table with nothing else. */
function only(kind: 'sets' | 'maps', object: NftSet | VerdictMap | undefined): Table {
  const nothing: Table = { sets: new Map(), maps: new Map(), chains: new Map() };
  return object ? { ...nothing, [kind]: new Map([[object.name, object]]) } : nothing;
}
