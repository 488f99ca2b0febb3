import type { ApiObject } from './api/object.ts';
import { ApiError } from './api/status.ts';
import type { Store } from './api/store.ts';
import { LabError } from './error.ts';
import { describeObject, planApply } from './plan-apply.ts';
import type { ApplyStep } from './plan-apply.ts';

/**
 * Creates or replaces the objects, and creates namespaces that they name. Throws LabError `input` if the API server refuses an object.
 * Returns the skipped objects whose kind the lab does not serve, for example `Ingress shop/web`.
 */
export function applyObjects(store: Store, objects: readonly ApiObject[]): readonly string[] {
  const nodes = new Set(store.list('nodes').items.map(({ metadata }) => metadata.name!));
  const { steps, ignored } = planApply(objects, nodes);
  for (const step of steps) put(store, step);
  return ignored;
}

function put(store: Store, { resource, object, onlyCreate }: ApplyStep): void {
  const { namespace, name } = object.metadata;
  const exists = name !== undefined && store.find(resource, { namespace, name }) !== undefined;
  try {
    if (!exists) store.create(resource, object);
    else if (!onlyCreate) store.update(resource, object);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new LabError('input', `${describeObject(object)}: ${error.message}`, { cause: error });
  }
}
