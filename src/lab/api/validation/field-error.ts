/** One wrong field, worded as k8s.io/apimachinery/pkg/util/validation/field does. */
export interface FieldError {
  readonly field: string;
  readonly reason: FieldErrorReason;
  /** What was found there; absent where the reason does not show it. */
  readonly value?: unknown;
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
  return { field, reason: 'FieldValueInvalid', value, detail };
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const listed = supported.toSorted().map((each) => JSON.stringify(each));
  return { field, reason: 'FieldValueNotSupported', value, detail: `supported values: ${listed.join(', ')}` };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueForbidden', detail };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueDuplicate', value, detail: '' };
}

export function tooLong(field: string, bytes: number): FieldError {
  return { field, reason: 'FieldValueTooLong', detail: `may not be more than ${bytes} bytes` };
}

/** The text after `FIELD: `. */
export function formatFieldError(error: FieldError): string {
  const parts: string[] = [titles[error.reason]];
  if ('value' in error) parts.push(JSON.stringify(error.value ?? null));
  if (error.detail !== '') parts.push(error.detail);
  return parts.join(': ');
}
