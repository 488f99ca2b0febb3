import { sorted } from '../../lib/sort.ts';
import type { StateOfPod } from '../../model/node-state.ts';
import type { NodeFacts } from '../facts.ts';
import { valueOf } from '../facts.ts';
import type { Found } from '../finding.ts';
import { policiesOf } from '../subjects.ts';
import { podPacketPaths, type PodPacketPath } from './journeys.ts';
import type { RuleAction } from './statements.ts';
import { walkForeign, type Effect } from './walk.ts';

/** A second or two: kube-proxy in iptables mode has a rule a Service that every packet meets. */
const maximumRules = 2_000_000;

/** What a rule surely does, and to which packets between pods. */
export interface Hit {
  readonly effect: Effect;
  readonly journeys: PodPacketPath[];
}

export interface ForeignHits {
  readonly hits: readonly Hit[];
  /** There are more rules than are worth the time: there may be more hits. */
  readonly isCutShort: boolean;
}

/** Follows packets between pods through the rules of others, once for all checks. */
export function followForeign({ agent, foreign, remotePods }: NodeFacts): ForeignHits {
  const budget = { rules: maximumRules };
  const hits = new Map<string, Hit>();
  for (const journey of podPacketPaths(valueOf(agent)?.pods ?? [], remotePods)) {
    if (budget.rules <= 0) break;
    for (const effect of walkForeign(foreign.rules, journey.journey, budget)) {
      if (!effect.isCertain) continue;
      const { family, table, name } = effect.chain;
      const key = JSON.stringify([family, table, name, effect.handle, effect.statement]);
      const hit = hits.get(key) ?? { effect, journeys: [] };
      hit.journeys.push(journey);
      hits.set(key, hit);
    }
  }
  return { hits: [...hits.values()], isCutShort: budget.rules <= 0 };
}

/** One finding a rule. */
export function findForeign(
  { hits }: ForeignHits,
  deed: RuleAction,
  isMeant: (journey: PodPacketPath) => boolean = () => true,
): Found[] {
  return hits.flatMap(({ effect, journeys }) => {
    const meant = journeys.filter(isMeant);
    return effect.deed === deed && meant.length > 0 ? [describe({ effect, journeys: meant })] : [];
  });
}

function describe({ effect, journeys }: Hit): Found {
  const { chain, handle, statement } = effect;
  const { family, table, name, base } = chain;
  const where = base ? ` (${base.hook}, priority ${base.priority})` : '';
  const which = handle === undefined ? `chain ${name}${where}` : `chain ${name}${where}, rule with handle ${handle}`;
  const { source, destination } = journeys[0]!.journey;
  const others = journeys.length > 1 ? `, and ${journeys.length - 1} more such ways between pods` : '';
  const pods = involved(journeys);
  return {
    subject: `table ${family} ${table}`,
    problem: `${which}: ${statement}; it meets what ${source} sends to ${destination}${others}`,
    pods: sorted(new Set(pods.map(({ pod }) => pod))),
    policies: policiesOf(pods),
  };
}

function involved(journeys: readonly PodPacketPath[]): StateOfPod[] {
  return [...new Set(journeys.flatMap(({ from, to }) => [from, to]))].filter((pod) => pod !== undefined);
}
