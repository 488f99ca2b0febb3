import { compareText } from '../../lib/sort.ts';
import { tableFamilies } from '../../nftables/ruleset.ts';
import type { NodeAnswers } from './judge.ts';

/** When a node's agent last compared all that its kernel holds with what it should hold. */
export interface ComparedNode {
  readonly node: string;
  /** Since it began to compare the table that was compared longest ago; missing if it has not compared all tables yet. */
  readonly comparedSecondsAgo?: number;
  /** The same for tables inside of pods, of the pod that was compared longest ago; missing without such pods. */
  readonly podsComparedSecondsAgo?: number;
}

/** An agent compares everything within this time, in seconds. */
export const longestRound = 600;

/** Only nodes that answered. */
export function comparedNodes(answers: NodeAnswers): ComparedNode[] {
  const nodes = [...answers].flatMap(([node, answer]): ComparedNode[] => {
    if ('unknown' in answer) return [];
    const { comparedSecondsAgo } = answer.value;
    const ages = tableFamilies.map((family) => comparedSecondsAgo[family] ?? Infinity);
    const oldest = Math.max(...ages);
    const { pods } = comparedSecondsAgo;
    const inside = pods === undefined ? {} : { podsComparedSecondsAgo: pods };
    return [{ node, ...(oldest < Infinity && { comparedSecondsAgo: oldest }), ...inside }];
  });
  return nodes.sort((a, b) => compareText(a.node, b.node));
}
