import type { ApiObject } from '../object.ts';
import type { FieldError } from '../validation/field-error.ts';

/** What the API server does for one kind beyond what it does for all. Absent steps do nothing. */
export interface KindRules {
  /** What is wrong with a name; DNS-1123 subdomain where absent. */
  readonly checkName?: (name: string) => string[];
  /** Resets what a client may not set, as the registry's PrepareForCreate. */
  readonly prepareCreate?: (object: ApiObject) => void;
  /** Keeps what an update that leaves it out does not mean to drop. */
  readonly prepareUpdate?: (object: ApiObject, previous: ApiObject) => void;
  /** Fills in defaults, at create and update. */
  readonly setDefaults?: (object: ApiObject) => void;
  readonly validate?: (object: ApiObject) => FieldError[];
  /** About valid objects, in the words of the real server. */
  readonly warn?: (object: ApiObject) => string[];
  readonly validateUpdate?: (object: ApiObject, previous: ApiObject) => FieldError[];
}
