import { apiVersionOf, resourceNames, resources, type Resource } from './resources.ts';

const all = resourceNames.map((name) => resources[name]);
const roots = new Map(all.map((resource) => [rootOf(resource), resource]));

/**
 * An empty OpenAPI v2 document in gnostic's protobuf (Document.swagger is field 1). kubectl needs it to accept a `kind: List`; the
 * server validates the items.
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
  };
}

/**
 * kubectl leaves field validation and dry runs to the server if PATCH has these parameters. Without a description of strategic merge
 * patches, kubectl builds them from its own types, which have all merge keys.
 */
function operations({ group, version, kind }: Resource): object {
  const parameters = ['dryRun', 'fieldValidation'].map((name) => ({ name, in: 'query', schema: { type: 'string' } }));
  return { patch: { 'x-kubernetes-group-version-kind': { group, version, kind }, parameters } };
}

function rootOf(resource: Resource): string {
  return `${resource.group === '' ? 'api' : 'apis'}/${apiVersionOf(resource)}`;
}

function pathOf(resource: Resource): string {
  const scope = resource.namespaced ? '/namespaces/{namespace}' : '';
  return `/${rootOf(resource)}${scope}/${resource.plural}/{name}`;
}
