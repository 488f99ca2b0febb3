import { valueOf, type NodeFacts } from '../facts.ts';
import type { Check } from '../finding.ts';
import { podsOf, voidedFor } from '../subjects.ts';

export const agentAnswers: Check<NodeFacts> = {
  id: 'agent',
  severity: 'error',
  finds: 'the agent of the node does not answer',
  effect: 'the rules in the kernel stay as they are; the node enforces no later change of a pod or a policy',
  remedy: 'read the log of the agent of this node; if the agent listens on another address, set --listen',
  find: ({ agent }) => ('unknown' in agent ? [{ subject: 'node', problem: agent.unknown }] : []),
};

/** Checks of the agent that the doctor runs itself, with the same functions. */
const ownChecks: ReadonlySet<string> = new Set(['nft', 'nf_tables', 'ipvs', 'bridge-netfilter', 'flow-tables']);

export const agentReady: Check<NodeFacts> = {
  id: 'agent-ready',
  severity: 'error',
  finds: 'the agent reports that it is not ready or stuck',
  effect: 'the node does not yet enforce the current policies',
  remedy: 'do what the finding says; the log of the agent shows more',
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
