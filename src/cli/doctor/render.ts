import type { Finding } from '../../doctor/finding.ts';
import { plural } from '../../lib/plural.ts';
import { printable } from '../../lib/printable.ts';

/** Limit of names in text output; JSON has all. */
const shownNames = 8;

export function renderFinding(finding: Finding): string {
  const { severity, check, subject, problem, effect, pods, policies, remedy } = finding;
  const lines = [
    `${severity}: ${subject} (${check})`,
    `  wrong    ${problem}`,
    `  effect   ${effect}`,
    ...(policies.length > 0 ? [`  policies ${listNames(policies)}`] : []),
    ...(pods.length > 0 ? [`  pods     ${listNames(pods)}`] : []),
    `  do       ${remedy}`,
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function listNames(names: readonly string[]): string {
  const rest = names.length - shownNames;
  return `${names.slice(0, shownNames).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

export function countFindings(count: number): string {
  return count === 0 ? 'no findings' : plural(count, 'finding');
}
