export type ApiErrorCode =
  /** The kubeconfig, or a credential that it names, is unreadable or invalid. */
  | 'kubeconfig'
  /** The connection failed or broke. */
  | 'unreachable'
  /** The server sent no data before the deadline. */
  | 'silent'
  /** An HTTP status, or a Status object in a stream, other than those below. */
  | 'refused'
  /** The API server no longer has the requested resourceVersion (410), or does not know it. Only a new list helps. */
  | 'expired'
  /** The response does not follow the API, for example it is not JSON or not a list. */
  | 'malformed';

/** Any failure of a request to the API server. */
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

/** Converts a `Status` object (meta/v1), the body of an error response or the object of an ERROR event. */
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

/** After an etcd restore, an older resourceVersion can be "too large" (504 with that cause). Waiting does not help then. */
function isExpired(code: number, body: { reason?: unknown; details?: { causes?: unknown } }): boolean {
  if (code === 410 || body.reason === 'Expired' || body.reason === 'Gone') return true;
  const causes = body.details?.causes;
  return Array.isArray(causes) && causes.some((cause) => cause?.reason === 'ResourceVersionTooLarge');
}
