import { columns, wideColumns, type Column } from './columns.ts';
import type { ApiObject } from './object.ts';
import type { ResourceName } from './resources.ts';

/** Part of the object in each row. kubectl needs it for names and labels, and to sort. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** A meta.k8s.io/v1 Table, which `kubectl get` requests for lists, objects and watch events. */
export function makeTable(
  name: ResourceName,
  objects: readonly ApiObject[],
  metadata: object,
  include: IncludeObject,
  now: Date,
): object {
  const age: Column = { name: 'Age', value: (object) => formatAge(now, object.metadata.creationTimestamp) };
  const first: Column = { name: 'Name', value: (object) => object.metadata.name! };
  const all = [first, ...(columns[name] ?? []), age, ...(wideColumns[name] ?? [])];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: all.map((column) => ({
      name: column.name,
      type: 'string',
      format: column === first ? 'name' : '',
      description: '',
      priority: column.wide ? 1 : 0,
    })),
    rows: objects.map((object) => ({ cells: all.map((column) => column.value(object)), ...included(object, include) })),
  };
}

function included(object: ApiObject, include: IncludeObject): { object?: object } {
  if (include === 'None') return {};
  if (include === 'Object') return { object };
  return { object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } };
}

const units = [
  { suffix: 'd', seconds: 86_400 },
  { suffix: 'h', seconds: 3600 },
  { suffix: 'm', seconds: 60 },
  { suffix: 's', seconds: 1 },
];

/** `3d`, `7h`, `5m`, `42s`: the largest unit with a value of at least two. */
function formatAge(now: Date, since: string | undefined): string {
  if (since === undefined) return '<unknown>';
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(since)) / 1000));
  const unit = units.find((each) => seconds >= 2 * each.seconds) ?? units.at(-1)!;
  return `${Math.floor(seconds / unit.seconds)}${unit.suffix}`;
}
