// loadYaml would turn what it has read into objects of the API's classes. A list, as the manifests room gives it, has none.
export const getSerializationType = (): string => '';
export const ObjectSerializer = { deserialize: (value: unknown): unknown => value };
