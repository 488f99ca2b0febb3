import { policyKinds } from '../kinds/all.ts';
import type { ModelObject, ResourceName } from '../model/cluster.ts';
import { decodeNamespace, decodeNode, decodePod, type Decoded, type ObjectIdentity } from './decode.ts';

/** A resource that the agent watches. */
export interface WatchedResource {
  readonly resource: ResourceName;
  readonly kind: string;
  /** Path of the collection in all namespaces: `/api/v1/pods`. */
  readonly path: string;
  readonly namespaced: boolean;
  /** Whether the watch asks for protobuf: protobuf.ts then describes all that `decode` reads. */
  readonly protobuf?: boolean;
  readonly decode: (raw: unknown, identity: ObjectIdentity) => Decoded<ModelObject>;
}

export const watchedResources: readonly WatchedResource[] = [
  { resource: 'pods', kind: 'Pod', path: '/api/v1/pods', namespaced: true, protobuf: true, decode: decodePod },
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
