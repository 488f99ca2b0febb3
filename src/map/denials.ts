import type { Decision } from '../evaluator/decision.ts';
import { within, type Minutes } from './draw.ts';
import { edgeId, portName, type Line, type Verdicts } from './lines.ts';
import type { DenialGroup } from './policy-map.ts';
import type { Spot } from './spots.ts';

const mostReasons = 4;

/** What nodes denied, by workload and port, the latest first. */
export function groupDenials(lines: readonly Line[], verdicts: Verdicts, minutes: Minutes | undefined): DenialGroup[] {
  const denied = lines.flatMap((line) => {
    const traffic = within(line.traffic, minutes).filter(({ verdict }) => verdict === 'denied');
    return traffic.length > 0 ? [{ line, traffic }] : [];
  });
  const groups = Map.groupBy(denied, ({ line }) => `${edgeId(line.fromSpot.id, line.toSpot.id)} ${portName(line)}`);
  return Array.from(groups.values(), (group): DenialGroup => {
    const { line } = group[0]!;
    const traffic = group.flatMap((each) => each.traffic);
    const decisions = group.flatMap((each) => verdicts.decide(each.line));
    const reasons = new Set(decisions.flatMap(reasonsOf));
    const finalDenies = decisions.filter(({ verdict }) => verdict === 'denied').map(finalDenyOf);
    const finalDeny = finalDenies.every((each) => each !== undefined) ? finalDenies[0] : undefined;
    return {
      ...{ from: fullName(line.fromSpot), to: fullName(line.toSpot), fromId: line.fromSpot.id, toId: line.toSpot.id },
      port: portName(line),
      connections: traffic.reduce((sum, { connections }) => sum + connections, 0),
      first: Math.min(...traffic.map(({ first }) => first)),
      last: Math.max(...traffic.map(({ last }) => last)),
      reasons: [...reasons].slice(0, mostReasons),
      ...(finalDeny !== undefined && { finalDeny }),
    };
  }).sort((a, b) => b.last - a.last || b.connections - a.connections);
}

function fullName({ namespace, label }: Pick<Spot, 'namespace' | 'label'>): string {
  return namespace === undefined ? label : `${namespace}/${label}`;
}

/** A rule of tier Admin comes before every NetworkPolicy (S10.1). */
function finalDenyOf({ egress, ingress }: Decision): string | undefined {
  const rule = [egress, ingress]
    .map(({ verdict, tiers }) => (verdict === 'denied' ? tiers?.decidedBy : undefined))
    .find((each) => each?.tier === 'Admin');
  return rule && (rule.name === undefined ? rule.policy : `${rule.policy}, rule ${rule.name}`);
}

function reasonsOf({ egress, ingress }: Decision): string[] {
  return [egress, ingress].flatMap(({ verdict, reason, nearMisses: [nearest] }) => {
    if (verdict !== 'denied') return [];
    return [nearest ? `${reason}; the nearest: ${nearest.reason}` : reason];
  });
}
