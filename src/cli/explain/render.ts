import { describeTierRule } from '../../evaluator/cluster-policy-tier.ts';
import type { AuditedEnd, Decision, End, TierSteps, Verdict } from '../../evaluator/decision.ts';
import { printable } from '../../lib/printable.ts';
import type { Family } from '../../model/address.ts';

export interface Explanation {
  /** Allowed if all families are allowed. */
  readonly verdict: Verdict;
  readonly families: Readonly<Partial<Record<Family, Decision>>>;
}

/** Renders the verdict, then each end. Merges families with equal answers. */
export function renderExplanation(
  { verdict, families }: Explanation,
  from: string,
  to: string,
  traffic: string,
): string {
  const answers = new Map<string, { verdict: Verdict; families: string[] }>();
  for (const [family, decision] of Object.entries(families)) {
    const text = `${renderEnd(`egress of ${from}`, decision.egress)}\n${renderEnd(`ingress of ${to}`, decision.ingress)}`;
    const same = answers.get(text);
    if (same) same.families.push(family);
    else answers.set(text, { verdict: decision.verdict, families: [family] });
  }
  const one = answers.size === 1;
  const heading = `${verdict}: ${from} → ${to}, ${traffic}${one ? ` (${Object.keys(families).join(', ')})` : ''}\n\n`;
  const sections = [...answers].map(([text, answer]) =>
    one ? text : `${answer.families.join(', ')}: ${answer.verdict}\n\n${text}`,
  );
  return heading + sections.join('\n');
}

function renderEnd(title: string, { verdict, reason, allowedBy, nearMisses, tiers, audit }: End): string {
  const lines = [`${title}: ${verdict}`, `  ${reason}`];
  for (const { policy, path } of allowedBy) lines.push(`    ${policy} ${path}`);
  for (const { policy, path, reason: miss } of nearMisses) lines.push(`  - ${miss}`, `    ${policy} ${path}`);
  if (tiers) lines.push(...renderTiers(tiers));
  if (audit) lines.push(...renderAudit(audit));
  return `${lines.map(printable).join('\n')}\n`;
}

function renderAudit({ policies, verdict, allowedBy, nearMisses }: AuditedEnd): string[] {
  const would = `  in audit: ${policies.join(', ')} would ${verdict === 'allowed' ? 'allow' : 'deny'} this`;
  const rules = allowedBy.map(({ policy, path }) => `    ${policy} ${path}`);
  const misses = nearMisses.flatMap(({ policy, path, reason }) => [`  - ${reason}`, `    ${policy} ${path}`]);
  return [would, ...rules, ...misses];
}

/** The rule that denies, the rules that passed it on, and those that come too late. */
function renderTiers({ decidedBy, passedBy, passedOver }: TierSteps): string[] {
  const denying = decidedBy?.action === 'Deny' ? [decidedBy] : [];
  const lines = [...denying, ...passedBy].map(({ policy, path }) => `    ${policy} ${path}`);
  // In each tier, one rule at most has decided, or has passed the packet on.
  const ended = [...(decidedBy ? [decidedBy] : []), ...passedBy];
  for (const rule of passedOver) {
    const isTied = ended.some(
      ({ tier, priority, policy }) => tier === rule.tier && priority === rule.priority && policy !== rule.policy,
    );
    const why = isTied ? ': the same priority, so the name decides' : '';
    lines.push(`  passed over: ${describeTierRule(rule)} (${rule.action})${why}`, `    ${rule.policy} ${rule.path}`);
  }
  return lines;
}
