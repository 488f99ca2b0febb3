import { printable } from '../../lib/printable.ts';
import { countOf, titleOf, type Report } from './render.ts';

/** For scripts. The texts are printable, because a cluster chooses some of them. */
export function reportToJson({ by, results }: Report): string {
  const tests = results.map(({ test, failures, ...result }) => {
    const { file, suite, path, reason, expect } = test;
    return {
      file,
      suite,
      path,
      name: titleOf(test),
      ...(reason !== undefined && { reason }),
      expect,
      ...result,
      failures,
    };
  });
  const [passed, failed, errors, skipped] = (['passed', 'failed', 'error', 'skipped'] as const).map((each) =>
    countOf(results, each),
  );
  const report = { by, passed, failed, errors, skipped, tests };
  return `${JSON.stringify(report, (_, value: unknown) => (typeof value === 'string' ? printable(value) : value), 2)}\n`;
}
