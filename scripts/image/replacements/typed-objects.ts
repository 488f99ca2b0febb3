// loadYaml would convert documents to API classes. The manifests room passes a list, which has no class.
export const getSerializationType = (): string => '';
export const ObjectSerializer = { deserialize: (value: unknown): unknown => value };
