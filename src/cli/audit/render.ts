import type { AuditRow } from '../../agent/audits/audit-tally.ts';
import type { NearMiss } from '../../evaluator/decision.ts';
import { plural } from '../../lib/plural.ts';

/** What the policies say about a row now. */
export interface RowReason {
  /** Why they would deny it; missing if they would allow it by now. */
  readonly reason: string;
  readonly wouldDeny: boolean;
  readonly nearMisses: readonly NearMiss[];
}

/** @param node the node that recorded it; missing if there is only one */
export function renderRow(row: AuditRow, now?: RowReason, node?: string): string {
  const { direction, from, to, protocol, port, connections, first, last, policies, morePolicies } = row;
  const traffic = port === undefined ? protocol : `${protocol.toUpperCase()}/${port}`;
  const place = node === undefined ? '' : `, node ${node}`;
  const heading = `${from} → ${to}, ${traffic}: ${direction} would be denied; ${plural(connections, 'connection')}, first ${dateText(first)}, last ${dateText(last)}${place}\n`;
  const others = morePolicies === undefined ? '' : ` and ${morePolicies} more`;
  if (!now) return `${heading}  in audit: ${policies.join(', ')}${others}\n`;
  if (!now.wouldDeny) return `${heading}  would be allowed by now: ${now.reason}\n`;
  const misses = now.nearMisses.map(({ policy, path, reason }) => `  - ${reason}\n    ${policy} ${path}\n`);
  return `${heading}  ${now.reason}\n${misses.join('')}`;
}

/** To the second, in UTC. */
function dateText(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
