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
  /** The kernel seems to hold something else than was written, and all of it is read. `object` is a set or map; without, it is the chains, or the names and types of sets and maps. */
  different(family: TableFamily, object: string | undefined): void;
  /** Called for the first of a series of failures. A round without one ends the series. */
  failed(error: unknown): void;
  /** In so many rounds in a row, not all parts of the table could be compared, or one differed. Called once in a series. `object` as above, of the last such part. */
  unproven(family: TableFamily, rounds: number, object: string | undefined): void;
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
  readonly isRetry?: true;
}

/** Milliseconds between two looks. */
export const sampleEveryMs = 2000;
/** Looks in which all parts are compared, if none fails: in less than five minutes, so that no complete comparison is older than ten. */
const looksPerRound = 140;
/** Failed parts that have a second try in their round, each in a look of its own: what else failed in the same look may be readable. */
const mostRetries = 20;
/** Rounds without a complete comparison of a table, before a warning. */
const mostMissed = 3;
/** Milliseconds between two reads of all tables that find nothing: doubled up to a round. */
const longestPause = looksPerRound * sampleEveryMs;

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
  #retries: Part[] = [];
  #retried = 0;
  #perLook = 1;
  /** By table, when the round began to compare it, and how many of its parts are left. Missing if it cannot be proven in this round. */
  #round = new Map<TableFamily, { readonly begunAt: number; left: number }>();
  readonly #provenAt = new Map<TableFamily, number>();
  /** By table, rounds since it was last proven. */
  readonly #missed = new Map<TableFamily, number>();
  readonly #lastOdd = new Map<TableFamily, Part>();
  #hasFailed = false;
  #hadFailed = false;
  /** A part that differs, for which the tables have not been read yet. */
  #doubted: Part | undefined;
  #pause = 0;
  #readAgainAt = 0;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** Whole seconds since the first part of the last complete comparison of each table. A table in which something else was found since is missing. */
  get secondsAgo(): Partial<Record<TableFamily, number>> {
    const now = this.#options.clock.now();
    return Object.fromEntries(Array.from(this.#provenAt, ([family, at]) => [family, Math.round((now - at) / 1000)]));
  }

  /** To be called when a read of the tables found that the kernel holds something else in this one. */
  drifted(family: TableFamily): void {
    this.#provenAt.delete(family);
    this.#round.delete(family);
    this.#waiting = this.#waiting.filter((part) => part.family !== family);
    this.#retries = this.#retries.filter((part) => part.family !== family);
    this.#pause = this.#readAgainAt = 0;
  }

  /** Compares the next parts. To be called between two changes (`Reconciler.compare`). Resolves with false if the tables must be read. */
  readonly look: Compare = async (should) => {
    if (this.#waiting.length + this.#retries.length === 0) this.#begin(should);
    const parts = this.#waiting.length > 0 ? this.#waiting.splice(0, this.#perLook) : this.#retries.splice(0, 1);
    const results = await this.#compare(parts, should).catch((error: unknown): Result[] => {
      if (!this.#hasFailed && !this.#hadFailed && !this.#options.signal.aborted) this.#options.events.failed(error);
      this.#hasFailed = true;
      return parts.map(() => 'failed');
    });
    for (const [index, result] of results.entries()) this.#take(parts[index]!, result);
    return !this.#mustRead();
  };

  #take(part: Part, result: Result): void {
    const { family } = part;
    this.#options.events.compared(result);
    if (result === 'different') this.#doubted = part;
    if (result === 'failed' && !part.isRetry && this.#retried < mostRetries) {
      this.#retried++;
      this.#retries.push({ ...part, isRetry: true });
      return;
    }
    const round = this.#round.get(family);
    if (result !== 'same') {
      // A table is not proven without all of its parts. The next round compares it again.
      this.#round.delete(family);
      this.#lastOdd.set(family, part);
    } else if (round && --round.left === 0) {
      this.#provenAt.set(family, round.begunAt);
      this.#missed.set(family, 0);
    }
  }

  /** A read that finds nothing would find nothing again: a part may differ only in how it is read. A read that finds drift ends the pause. */
  #mustRead(): boolean {
    const now = this.#options.clock.now();
    if (!this.#doubted || now < this.#readAgainAt) return false;
    this.#options.events.different(this.#doubted.family, this.#doubted.name);
    this.#doubted = undefined;
    this.#pause = Math.min(Math.max(sampleEveryMs, 2 * this.#pause), longestPause);
    this.#readAgainAt = now + this.#pause;
    return true;
  }

  #begin(should: Ruleset): void {
    for (const [family, missed] of this.#missed) {
      if (missed === mostMissed) this.#options.events.unproven(family, missed, this.#lastOdd.get(family)?.name);
    }
    this.#round = new Map();
    this.#retried = 0;
    [this.#hadFailed, this.#hasFailed] = [this.#hasFailed, false];
    for (const family of tableFamilies) {
      const parts = partsOf(family, should[family]);
      this.#waiting.push(...parts);
      this.#round.set(family, { begunAt: this.#options.clock.now(), left: parts.length });
      this.#missed.set(family, (this.#missed.get(family) ?? 0) + 1);
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
    unproven(family, rounds, object) {
      logger.warn(
        { table: `${family} postern`, rounds, ...(object !== undefined && { object }) },
        "one of Postern's tables was not compared as a whole in the last rounds: parts of it cannot be read, change too often, or differ",
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
