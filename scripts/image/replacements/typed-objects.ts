// loadYaml and dumpYaml would convert documents to API classes and back. Their callers pass a list, which has no class.
export const getSerializationType = (): string => '';
export const ObjectSerializer = {
  deserialize: (value: unknown): unknown => value,
  serialize: (value: unknown): unknown => value,
};
