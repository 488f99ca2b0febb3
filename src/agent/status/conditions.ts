import type { JsonObject } from '../../lib/json.ts';
import { plural } from '../../lib/plural.ts';
import { describeEffect } from '../object-event.ts';
import type { ClusterPolicy } from './cluster-policies.ts';
import { describeNodes, type Coverage } from './coverage.ts';

/** A condition (meta/v1) that the agent wants, without its time. */
export interface WantedCondition {
  readonly type: 'Accepted' | 'Programmed';
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

/** Of a policy, and of one issue: a message may have 32 KiB, and what an issue quotes from the policy may be as long as the policy. */
const longestMessage = 1024;
const longestIssue = 240;
const mostIssues = 5;

/** The conditions that the policy should have (S10.27, S10.28). */
export function wantedConditions(policy: ClusterPolicy, coverage: Coverage): readonly WantedCondition[] {
  return [acceptedOf(policy), programmedOf(policy, coverage)];
}

function acceptedOf({ generation, issues }: ClusterPolicy): WantedCondition {
  const accepted = make('Accepted', generation);
  if (issues.length === 0) return accepted('True', 'Accepted', 'Postern can enforce all of this policy');
  const [reason, what] = isNotEnforced(issues)
    ? ['NotEnforced', 'Postern does not enforce this policy']
    : ['PartiallyInvalid', 'Postern enforces this policy, but cannot enforce these parts as written'];
  const named = issues
    .slice(0, mostIssues)
    .map(({ path, message, effect }) =>
      plain(`${path}: ${message} (${describeEffect('ClusterNetworkPolicy', effect)})`, longestIssue),
    );
  const left = issues.length - named.length;
  const sentences = [what, ...named, ...(left > 0 ? [`And ${left} more`] : [])];
  return accepted('False', reason, sentences.map((each) => `${each}.`).join(' '));
}

function programmedOf({ generation, issues }: ClusterPolicy, coverage: Coverage): WantedCondition {
  const programmed = make('Programmed', generation);
  if (isNotEnforced(issues)) return programmed('False', 'NotEnforced', 'no node enforces this policy: see Accepted');
  const { nodes, lagging, leftOut } = coverage;
  const holding = nodes - lagging.count - leftOut.count;
  if (holding === nodes) return programmed('True', 'Programmed', `Programmed on all ${plural(nodes, 'node')}`);
  const parts = [
    `Programmed on ${holding} of ${plural(nodes, 'node')}`,
    ...(lagging.count > 0 ? [`lags: ${describeNodes(lagging)}`] : []),
    ...(leftOut.count > 0 ? [`too large or refused by the kernel (see the Events): ${describeNodes(leftOut)}`] : []),
  ];
  return programmed('False', leftOut.count > 0 ? 'LeftOut' : 'NodesLag', parts.join('; '));
}

function make(type: WantedCondition['type'], observedGeneration: number) {
  return (status: WantedCondition['status'], reason: string, message: string): WantedCondition => {
    return { type, status, reason, message: plain(message, longestMessage), observedGeneration };
  };
}

function isNotEnforced(issues: ClusterPolicy['issues']): boolean {
  return issues.some(({ effect }) => effect === 'not-enforced');
}

/** One line: a policy may quote anything. */
function plain(text: string, longest: number): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  const cut = line.length <= longest ? line : `${line.slice(0, longest - 1)}…`;
  // The API server replaces half a character, and the agent would write it again and again.
  return cut.toWellFormed();
}

/** What a write of the status would bring. */
export type Change =
  /** All nodes hold the newest spec now. */
  | 'complete'
  /** The policy has a new spec, or Postern judges it otherwise. */
  | 'spec'
  /** Not all nodes hold the spec, and other ones than before. */
  | 'progress'
  /** Not all nodes hold any more what all held. */
  | 'regress'
  /** Only the number of nodes. */
  | 'count';

/** `undefined` if the conditions are as wanted. */
export function changeOf(conditions: readonly JsonObject[], wanted: readonly WantedCondition[]): Change | undefined {
  const found = wanted.map((each) => conditions.find(({ type }) => type === each.type));
  const isSame = (each: WantedCondition, index: number): boolean => isWritten(found[index], each);
  if (wanted.every(isSame)) return undefined;
  const isNew = wanted.some((each, index) => found[index]?.['observedGeneration'] !== each.observedGeneration);
  const programmed = wanted.findIndex(({ type }) => type === 'Programmed');
  const [before, after] = [found[programmed]?.['status'], wanted[programmed]?.status];
  if (after === 'True' && (isNew || before !== 'True')) return 'complete';
  if (isNew || !wanted.every((each, index) => index === programmed || isSame(each, index))) return 'spec';
  if (before === 'True') return after === 'True' ? 'count' : 'regress';
  return 'progress';
}

function isWritten(found: JsonObject | undefined, wanted: WantedCondition): boolean {
  return found !== undefined && Object.entries(wanted).every(([name, value]) => found[name] === value);
}

/**
 * The whole list to write. Conditions of other programs stay as they are, and the time of a transition stays while the status does.
 * @param now in the form of the API: whole seconds
 */
export function withConditions(
  conditions: readonly JsonObject[],
  wanted: readonly WantedCondition[],
  now: string,
): readonly JsonObject[] {
  const others = conditions.filter(({ type }) => !wanted.some((each) => each.type === type));
  const ours = wanted.map((each) => {
    const found = conditions.find(({ type }) => type === each.type);
    const isKept = found?.['status'] === each.status && typeof found['lastTransitionTime'] === 'string';
    return { ...each, lastTransitionTime: isKept ? found['lastTransitionTime'] : now };
  });
  return [...others, ...ours];
}
