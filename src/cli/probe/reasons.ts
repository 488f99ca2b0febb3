import type { Decision } from '../../evaluator/decision.ts';

/** Reasons of the deciding ends: those that deny, or both if the flow is allowed. */
export function reasonsOf(decision: Decision, from: string, to: string): string[] {
  return (['egress', 'ingress'] as const).flatMap((direction) => {
    const { verdict, reason, nearMisses, allowedBy, tiers } = decision[direction];
    if (verdict !== decision.verdict) return [];
    const title = `${direction} of ${direction === 'egress' ? from : to}: ${reason}`;
    const deciding = tiers?.decidedBy ? [tiers.decidedBy] : allowedBy;
    const by = deciding.map(({ policy, path }) => `${policy} ${path}`).slice(0, 3);
    return [
      by.length > 0 ? `${title} (${by.join(', ')})` : title,
      ...nearMisses.slice(0, 1).map((miss) => miss.reason),
    ];
  });
}
