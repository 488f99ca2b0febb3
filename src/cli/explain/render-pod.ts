import type { Direction } from '../../evaluator/decision.ts';
import type { PeerReach, PortReach, Reach, RuleReach, TierRuleReach } from '../../evaluator/reach.ts';
import { printable } from '../../lib/printable.ts';
import type { PodAnswer } from './pod-answer.ts';

export function renderPod(answer: PodAnswer, listsPods: boolean): string {
  const { pod, node, addresses } = answer;
  const place = [...(node === undefined ? [] : [`node ${node}`]), ...addresses].join(', ');
  const sections = [
    `${pod}${place === '' ? '' : ` (${place})`}`,
    renderReach(answer, 'ingress', listsPods),
    renderReach(answer, 'egress', listsPods),
  ];
  return `${sections.join('\n\n')}\n`;
}

const always: Readonly<Record<Direction, (node: string | undefined) => string>> = {
  ingress: (node) => `${node === undefined ? 'its own node' : `its own node ${node}`} and the pod itself: always`,
  egress: () => 'the pod itself: always',
};

function renderReach(answer: PodAnswer, direction: Direction, listsPods: boolean): string {
  const word = direction === 'ingress' ? 'from' : 'to';
  const { isolatedBy, rules, tiers = [], audit }: Reach = answer[direction];
  const ofTier = (tier: TierRuleReach['tier']): string[] =>
    renderTier(
      tiers.filter((rule) => rule.tier === tier),
      word,
      listsPods,
    );
  const lines =
    isolatedBy.length === 0
      ? [
          `${direction}: not isolated, so everything ${tiers.length > 0 ? 'that no rule of a ClusterNetworkPolicy denies ' : ''}is allowed`,
        ]
      : [
          `${direction}: isolated by ${isolatedBy.join(', ')}; allowed ${word}`,
          `  ${always[direction](answer.node)}`,
          ...rules.filter(allowsSomething).flatMap((rule) => renderRule(rule, listsPods)),
        ];
  const [title, ...rest] = lines as [string, ...string[]];
  const middle = [...rest, ...renderIdle(rules)];
  const auditLines = audit ? renderAudit(audit, isolatedBy.length > 0, word, listsPods) : [];
  return [title, ...ofTier('Admin'), ...middle, ...ofTier('Baseline'), ...auditLines].map(printable).join('\n');
}

function renderIdle(rules: readonly RuleReach[]): string[] {
  const idle = rules.filter((rule) => !allowsSomething(rule));
  return idle.map((rule) => `  ${rule.policy} ${rule.path} allows nothing: ${whyIdle(rule)}`);
}

/** What policies in audit would leave allowed, or allow besides where enforced policies isolate the pod (S13.3). */
function renderAudit(
  { isolatedBy, rules }: NonNullable<Reach['audit']>,
  isIsolated: boolean,
  word: string,
  listsPods: boolean,
): string[] {
  const names = isolatedBy.join(', ');
  const allowing = rules.filter(allowsSomething).flatMap((rule) => renderRule(rule, listsPods));
  const what = isIsolated ? 'would add' : 'would isolate it, and allow';
  const end = allowing.length === 0 ? ' nothing' : ` ${word}`;
  return [
    `  in audit, not enforced: ${names}; enforced, ${isolatedBy.length === 1 ? 'it' : 'they'} ${what}${end}`,
    ...[...allowing, ...renderIdle(rules)].map((line) => `  ${line}`),
  ];
}

/** The rules of one tier, in the order in which they judge. */
function renderTier(rules: readonly TierRuleReach[], word: string, listsPods: boolean): string[] {
  const [first] = rules;
  if (!first) return [];
  const when = first.tier === 'Admin' ? 'first, in order' : 'if nothing has decided, in order';
  return [
    `  ${first.tier} tier, ${when}:`,
    ...rules.flatMap(({ action, name, ...rule }) => {
      const called = name === undefined ? '' : ` ${JSON.stringify(name)}`;
      return [`  ${action}${called} ${word}`, ...renderRule(rule, listsPods)];
    }),
  ];
}

export function allowsSomething({ obstacle, peers, ports }: RuleReach): boolean {
  return obstacle === undefined && [peers, ports].every((list) => list === 'any' || list.some(({ broken }) => !broken));
}

function whyIdle({ obstacle, peers, ports }: RuleReach): string {
  const parts: (PeerReach | PortReach)[] = [...(peers === 'any' ? [] : peers), ...(ports === 'any' ? [] : ports)];
  return obstacle ?? parts.find(({ broken }) => broken)!.text;
}

function renderRule({ policy, path, peers, ports }: RuleReach, listsPods: boolean): string[] {
  const whom = peers === 'any' ? ['anyone'] : peers.map((peer) => renderPeer(peer, listsPods));
  return [...whom.map((each) => `  ${each}`), `      ${renderPorts(ports)}, by ${policy} ${path}`];
}

function renderPeer({ text, broken, pods }: PeerReach, listsPods: boolean): string {
  if (broken) return `(no peer: ${text})`;
  const count = pods.length === 1 ? '1 pod now' : `${pods.length === 0 ? 'no' : pods.length} pods now`;
  return listsPods && pods.length > 0 ? `${text} (${count}: ${pods.join(', ')})` : `${text} (${count})`;
}

export function renderPorts(ports: RuleReach['ports']): string {
  return ports === 'any' ? 'everything' : ports.map(renderPort).join(', ');
}

function renderPort({ text, broken, numbers }: PortReach): string {
  if (broken) return `(no port: ${text})`;
  if (!numbers) return text;
  return numbers.length === 0 ? `${text} (which no pod there declares)` : `${text} (${numbers.join(', ')})`;
}
