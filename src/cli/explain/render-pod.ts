import type { Direction } from '../../evaluator/decision.ts';
import type { PeerReach, PortReach, Reach, RuleReach } from '../../evaluator/reach.ts';
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
  const { isolatedBy, rules }: Reach = answer[direction];
  const word = direction === 'ingress' ? 'from' : 'to';
  const lines =
    isolatedBy.length === 0
      ? [`${direction}: not isolated, so everything is allowed`]
      : [
          `${direction}: isolated by ${isolatedBy.join(', ')}; allowed ${word}`,
          `  ${always[direction](answer.node)}`,
          ...rules.filter(allowsSomething).flatMap((rule) => renderRule(rule, listsPods)),
        ];
  const idle = rules.filter((rule) => !allowsSomething(rule));
  return [...lines, ...idle.map((rule) => `  ${rule.policy} ${rule.path} allows nothing: ${whyIdle(rule)}`)].join('\n');
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
