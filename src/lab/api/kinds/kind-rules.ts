import type { ApiObject } from '../object.ts';
import type { FieldError } from '../validation/field-error.ts';

/** Rules of the API server for one kind, in addition to the common ones. */
export interface KindRules {
  /** Returns errors of a name; default: DNS-1123 subdomain. */
  readonly checkName?: (name: string) => string[];
  /** Resets fields that a client must not set, as PrepareForCreate of the registry. */
  readonly prepareCreate?: (object: ApiObject) => void;
  /** Keeps fields that an update omits but does not delete. */
  readonly prepareUpdate?: (object: ApiObject, previous: ApiObject) => void;
  /** Fills in defaults, at create and update. */
  readonly setDefaults?: (object: ApiObject) => void;
  readonly validate?: (object: ApiObject) => FieldError[];
  /** Warnings for valid objects, with the messages of the real server. */
  readonly warn?: (object: ApiObject) => string[];
  readonly validateUpdate?: (object: ApiObject, previous: ApiObject) => FieldError[];
}
