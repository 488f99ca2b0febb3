import { compareText } from '../lib/sort.ts';
import type { Direction, NearMiss } from './decision.ts';
import { describePort } from './port.ts';
import type { Policy, Rule } from './policy.ts';
import type { Miss } from './reading.ts';

/** A rule that did not allow a flow, with the causes. */
export interface Attempt {
  readonly policy: Policy;
  readonly rule: Rule;
  readonly direction: Direction;
  /** The rule, or its whole policy, allows nothing in this direction. */
  readonly obstacle: Miss | undefined;
  readonly peer: Miss | undefined;
  readonly port: Miss | undefined;
}

/** A log line and an Event show them all. */
const mostNearMisses = 3;
const mostNamedPorts = 10;

/** Rules that would allow the flow after one change, nearest first. If there are none, rules that need more changes. */
export function findNearMisses(attempts: readonly Attempt[]): NearMiss[] {
  const ranked = attempts.toSorted(
    (a, b) =>
      obstacles(a).length - obstacles(b).length ||
      distance(a) - distance(b) ||
      compareText(a.policy.ref, b.policy.ref) ||
      a.rule.index - b.rule.index,
  );
  const single = ranked.filter((attempt) => obstacles(attempt).length === 1);
  return (single.length > 0 ? single : ranked).slice(0, mostNearMisses).map(describe);
}

function obstacles({ obstacle, port, peer }: Attempt): Miss[] {
  return [obstacle, port, peer].filter((miss) => miss !== undefined);
}

function distance(attempt: Attempt): number {
  return obstacles(attempt).reduce((sum, miss) => sum + miss.distance, 0);
}

function describe(attempt: Attempt): NearMiss {
  const { policy, rule } = attempt;
  const missing = obstacles(attempt);
  const texts = missing.map((miss) => (miss === attempt.port ? describePortMiss(miss, rule) : miss.text));
  return {
    policy: policy.ref,
    rule: rule.index,
    path: missing[0]!.path,
    reason: `rule ${rule.index + 1} of policy ${policy.ref} would allow, but ${texts.join(', and ')}`,
  };
}

/** Explains the nearest port entry and lists the rule's other entries. */
function describePortMiss(miss: Miss, { ports }: Rule): string {
  if (ports === 'any' || ports.length === 1) return miss.text;
  const others = ports.filter((port) => port.kind !== 'broken');
  if (others.length === 0) return miss.text;
  const named = others.slice(0, mostNamedPorts).map((port) => `${port.protocol}/${describePort(port)}`);
  const left = others.length - named.length;
  return `${miss.text} (the rule has ${named.join(', ')}${left > 0 ? ` and ${left} more` : ''})`;
}
