import { isJsonObject, type ApiObject } from './object.ts';
import type { Patch } from './patch/patch.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import { decode, TypeMismatch } from './schema/decode.ts';
import { badRequest, invalid, type ApiError } from './status.ts';
import { invalidValue } from './validation/field-error.ts';

/** How to treat unknown fields: refuse them, or drop them with or without a warning. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

interface DecodeOptions {
  readonly fieldValidation?: FieldValidation | undefined;
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** Decodes a client's object into a copy. Throws 400 with the message of the real server. */
export function decodeRequest(resource: Resource, input: unknown, options: DecodeOptions): ApiObject {
  return decodeAs(resource, input, options, (why) =>
    badRequest(`${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ${why}`),
  );
}

/** Decodes a patched object. Throws 422. */
export function decodePatched(resource: Resource, patched: unknown, patch: Patch, options: DecodeOptions): ApiObject {
  return decodeAs(resource, patched, options, (why) =>
    invalid({ kind: '', group: '' }, '', [invalidValue('patch', patch.body, why)]),
  );
}

function decodeAs(
  resource: Resource,
  input: unknown,
  { fieldValidation = 'Strict', onWarning }: DecodeOptions,
  refuse: (why: string) => ApiError,
): ApiObject {
  checkType(resource, input);
  const unknown: string[] = [];
  const object = decodeOrRefuse(resource, structuredClone(input), unknown, refuse);
  object.metadata ??= {};
  const warnings = unknown.map((path) => `unknown field "${path}"`);
  if (warnings.length > 0 && fieldValidation === 'Strict')
    throw refuse(`strict decoding error: ${warnings.join(', ')}`);
  if (fieldValidation === 'Warn') for (const warning of warnings) onWarning?.(warning);
  return object;
}

function decodeOrRefuse(
  resource: Resource,
  input: unknown,
  unknown: string[],
  refuse: (why: string) => ApiError,
): ApiObject {
  try {
    return decode(resource.schema, input, unknown) as ApiObject;
  } catch (error) {
    if (error instanceof TypeMismatch) throw refuse(error.message);
    throw error;
  }
}

function checkType(resource: Resource, input: unknown): void {
  const { kind, apiVersion } = isJsonObject(input) ? input : {};
  const expected = apiVersionOf(resource);
  if (kind === resource.kind && apiVersion === expected) return;
  throw badRequest(
    `the API version in the data (${String(apiVersion)}, kind ${String(kind)}) does not match the expected API version (${expected}, kind ${resource.kind})`,
  );
}
