import type { NodeFacts, UnreadableTable } from '../facts.ts';
import type { Check } from '../finding.ts';

const hints: Readonly<Record<UnreadableTable['how'], string>> = {
  crashed: 'a newer nft may have written what this one cannot read',
  timeout: 'it may be very large',
  failed: 'it may hold what this nft does not know',
  'too large': 'nothing is known of what it does',
};

export const unreadableRules: Check<NodeFacts> = {
  id: 'unreadable-rules',
  severity: 'warning',
  finds: 'nft crashes, hangs or fails when it lists a table of another program',
  effect:
    'what that table does to packets of pods is not known. The agent lists its own tables alone; where nft crashes on the list of tables, the agent may crash too',
  remedy:
    'use an image whose nft is at least as new as every other on the node; `nft -t list table …` on the node shows the table',
  find: ({ foreign }) =>
    foreign.unreadable.map(({ subject, how, message }) => ({ subject, problem: `${message}: ${hints[how]}` })),
};
