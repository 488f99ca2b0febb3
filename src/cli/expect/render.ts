import { plural } from '../../lib/plural.ts';
import { printable } from '../../lib/printable.ts';
import { describeEnd } from './ends.ts';
import type { PolicyTest } from './format.ts';
import type { Failure, TestResult } from './judge.ts';

/** What the verdicts come from, for the summary. */
export type By = 'policies' | 'policies and packets of a lab' | 'policies and probes of a cluster';

export interface Report {
  readonly by: By;
  readonly results: readonly TestResult[];
}

/** Limit of failures of one expectation in the text. JSON has more. */
const mostShown = 10;

const marks: Readonly<Record<TestResult['status'], string>> = {
  passed: 'ok     ',
  failed: 'FAILED ',
  error: 'ERROR  ',
  skipped: 'skipped',
};

/** A line for each expectation, below it what does not hold and why, and a summary as the last line. */
export function renderReport({ by, results }: Report): string {
  return [...results.map(renderResult), renderSummary(by, results)].join('');
}

/** `tests.yaml: office may not reach the API`; the name, or what is expected. */
export function titleOf({ name, from, to, port, expect, family }: PolicyTest): string {
  const only = family ? `, ${family}` : '';
  return printable(name ?? `${describeEnd(from)} → ${describeEnd(to)}, ${port}${only}: ${expect}`);
}

export function countOf(results: readonly TestResult[], status: TestResult['status']): number {
  return results.filter((each) => each.status === status).length;
}

/** Lines of text about what does not hold, without the title. */
export function explainResult({ test, status, message, connections, failed, failures, untried }: TestResult): string[] {
  const shown = failures.slice(0, mostShown);
  const count = shown.reduce((sum, { families }) => sum + families.length, 0);
  const lines = [
    ...(status === 'error' ? [message!] : []),
    ...shown.flatMap((failure) => describeFailure(test, failure)),
    ...(failed > count ? [`${failed - count} more connections do not hold`] : []),
    ...(untried > 0 && status !== 'error' ? [`${untried} of ${connections} by the policies alone: ${message}`] : []),
    ...(failed > 0 && test.reason !== undefined ? [`reason: ${test.reason}`] : []),
  ];
  return lines.map(printable);
}

function renderResult(result: TestResult): string {
  const { test, status, connections } = result;
  const count = status === 'error' ? '' : ` (${plural(connections, 'connection')})`;
  const place = status === 'passed' || status === 'skipped' ? '' : `  ${printable(test.file)}: ${test.path}\n`;
  const lines = explainResult(result).map((line) => `  ${line}\n`);
  return `${marks[status]}  ${titleOf(test)}${count}\n${place}${lines.join('')}`;
}

function describeFailure({ expect }: PolicyTest, failure: Failure): string[] {
  const { from, to, port, families, policies, observed, reasons, meaning } = failure;
  const seen = observed === undefined ? '' : `; packets: ${observed}`;
  const head = `${from} → ${to}, ${port} (${families.join(', ')}): expected ${expect}, but the policies say ${policies}${seen}`;
  const shown =
    policies === expect ? `${from} → ${to}, ${port} (${families.join(', ')}): ${expect} by the policies${seen}` : head;
  return [shown, ...(meaning === undefined ? [] : [`  ${meaning}`]), ...reasons.map((reason) => `  ${reason}`)];
}

function renderSummary(by: By, results: readonly TestResult[]): string {
  const counts = (['passed', 'failed', 'error', 'skipped'] as const).flatMap((status) => {
    const count = countOf(results, status);
    const word = status === 'error' ? (count === 1 ? 'error' : 'errors') : status;
    return count > 0 || status === 'passed' || status === 'failed' ? [`${count} ${word}`] : [];
  });
  const connections = results.reduce((sum, each) => sum + each.connections, 0);
  return `${counts.join(', ')}; ${plural(connections, 'connection')}, by ${by}\n`;
}
