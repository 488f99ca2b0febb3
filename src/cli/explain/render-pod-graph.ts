import type { Direction } from '../../evaluator/decision.ts';
import type { RuleReach } from '../../evaluator/reach.ts';
import type { PodAnswer } from './pod-answer.ts';
import { allowsSomething, renderPorts } from './render-pod.ts';

/** A Graphviz graph: peers that can reach the pod on the left, peers that it can reach on the right. */
export function renderPodGraph(answer: PodAnswer): string {
  const lines = [
    'digraph pod {',
    '  rankdir=LR;',
    '  node [shape=box, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
    `  pod [label=${quote(`${answer.pod}\n${titleOf(answer, 'ingress')}\n${titleOf(answer, 'egress')}`)}, style=bold];`,
    ...edgesOf(answer, 'ingress'),
    ...edgesOf(answer, 'egress'),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

function titleOf(answer: PodAnswer, direction: Direction): string {
  const { isolatedBy, audit, tiers = [] } = answer[direction];
  const inAudit = audit ? `; in audit: ${audit.isolatedBy.join(', ')}` : '';
  const order = tiers.length > 0 ? ' after the rules of ClusterNetworkPolicies' : '';
  return `${direction}: ${isolatedBy.length === 0 ? 'open' : `isolated by ${isolatedBy.join(', ')}`}${order}${inAudit}`;
}

function edgesOf(answer: PodAnswer, direction: Direction): string[] {
  const { isolatedBy, rules, tiers = [] } = answer[direction];
  const peers = new Map<string, string[]>();
  const add = (peer: string, label: string): void => {
    const known = peers.get(peer);
    if (known) known.push(label);
    else peers.set(peer, [label]);
  };
  const rest = tiers.length > 0 ? 'everything that no rule of a ClusterNetworkPolicy denies' : 'everything';
  for (const rule of tiers)
    for (const peer of namesOf(rule)) add(peer, `${rule.action} (${rule.tier}): ${labelOf(rule)}`);
  if (isolatedBy.length === 0) add('anyone', rest);
  else for (const rule of rules.filter(allowsSomething)) for (const peer of namesOf(rule)) add(peer, labelOf(rule));
  return [...peers].flatMap(([peer, labels], index) => {
    const id = `${direction}${index}`;
    const edge = direction === 'ingress' ? `${id} -> pod` : `pod -> ${id}`;
    return [`  ${id} [label=${quote(peer)}];`, `  ${edge} [label=${quote(labels.join('\n'))}];`];
  });
}

function namesOf({ peers }: Pick<RuleReach, 'peers'>): string[] {
  if (peers === 'any') return ['anyone'];
  return peers.map(({ text, pods }) => `${text}\n${pods.length} ${pods.length === 1 ? 'pod' : 'pods'} now`);
}

function labelOf({ policy, path, ports }: Pick<RuleReach, 'policy' | 'path' | 'ports'>): string {
  return `${renderPorts(ports)}\n${policy} ${path}`;
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
