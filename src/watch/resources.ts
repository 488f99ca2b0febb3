import { policyKinds } from '../kinds/all.ts';
import type { ModelObject, ResourceName } from '../model/cluster.ts';
import { decodeNamespace, decodeNode, decodePod, type Decoded, type ObjectIdentity } from './decode.ts';

/** One thing to watch: where it is, and how its objects are read. */
export interface WatchedResource {
  readonly resource: ResourceName;
  readonly kind: string;
  /** Of the collection, all namespaces: `/api/v1/pods`. */
  readonly path: string;
  readonly namespaced: boolean;
  readonly decode: (raw: unknown, identity: ObjectIdentity) => Decoded<ModelObject>;
}

export const watchedResources: readonly WatchedResource[] = [
  { resource: 'pods', kind: 'Pod', path: '/api/v1/pods', namespaced: true, decode: decodePod },
  { resource: 'namespaces', kind: 'Namespace', path: '/api/v1/namespaces', namespaced: false, decode: decodeNamespace },
  { resource: 'nodes', kind: 'Node', path: '/api/v1/nodes', namespaced: false, decode: decodeNode },
  ...policyKinds.map((kind): WatchedResource => {
    return {
      resource: kind.resource.name,
      kind: kind.name,
      path: kind.resource.path,
      namespaced: true,
      decode: (raw) => {
        const { policy, issues } = kind.parse(raw);
        return { value: { kind: 'Policy', ...policy }, issues };
      },
    };
  }),
];
