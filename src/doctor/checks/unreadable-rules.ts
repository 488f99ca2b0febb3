import type { NodeFacts, UnreadableTable } from '../facts.ts';
import type { Check } from '../finding.ts';

const hints: Readonly<Record<UnreadableTable['how'], string>> = {
  crashed: 'a newer nft may have written rules that this nft cannot read',
  timeout: 'the table may be very large',
  failed: 'the table may have rules that this nft cannot read',
  'too large': 'the effect of the table is unknown',
};

export const unreadableRules: Check<NodeFacts> = {
  id: 'unreadable-rules',
  severity: 'warning',
  finds: 'nft crashes, hangs or fails when it lists a table of another program',
  effect:
    'the effect of that table on packets of pods is unknown. The agent lists only its own tables; if nft crashes on the list of tables, it may crash for the agent too',
  remedy:
    'use an image whose nft is at least as new as every other nft on the node; `nft -t list table …` on the node shows the table',
  find: ({ foreign }) =>
    foreign.unreadable.map(({ subject, how, message }) => ({ subject, problem: `${message}: ${hints[how]}` })),
};
