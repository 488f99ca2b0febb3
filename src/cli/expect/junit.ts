import { printable } from '../../lib/printable.ts';
import type { TestResult } from './judge.ts';
import { countOf, explainResult, titleOf, type Report } from './render.ts';

/** JUnit XML as CI systems read it: a suite for each document of a file, and a case for each expectation. */
export function renderJunit({ by, results }: Report): string {
  const suites = Map.groupBy(results, ({ test }) => `${test.file}\n${test.suite}`);
  const body = [...suites.values()].map((group) => {
    const { file, suite } = group[0]!.test;
    return `  <testsuite name="${escape(suite)}" file="${escape(file)}" ${countsOf(group)}>\n${group.map(renderCase).join('')}  </testsuite>\n`;
  });
  const head = `<testsuites name="postern test by ${escape(by)}" ${countsOf(results)}>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${body.join('')}</testsuites>\n`;
}

function countsOf(results: readonly TestResult[]): string {
  const [failures, errors, skipped] = (['failed', 'error', 'skipped'] as const).map((each) => countOf(results, each));
  return `tests="${results.length}" failures="${failures}" errors="${errors}" skipped="${skipped}"`;
}

const elements = { failed: 'failure', error: 'error', skipped: 'skipped' } as const;

function renderCase(result: TestResult): string {
  const { test, status } = result;
  const open = `    <testcase classname="${escape(test.suite)}" name="${escape(titleOf(test))}" file="${escape(test.file)}"`;
  if (status === 'passed') return `${open}/>\n`;
  const lines = explainResult(result);
  const element = elements[status];
  const text = [`${test.file}: ${test.path}`, ...lines].map(escape).join('\n');
  return `${open}>\n      <${element} message="${escape(lines[0] ?? status)}">${text}</${element}>\n    </testcase>\n`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** XML 1.0 refuses most control characters even as references, so they become question marks. */
function escape(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (character) => entities[character]!);
}
