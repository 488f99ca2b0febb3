import type { FieldError } from './validation/field-error.ts';
import { formatFieldError } from './validation/field-error.ts';

/** metav1.Status: the body of every failed request. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

/** A refusal; `status` is the body of the answer. Messages are those of k8s.io/apimachinery/pkg/api/errors. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: Status & { code: number; reason: string };

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    const failure = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' } as const;
    this.status = { ...failure, message, reason, ...(details && { details }), code };
  }
}

type Names = { readonly group: string; readonly plural: string };

function qualifiedName(resource: Names): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

function describe(resource: Names, name: string): StatusDetails {
  return { name, ...(resource.group !== '' && { group: resource.group }), kind: resource.plural };
}

export function notFound(resource: Names, name: string): ApiError {
  const message = `${qualifiedName(resource)} "${name}" not found`;
  return new ApiError(404, 'NotFound', message, describe(resource, name));
}

export function unknownPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function alreadyExists(resource: Names, name: string): ApiError {
  const message = `${qualifiedName(resource)} "${name}" already exists`;
  return new ApiError(409, 'AlreadyExists', message, describe(resource, name));
}

export function conflict(resource: Names, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${qualifiedName(resource)} "${name}": ${why}`;
  return new ApiError(409, 'Conflict', message, describe(resource, name));
}

export function forbidden(resource: Names, name: string, why: string, causes?: StatusCause[]): ApiError {
  const message = `${qualifiedName(resource)} "${name}" is forbidden: ${why}`;
  return new ApiError(403, 'Forbidden', message, { ...describe(resource, name), ...(causes && { causes }) });
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

/** `kind` and `group` form the type name, for example `NetworkPolicy.networking.k8s.io`; both are empty for a refused patch. */
export function invalid(type: { kind: string; group: string }, name: string, errors: readonly FieldError[]): ApiError {
  const texts = errors.map((error) => `${error.field}: ${formatFieldError(error)}`);
  const kind = type.group === '' ? type.kind : `${type.kind}.${type.group}`;
  const message = `${kind} "${name}" is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`;
  const causes = errors.map((error) => ({
    reason: error.reason,
    message: formatFieldError(error),
    field: error.field,
  }));
  return new ApiError(422, 'Invalid', message, {
    ...(name !== '' && { name }),
    ...(type.group !== '' && { group: type.group }),
    ...(type.kind !== '' && { kind: type.kind }),
    causes,
  });
}

export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message);
}

export function tooOldVersion(asked: number, oldest: number): ApiError {
  return expired(`too old resource version: ${asked} (${oldest})`);
}

export function tooLargeVersion(asked: number, current: number): ApiError {
  const message = `Too large resource version: ${asked}, current: ${current}`;
  return new ApiError(504, 'Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function notAcceptable(accepted: readonly string[]): ApiError {
  const message = `only the following media types are accepted: ${accepted.join(', ')}`;
  return new ApiError(406, 'NotAcceptable', message);
}

export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return new ApiError(415, 'UnsupportedMediaType', message);
}
