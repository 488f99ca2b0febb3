import type { NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

export const flowTables: Check<NodeFacts> = {
  id: 'flow-tables',
  severity: 'error',
  finds: 'a flowtable lets established connections bypass all rules',
  effect: 'rules check such a connection only when it opens: it continues after a policy denies it',
  remedy: 'remove the flowtable, or remove the devices of pods and the uplinks of the node from it',
  find: (facts) =>
    facts.foreign.rules.flowTables.map(({ family, table, name, devices }) => ({
      subject: `table ${family} ${table}`,
      problem: `flowtable ${name} on ${devices.length > 0 ? devices.join(', ') : 'no present device'}`,
      ...voidedFor(podsOf(facts)),
    })),
};
