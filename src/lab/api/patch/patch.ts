import { ApiError, badRequest } from '../status.ts';
import { isJsonObject, type ApiObject } from '../object.ts';
import type { Resource } from '../resources.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { PatchError } from './patch-error.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

export type PatchType = 'json' | 'merge' | 'strategic';

export interface Patch {
  readonly type: PatchType;
  readonly body: unknown;
}

/** The patched object, not yet validated. Throws 400 or 422. */
export function applyPatch(resource: Resource, object: ApiObject, { type, body }: Patch): unknown {
  try {
    if (type === 'json') return applyJsonPatch(object, body);
    if (!isJsonObject(body)) throw badRequest('invalid patch: a merge patch must be an object');
    return type === 'merge' ? applyMergePatch(object, body) : applyStrategicMergePatch(resource.schema, object, body);
  } catch (error) {
    if (error instanceof PatchError) throw unprocessable(error.message);
    throw error;
  }
}

function unprocessable(why: string): ApiError {
  return new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {
    causes: [{ reason: 'UnexpectedServerResponse', message: why }],
  });
}
