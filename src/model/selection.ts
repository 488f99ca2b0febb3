import { contentHash } from '../lib/hash.ts';
import { compareText, sorted } from '../lib/sort.ts';
import type { Labels } from './cluster.ts';
import type { GroupId, GroupSelection, Requirement, Selection, Selector } from './policy.ts';

/** Selections with the same terms, in any order, have the same text. */
function canonicalSelection(selection: GroupSelection): string {
  if ('unplaced' in selection) return JSON.stringify(['unplaced']);
  if ('nodes' in selection) return JSON.stringify(['nodes', canonicalSelector(selection.nodes)]);
  const { namespaces, pods, declares } = selection;
  const port = declares ? `${declares.protocol} ${declares.name}` : '';
  return JSON.stringify([canonicalNamespaces(namespaces), canonicalSelector(pods), port]);
}

/** The texts do not collide: the text of a selector is empty or begins with `[`. */
export function canonicalNamespaces(namespaces: Selection['namespaces']): string {
  if (namespaces === 'all') return 'all';
  return 'name' in namespaces ? `name ${namespaces.name}` : canonicalSelector(namespaces.selector);
}

export function groupIdOf(selection: GroupSelection): GroupId {
  return contentHash(canonicalSelection(selection));
}

export function canonicalSelector(selector: Selector): string {
  const terms = new Set(
    selector.map((term) => JSON.stringify([term.key, term.operator, sorted(new Set(term.values))])),
  );
  return [...terms].sort(compareText).join('&');
}

/** S3.5. Compares values as strings, so a value that is invalid for labels matches nothing (S9.4). */
export function matchesSelector(selector: Selector, labels: Labels): boolean {
  return selector.every((term) => matchesRequirement(term, labels));
}

function matchesRequirement({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}
