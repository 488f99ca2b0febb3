import type { ApiObject, JsonObject, ObjectMeta } from '../../../src/lab/api/object.ts';

export function namespaceObject(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

/** A valid pod in the namespace `default`. */
export function podObject(name: string, metadata: ObjectMeta = {}, spec: JsonObject = {}): ApiObject {
  const containers = [{ name: 'main', image: 'postern/pod:1', ports: [{ containerPort: 80 }] }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { containers, ...spec },
  };
}

export function policyObject(spec: JsonObject = {}, metadata: ObjectMeta = {}): ApiObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'policy', namespace: 'default', ...metadata },
    spec: { podSelector: {}, ...spec },
  };
}
