import { findResource, resources, type Resource, type ResourceName, type Subresource } from './resources.ts';

/** The parts of a request path. */
export interface Route {
  readonly name: ResourceName;
  readonly resource: Resource;
  /** Absent for cluster-scoped resources and for lists over all namespaces. */
  readonly namespace?: string;
  /** Absent for collections. */
  readonly objectName?: string;
  readonly subresource?: Subresource;
}

/**
 * Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`, then `PLURAL`, `PLURAL/NAME[/SUB]` or `namespaces/NS/PLURAL[/NAME[/SUB]]`.
 * Returns `undefined` for other paths.
 */
export function parseRoute(pathname: string): Route | undefined {
  const parts = decodePath(pathname);
  if (!parts) return undefined;
  if (parts[0] === 'api') return parseResourcePath('', parts[1], parts.slice(2));
  if (parts[0] === 'apis' && parts[1]) return parseResourcePath(parts[1], parts[2], parts.slice(3));
  return undefined;
}

function parseResourcePath(group: string, version: string | undefined, rest: readonly string[]): Route | undefined {
  if (version === undefined || rest.length === 0) return undefined;
  const scoped = rest[0] === 'namespaces' && rest.length >= 3 ? findResource(group, version, rest[2]!) : undefined;
  if (scoped && resources[scoped].namespaced) return makeRoute(scoped, rest[1], rest.slice(3));
  const name = findResource(group, version, rest[0]!);
  if (!name) return undefined;
  // An object of a namespaced resource needs a namespace in the path.
  if (resources[name].namespaced && rest.length > 1) return undefined;
  return makeRoute(name, undefined, rest.slice(1));
}

function makeRoute(name: ResourceName, namespace: string | undefined, rest: readonly string[]): Route | undefined {
  const resource = resources[name];
  const [objectName, sub, ...more] = rest;
  if (more.length > 0) return undefined;
  const subresource = resource.subresources.find((each) => each === sub);
  if (sub !== undefined && !subresource) return undefined;
  return {
    name,
    resource,
    ...(namespace !== undefined && { namespace }),
    ...(objectName !== undefined && { objectName }),
    ...(subresource && { subresource }),
  };
}

function decodePath(pathname: string): string[] | undefined {
  try {
    return pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
