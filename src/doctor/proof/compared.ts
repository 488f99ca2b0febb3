import { compareText } from '../../lib/sort.ts';
import { tableFamilies } from '../../nftables/ruleset.ts';
import type { NodeAnswers } from './judge.ts';

/** When a node's agent last compared all that its kernel holds with what it should hold. */
export interface ComparedNode {
  readonly node: string;
  /** Since it began to compare the table that was compared longest ago, of the node or inside of a pod; missing if it has not compared all tables yet. */
  readonly comparedSecondsAgo?: number;
}

/** An agent compares everything within this time, in seconds. */
export const longestRound = 600;

/** Only nodes that answered. */
export function comparedNodes(answers: NodeAnswers): ComparedNode[] {
  const nodes = [...answers].flatMap(([node, answer]): ComparedNode[] => {
    if ('unknown' in answer) return [];
    const { comparedSecondsAgo } = answer.value;
    const ages = tableFamilies.map((family) => comparedSecondsAgo[family] ?? Infinity);
    // A node without rules inside of pods has nothing to compare there.
    const oldest = Math.max(...ages, comparedSecondsAgo['pods'] ?? 0);
    return [{ node, ...(oldest < Infinity && { comparedSecondsAgo: oldest }) }];
  });
  return nodes.sort((a, b) => compareText(a.node, b.node));
}
