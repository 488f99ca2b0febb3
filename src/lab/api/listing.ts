import { badRequest, expired } from './status.ts';
import { parseFieldSelector } from './field-selector.ts';
import { parseLabelSelector } from './label-selector.ts';
import type { ApiObject } from './object.ts';
import type { Resource } from './resources.ts';

export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends Selection {
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  /** Minimum version of the list. Only a future version can fail. */
  readonly resourceVersion?: string | undefined;
}

export interface ObjectList {
  readonly resourceVersion: string;
  readonly items: ApiObject[];
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** Returns the predicate of a selection. Throws 400 for invalid selectors. */
export function parseSelection(resource: Resource, selection: Selection): (object: ApiObject) => boolean {
  const byLabels = parseLabelSelector(selection.labelSelector ?? '');
  const byFields = parseFieldSelector(selection.fieldSelector ?? '', resource.selectableFields);
  const { namespace } = selection;
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) && byLabels(object) && byFields(object);
}

/** Start of the next page, and the version of all pages. */
export interface PageStart {
  readonly version: number;
  readonly offset: number;
}

export function parseContinue(token: string): PageStart {
  const match = /^([0-9]+)\.([0-9]+)$/.exec(Buffer.from(token, 'base64url').toString());
  if (!match) throw badRequest('continue key is not valid: illegal continue token');
  return { version: Number(match[1]), offset: Number(match[2]) };
}

export function continueExpired(): Error {
  return expired(
    'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
  );
}

/** One page of `objects`: all selected objects at the version of `start`. */
export function cutPage(
  objects: readonly ApiObject[],
  start: PageStart,
  limit: number,
  countRest: boolean,
): ObjectList {
  const end = limit > 0 ? start.offset + limit : objects.length;
  const page = { resourceVersion: String(start.version), items: objects.slice(start.offset, end) };
  if (end >= objects.length) return page;
  const token = Buffer.from(`${start.version}.${end}`).toString('base64url');
  return { ...page, continue: token, ...(countRest && { remainingItemCount: objects.length - end }) };
}

/** A resourceVersion as a client sends it; '' and '0' are 0. */
export function parseVersion(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^[0-9]{1,15}$/.test(text)) throw badRequest(`invalid resource version ${JSON.stringify(text)}`);
  return Number(text);
}
