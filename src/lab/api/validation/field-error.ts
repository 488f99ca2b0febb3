/** An invalid field, with the message of k8s.io/apimachinery/pkg/util/validation/field. */
export interface FieldError {
  readonly field: string;
  readonly reason: FieldErrorReason;
  /** The value in the message; absent if the reason does not show it. */
  readonly found?: string;
  readonly detail: string;
}

export type FieldErrorReason = keyof typeof titles;

const titles = {
  FieldValueRequired: 'Required value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueTooLong: 'Too long',
} as const;

export function required(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueRequired', detail };
}

export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return { field, reason: 'FieldValueInvalid', found: asJson(value), detail };
}

/** As `invalidValue`, for a list or map, which the real server prints in Go syntax. */
export function invalidGoValue(field: string, type: string, value: object, detail: string): FieldError {
  const parts = Array.isArray(value)
    ? value.map(asJson)
    : Object.entries(value).map(([key, each]) => `${asJson(key)}:${asJson(each)}`);
  return { field, reason: 'FieldValueInvalid', found: `${type}{${parts.join(', ')}}`, detail };
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const detail = `supported values: ${supported.map(asJson).join(', ')}`;
  return { field, reason: 'FieldValueNotSupported', found: asJson(value), detail };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueForbidden', detail };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueDuplicate', found: asJson(value), detail: '' };
}

export function tooLong(field: string, bytes: number): FieldError {
  return { field, reason: 'FieldValueTooLong', detail: `may not be more than ${bytes} bytes` };
}

/** The text after `FIELD: `. */
export function formatFieldError(error: FieldError): string {
  const parts: string[] = [titles[error.reason]];
  if (error.found !== undefined) parts.push(error.found);
  if (error.detail !== '') parts.push(error.detail);
  return parts.join(': ');
}

function asJson(value: unknown): string {
  return JSON.stringify(value ?? null);
}
