import { applyPatch, type Operation } from 'rfc6902';
import { isJsonObject } from '../object.ts';
import { badRequest } from '../status.ts';
import { PatchError } from './patch-error.ts';

/** RFC 6902. Returns a copy. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch) || !patch.every(isJsonObject)) {
    throw badRequest('error decoding patch: a JSON patch must be an array of operations');
  }
  const document = structuredClone(target);
  const failure = applyOperations(document, patch as unknown as Operation[]);
  if (failure) throw new PatchError(failure.message);
  return document;
}

/** The first failure. The library returns most failures, but throws for invalid pointers. */
function applyOperations(document: unknown, operations: Operation[]): Error | undefined {
  try {
    return applyPatch(document, operations).find((result) => result !== null);
  } catch (error) {
    return error as Error;
  }
}
