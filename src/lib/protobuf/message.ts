/** Type of a single value. `bytes` is a view of the message, not a copy. */
export type ValueType = 'text' | 'bytes' | 'integer' | 'flag' | 'time' | 'int-or-text' | { readonly message: Message };

/**
 * Type of a field. Go encodes every field that is not a pointer, so an empty value counts as absent, as in Go's JSON with `omitempty`. An empty value
 * of a `kept` field counts: Go's JSON has it.
 */
export type FieldType =
  | ValueType
  | 'text-map'
  | 'ignored'
  | { readonly kept: ValueType }
  | { readonly listOf: ValueType }
  /** A map of text from which only these keys are read. */
  | { readonly entries: readonly string[] };

export type Field = readonly [name: string, type: FieldType];

/** The fields of a message by number, with their JSON names. */
export type Message = Readonly<Record<number, Field>>;
