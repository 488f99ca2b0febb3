import { apiVersionOf, resourceNames, resources, type Resource } from './resources.ts';
import type { Schema } from './schema/schema.ts';

const all = resourceNames.map((name) => resources[name]);
const roots = new Map(all.map((resource) => [rootOf(resource), resource]));

/**
 * What kubectl needs of OpenAPI v2 to accept a `kind: List`, whose items the server then checks: a document that describes
 * nothing, in gnostic's protobuf (Document.swagger is field 1).
 */
export const openApiV2 = { mediaType: 'application/octet-stream', body: Buffer.from('\x0a\x032.0', 'latin1') } as const;

/** The answer to a path under /openapi/v3, or `undefined`. */
export function describeApi(pathname: string): object | undefined {
  const path = pathname.replace(/\/$/, '');
  if (path === '/openapi/v3') {
    const entries = [...roots.keys()].map((root) => [root, { serverRelativeURL: `/openapi/v3/${root}` }]);
    return { paths: Object.fromEntries(entries) };
  }
  const root = path.replace('/openapi/v3/', '');
  return roots.has(root) ? groupDocument(root) : undefined;
}

function groupDocument(root: string): object {
  const served = all.filter((resource) => rootOf(resource) === root);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.33.0' },
    paths: Object.fromEntries(served.map((resource) => [pathOf(resource), operations(resource)])),
    components: {
      schemas: Object.fromEntries(served.map((resource) => [schemaName(resource), topLevelSchema(resource)])),
    },
  };
}

/**
 * kubectl leaves the checking of fields to a server whose PATCH names the parameter. That no strategic merge patch is
 * described makes it build such patches from its own types, which know every merge key.
 */
function operations(resource: Resource): object {
  const gvk = { 'x-kubernetes-group-version-kind': groupVersionKind(resource) };
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
    name,
    in: 'query',
    schema: { type: 'string', uniqueItems: true },
  }));
  const content = { 'application/json': { schema: { $ref: `#/components/schemas/${schemaName(resource)}` } } };
  const responses = { 200: { description: 'OK', content } };
  return {
    get: { 'x-kubernetes-action': 'get', ...gvk, responses },
    put: { 'x-kubernetes-action': 'put', ...gvk, parameters, responses },
    patch: { 'x-kubernetes-action': 'patch', ...gvk, parameters, responses },
  };
}

function topLevelSchema(resource: Resource): object {
  return { ...toOpenApi(resource.schema), 'x-kubernetes-group-version-kind': [groupVersionKind(resource)] };
}

function toOpenApi(schema: Schema): object {
  switch (schema.type) {
    case 'text':
      return { type: 'string' };
    case 'flag':
      return { type: 'boolean' };
    case 'int32':
    case 'int64':
      return { type: 'integer', format: schema.type };
    case 'int-or-text':
      return { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' };
    case 'anything':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    case 'map':
      return { type: 'object', additionalProperties: toOpenApi(schema.values) };
    case 'list': {
      const { merge } = schema;
      const merged = merge === 'atomic' ? {} : { 'x-kubernetes-patch-strategy': 'merge' };
      const keyed = typeof merge === 'object' ? { 'x-kubernetes-patch-merge-key': merge.key } : {};
      return { type: 'array', items: toOpenApi(schema.items), ...merged, ...keyed };
    }
    case 'object': {
      const properties = Object.entries(schema.fields).map(([name, field]) => [name, toOpenApi(field)]);
      return { type: 'object', properties: Object.fromEntries(properties) };
    }
  }
}

function groupVersionKind({ group, version, kind }: Resource): object {
  return { group, version, kind };
}

function rootOf(resource: Resource): string {
  return `${resource.group === '' ? 'api' : 'apis'}/${apiVersionOf(resource)}`;
}

function pathOf(resource: Resource): string {
  const scope = resource.namespaced ? '/namespaces/{namespace}' : '';
  return `/${rootOf(resource)}${scope}/${resource.plural}/{name}`;
}

function schemaName({ group, version, kind }: Resource): string {
  // The packages of k8s.io/api are called by the first part of the group.
  return `io.k8s.api.${group === '' ? 'core' : group.split('.')[0]}.${version}.${kind}`;
}
