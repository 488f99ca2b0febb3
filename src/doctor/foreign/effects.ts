import { sorted } from '../../lib/sort.ts';
import type { StateOfPod } from '../../model/node-state.ts';
import type { NodeFacts } from '../facts.ts';
import { valueOf } from '../facts.ts';
import type { Found } from '../finding.ts';
import { policiesOf } from '../subjects.ts';
import { podPacketPaths, type PodPacketPath } from './packet-paths.ts';
import type { RuleAction } from './statements.ts';
import { walkForeign, type Effect } from './walk.ts';

/** About two seconds. kube-proxy in iptables mode has one rule per Service that every packet passes. */
const maximumRules = 2_000_000;

/** A certain effect of a rule, and the packets between pods that it applies to. */
export interface Hit {
  readonly effect: Effect;
  readonly paths: PodPacketPath[];
}

export interface ForeignHits {
  readonly hits: readonly Hit[];
  /** The budget ended before the last rule: there may be more hits. */
  readonly isCutShort: boolean;
}

/** Follows packets between pods through the rules of other programs, once for all checks. */
export function followForeign({ agent, foreign, remotePods }: NodeFacts): ForeignHits {
  const budget = { rules: maximumRules };
  const hits = new Map<string, Hit>();
  for (const path of podPacketPaths(valueOf(agent)?.pods ?? [], remotePods)) {
    if (budget.rules <= 0) break;
    for (const effect of walkForeign(foreign.rules, path.packet, budget)) {
      if (!effect.isCertain) continue;
      const { family, table, name } = effect.chain;
      const key = JSON.stringify([family, table, name, effect.handle, effect.statement]);
      const hit = hits.get(key) ?? { effect, paths: [] };
      hit.paths.push(path);
      hits.set(key, hit);
    }
  }
  return { hits: [...hits.values()], isCutShort: budget.rules <= 0 };
}

/** One finding per rule with this action. */
export function findForeign(
  { hits }: ForeignHits,
  action: RuleAction,
  isSelected: (path: PodPacketPath) => boolean = () => true,
): Found[] {
  return hits.flatMap(({ effect, paths }) => {
    const selected = paths.filter(isSelected);
    return effect.action === action && selected.length > 0 ? [describe({ effect, paths: selected })] : [];
  });
}

function describe({ effect, paths }: Hit): Found {
  const { chain, handle, statement } = effect;
  const { family, table, name, base } = chain;
  const where = base ? ` (${base.hook}, priority ${base.priority})` : '';
  const which = handle === undefined ? `chain ${name}${where}` : `chain ${name}${where}, rule with handle ${handle}`;
  const { source, destination } = paths[0]!.packet;
  const others = paths.length > 1 ? `, and ${paths.length - 1} more such paths between pods` : '';
  const pods = involved(paths);
  return {
    subject: `table ${family} ${table}`,
    problem: `${which}: ${statement}; it matches packets from ${source} to ${destination}${others}`,
    pods: sorted(new Set(pods.map(({ pod }) => pod))),
    policies: policiesOf(pods),
  };
}

function involved(paths: readonly PodPacketPath[]): StateOfPod[] {
  return [...new Set(paths.flatMap(({ from, to }) => [from, to]))].filter((pod) => pod !== undefined);
}
