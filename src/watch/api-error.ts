export type ApiErrorCode =
  /** The kubeconfig, or a credential that it names, cannot be read or makes no sense. */
  | 'kubeconfig'
  /** No connection, or it broke. */
  | 'unreachable'
  /** Nothing came for as long as the deadline allows. */
  | 'silent'
  /** An HTTP status, or a Status object in a stream, other than those below. */
  | 'refused'
  /** The version asked for is no longer kept (410), or unknown to this server: only a new list helps. */
  | 'expired'
  /** The answer is not what the API promises: no JSON, no list. */
  | 'malformed';

/** Everything that can go wrong between us and the API server. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  /** The HTTP status, or the `code` of a Status object. */
  readonly status: number | undefined;

  constructor(code: ApiErrorCode, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.status = options.status;
  }
}

/** Reads a `Status` object (meta/v1), as the body of an error answer or in an ERROR event. */
export function statusError(status: number, raw: unknown): ApiError {
  const body = (typeof raw === 'object' && raw !== null ? raw : {}) as {
    code?: unknown;
    message?: unknown;
    reason?: unknown;
    details?: { causes?: readonly { reason?: unknown }[] };
  };
  const code = typeof body.code === 'number' ? body.code : status;
  const message = typeof body.message === 'string' ? body.message : `status ${code}`;
  return new ApiError(isExpired(code, body) ? 'expired' : 'refused', message, { status: code });
}

/** A version from before an etcd restore is "too large" (504 with that cause), and no waiting makes it known. */
function isExpired(code: number, body: { reason?: unknown; details?: { causes?: unknown } }): boolean {
  if (code === 410 || body.reason === 'Expired' || body.reason === 'Gone') return true;
  const causes = body.details?.causes;
  return Array.isArray(causes) && causes.some((cause) => cause?.reason === 'ResourceVersionTooLarge');
}
