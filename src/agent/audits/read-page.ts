import { leftOutReasons } from '../../model/node-policies.ts';
import type { AuditPage, AuditRow, SavedAudits } from './audit-tally.ts';
import { isJsonObject, listAt, numberAt } from '../../lib/json.ts';
import { canonicalAddress } from '../../model/address.ts';
import { directions } from '../../model/policy.ts';

/** Reads an agent's page `/audits`. Returns `undefined` if it has another form. */
export function readAuditPage(value: unknown): AuditPage | undefined {
  if (!isJsonObject(value)) return undefined;
  const { leftOut } = value;
  const counts = readCounts(value);
  return counts && isLeftOut(leftOut) ? { ...counts, leftOut } : undefined;
}

/** Reads what an agent has saved. Throws an Error if it has another form. */
export function readSavedAudits(value: unknown): SavedAudits {
  const counts = readCounts(value);
  const savedAt = numberAt(value, 'savedAt');
  if (!counts || savedAt === undefined) throw new Error('it is not what an agent of this version saves');
  return { savedAt, ...counts };
}

function readCounts(value: unknown): Omit<SavedAudits, 'savedAt'> | undefined {
  if (!isJsonObject(value) || typeof value['since'] !== 'number' || !Array.isArray(value['rows'])) return undefined;
  const { since, unlisted, unrecorded } = value;
  const rows = listAt(value, 'rows');
  if (!rows.every(isRow) || !isCounts(unlisted)) return undefined;
  if (!Array.isArray(unrecorded) || !unrecorded.every(isUnrecorded)) return undefined;
  return { since, rows, unlisted, unrecorded };
}

function isRow(value: unknown): value is AuditRow {
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

function isCounts(value: unknown): value is Record<string, number> {
  return isJsonObject(value) && Object.values(value).every((count) => typeof count === 'number');
}

function isUnrecorded(value: unknown): value is AuditPage['unrecorded'][number] {
  if (!isJsonObject(value)) return false;
  const { direction, namespace = '', packets } = value;
  return directions.some((each) => each === direction) && typeof namespace === 'string' && typeof packets === 'number';
}

function isLeftOut(value: unknown): value is AuditPage['leftOut'] {
  return isJsonObject(value) && Object.values(value).every((why) => leftOutReasons.some((each) => each === why));
}
