import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

export const flowTables: Check<NodeFacts> = {
  id: 'flow-tables',
  severity: 'error',
  finds: 'a flow table takes established connections past all rules',
  effect: 'a connection in it is judged when it begins and not again: what a policy revokes goes on',
  remedy: 'remove the flow table, or leave devices of pods and all that leads to them out of it',
  find: (facts) =>
    facts.foreign.rules.flowTables.map(({ family, table, name, devices }) => ({
      subject: `table ${family} ${table}`,
      problem: `flow table ${name} on ${devices.length > 0 ? devices.join(', ') : 'no device that is there'}`,
      ...voidedFor(podsOf(facts)),
    })),
};
