import type { JsonObject } from '../lib/json.ts';

/** The kind of the expectations of `postern test`. It is no kind of the API. */
export const testKind = 'PolicyTest';
export const testApiVersion = 'postern.dev/v1alpha1';

/** Of any version. */
export function isPolicyTest({ apiVersion, kind }: JsonObject): boolean {
  return kind === testKind && typeof apiVersion === 'string' && apiVersion.startsWith('postern.dev/');
}
