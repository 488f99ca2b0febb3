import { enforceAudits, type Cluster } from './cluster.ts';
import type { Decision, End, Flow } from './decision.ts';
import { evaluate } from './evaluator.ts';

/** Evaluates a flow, and says at each end what the policies in audit would decide there, together. They change no verdict (S13.2). */
export function evaluateAudits(cluster: Cluster, flow: Flow): Decision {
  const decision = evaluate(cluster, flow);
  if (cluster.audited.length === 0) return decision;
  const audited = new Set(cluster.audited.map(({ ref }) => ref));
  const enforced = evaluate(enforceAudits(cluster), flow);
  const add = (end: End, { verdict, reason, isolatedBy, allowedBy, nearMisses }: End): End => {
    const policies = isolatedBy.filter((ref) => audited.has(ref));
    return policies.length === 0 ? end : { ...end, audit: { policies, verdict, reason, allowedBy, nearMisses } };
  };
  return {
    ...decision,
    egress: add(decision.egress, enforced.egress),
    ingress: add(decision.ingress, enforced.ingress),
  };
}
