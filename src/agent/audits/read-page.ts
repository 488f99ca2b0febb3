import { leftOutReasons } from '../../model/node-policies.ts';
import type { AuditPage, AuditRow } from './audit-tally.ts';
import { isJsonObject, listAt } from '../../lib/json.ts';
import { canonicalAddress } from '../../model/address.ts';
import { directions } from '../../model/policy.ts';

/** Reads an agent's page `/audits`. Returns `undefined` if it has another form. */
export function readAuditPage(value: unknown): AuditPage | undefined {
  if (!isJsonObject(value)) return undefined;
  const { since, now, unlisted, unrecorded, leftOut } = value;
  const rows = listAt(value, 'rows');
  if (typeof since !== 'number' || !Array.isArray(value['rows']) || !rows.every(isAuditRow)) return undefined;
  if (
    !Array.isArray(unlisted) ||
    !unlisted.every(isUnlisted) ||
    !Array.isArray(unrecorded) ||
    !unrecorded.every(isUnrecorded)
  )
    return undefined;
  if (!isLeftOut(leftOut)) return undefined;
  return { since, ...(typeof now === 'number' && { now }), rows, unlisted, unrecorded, leftOut };
}

export function isAuditRow(value: unknown): value is AuditRow {
  if (!isJsonObject(value)) return false;
  const { direction, from, to, source, destination, protocol, port, policies, connections, first, last } = value;
  const { morePolicies = 0 } = value;
  const isAddress = (text: unknown): boolean => typeof text === 'string' && canonicalAddress(text) === text;
  return (
    directions.some((each) => each === direction) &&
    [source, destination].every(isAddress) &&
    [from, to, protocol].every((text) => typeof text === 'string') &&
    Array.isArray(policies) &&
    policies.every((id) => typeof id === 'string') &&
    [port ?? 0, morePolicies, connections, first, last].every((number) => typeof number === 'number')
  );
}

function isUnlisted(value: unknown): value is AuditPage['unlisted'][number] {
  if (!isJsonObject(value)) return false;
  const { namespace, connections, last } = value;
  return typeof namespace === 'string' && [connections, last].every((number) => typeof number === 'number');
}

function isUnrecorded(value: unknown): value is AuditPage['unrecorded'][number] {
  if (!isJsonObject(value)) return false;
  const { direction, namespace = '', packets, last } = value;
  const areNumbers = [packets, last].every((number) => typeof number === 'number');
  return directions.some((each) => each === direction) && typeof namespace === 'string' && areNumbers;
}

function isLeftOut(value: unknown): value is AuditPage['leftOut'] {
  return isJsonObject(value) && Object.values(value).every((why) => leftOutReasons.some((each) => each === why));
}
