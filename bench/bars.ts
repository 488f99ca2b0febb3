import type { Result } from './figure.ts';
import { format } from './report.ts';

/** A figure that a bar judges. Numbers as text, so that those of a published page and of a run compare. */
export interface Judged {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly value: string;
  readonly bar: string;
  readonly holds: boolean;
}

/** Columns of the page: id, what, bound (bar), verdict, minimum, median and its unit. */
const row = /^\| (\S+) +\| (.+?) +\| (\S+) \((\S+)\) +\| (yes|\*\*no\*\*) +\| \S+ +\| \S+ ?(.*?) +\|/;

/** The figures of the page of an earlier run. */
export function readJudged(page: string): Judged[] {
  return page.split('\n').flatMap((line) => {
    const match = row.exec(line);
    if (!match) return [];
    const [, id, what, value, bar, verdict, unit] = match as unknown as string[];
    return [
      { id: id!, what: what!, unit: unit === '' ? 'ratio' : unit!, value: value!, bar: bar!, holds: verdict === 'yes' },
    ];
  });
}

/**
 * One row for each bar: of all figures that it judges, the one that is furthest on the wrong side, before and now. The earlier run counts with figures
 * that this run has too: the same bar may have judged something else.
 */
export function tableOfBars(results: readonly Result[], page: string): string {
  const names = new Set(results.map(nameOf));
  const comparable = readJudged(page).filter((judged) => names.has(nameOf(judged)));
  const before = Map.groupBy(comparable, keyOf);
  const now = Map.groupBy(
    results.filter(({ bar }) => bar !== undefined),
    (result) => keyOf(judgedOf(result)),
  );
  const rows = [...now].map(([key, own]) => {
    const isLeast = own[0]!.worse === 'less';
    const worst = worstOf(own.map(judgedOf), isLeast);
    const unit = worst.unit === 'ratio' ? '' : ` ${worst.unit}`;
    const then = before.get(key);
    const cell = (all: readonly Judged[]): string => {
      const held = all.filter(({ holds }) => holds).length;
      const { value } = worstOf(all, isLeast);
      return `${held === all.length ? value : `**${value}**`} (${held} of ${all.length})`;
    };
    const limit = `${isLeast ? 'at least' : 'at most'} ${worst.bar}${unit}`;
    return `| ${worst.id} | ${limit} | ${then ? cell(then) : ''} | ${cell(own.map(judgedOf))} | ${worst.what} |`;
  });
  return [
    '| | Bar | Before, if measured alike: the worst (how many hold) | Now | The worst figure now |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function judgedOf({ id, what, unit, value, bar, holds }: Result): Judged {
  return { id, what, unit, value: format(value), bar: format(bar!), holds: holds === true };
}

/** Without numbers: a rule set has other sizes after a change. */
function nameOf({ id, what }: Pick<Judged, 'id' | 'what'>): string {
  return `${id} ${what.replaceAll(/[\d.,]+/g, '')}`;
}

function keyOf({ id, bar, unit }: Judged): string {
  return [id, bar, unit].join();
}

function worstOf(all: readonly Judged[], isLeast: boolean): Judged {
  const sorted = all.toSorted((a, b) => Number(a.value) - Number(b.value));
  return isLeast ? sorted[0]! : sorted.at(-1)!;
}
