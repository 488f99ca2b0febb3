import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

export const agentAnswers: Check<NodeFacts> = {
  id: 'agent',
  severity: 'error',
  finds: 'no agent answers on the node',
  effect: 'rules that are in the kernel stay as they are; no change of a pod or a policy reaches them',
  remedy: 'look at the log of the agent of this node; where it listens elsewhere, say so with --listen',
  find: ({ agent }) => ('unknown' in agent ? [{ subject: 'node', problem: agent.unknown }] : []),
};

/** What the checks of this table look at themselves, in the words of the same functions. */
const ownChecks: ReadonlySet<string> = new Set(['nft', 'nf_tables', 'ipvs', 'bridge-netfilter']);

export const agentReady: Check<NodeFacts> = {
  id: 'agent-ready',
  severity: 'error',
  finds: 'the agent is not ready, or stuck, and says why',
  effect: 'what this node enforces is not, or not yet, what the cluster says',
  remedy: 'do what the text says; the log of the agent says more',
  find: (facts) => {
    const state = valueOf(facts.agent);
    const failing = [...(state?.live ?? []), ...(state?.ready ?? [])].filter(({ name, reason }) => {
      return reason !== undefined && !ownChecks.has(name);
    });
    return failing.map(({ name, reason }) => ({
      subject: `agent check ${name}`,
      problem: reason!,
      ...voidedFor(podsOf(facts)),
    }));
  },
};
