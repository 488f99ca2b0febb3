import { isJsonObject } from '../lib/json.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Issue, IssueCode } from '../model/issue.ts';

/** Receives each issue of an object while it is read. */
export type Report = (issue: Issue) => void;

/** Why an element of a policy does not match. A smaller `distance` means that fewer changes would make it match. */
export interface Miss {
  readonly distance: number;
  readonly path: string;
  /** Continues the sentence "rule 1 of policy x/y would allow, but …". */
  readonly text: string;
}

/** An invalid element, which matches nothing (S9.1). */
export interface Broken {
  readonly kind: 'broken';
  readonly path: string;
  readonly message: string;
}

export function reportBroken(report: Report, code: IssueCode, path: string, message: string): Broken {
  report({ code, path, message, effect: 'failed-closed' });
  return { kind: 'broken', path, message };
}

export function missOfBroken({ path, message }: Broken): Miss {
  return { distance: 3, path, text: `${path} is invalid and matches nothing: ${message}` };
}

/** The fields of an element; `Broken` if it is not a mapping or has an unknown field (S9.9). */
export function readFields(
  raw: unknown,
  known: readonly string[],
  path: string,
  report: Report,
  code: IssueCode,
): { readonly kind: 'fields'; readonly fields: JsonObject } | Broken {
  if (!isJsonObject(raw)) return reportBroken(report, code, path, `expected fields, found ${show(raw)}`);
  const unknown = Object.keys(raw).find((key) => (raw[key] ?? undefined) !== undefined && !known.includes(key));
  if (unknown === undefined) return { kind: 'fields', fields: raw };
  return reportBroken(report, 'unknown-field', `${path}.${unknown}`, `unknown field ${show(unknown)}`);
}

/** Missing, null and empty lists are the same (S2.7). Returns `undefined` for other types. */
export function readList(raw: unknown): readonly unknown[] | undefined {
  if (raw === undefined || raw === null) return [];
  return Array.isArray(raw) ? raw : undefined;
}

export function show(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}
