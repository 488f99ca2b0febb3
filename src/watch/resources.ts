import { isJsonObject, listAt, type JsonObject } from '../lib/json.ts';
import { policyKinds } from '../kinds/all.ts';
import type { PolicyKind } from '../kinds/policy-kind.ts';
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
  ...policyKinds.flatMap((kind): WatchedResource[] => {
    const { resource } = kind;
    return 'path' in resource ? [{ ...ofPolicies(kind), path: resource.path }] : [];
  }),
];

/** A resource that the API server may or may not serve: its path depends on the version that it serves (`served-path.ts`). */
export interface OptionalResource extends Omit<WatchedResource, 'path'> {
  readonly group: string;
}

export const optionalResources: readonly OptionalResource[] = policyKinds.flatMap((kind): OptionalResource[] => {
  const { resource } = kind;
  return 'group' in resource ? [{ ...ofPolicies(kind), group: resource.group }] : [];
});

function ofPolicies(kind: PolicyKind): Omit<WatchedResource, 'path'> {
  const { name, namespaced, resource } = kind;
  return {
    resource: resource.name,
    kind: name,
    namespaced,
    decode: (raw) => {
      const { policy, issues } = kind.parse(raw);
      const conditions = kind.hasStatus && readConditions(raw);
      return { value: { kind: 'Policy', ...policy }, issues, ...(conditions && { conditions }) };
    },
  };
}

/** What an agent keeps of the conditions of one object: at most so many, of so many characters of JSON. */
const mostConditions = 16;
const longestConditions = 16_384;

/** `undefined` if there is more than an agent keeps: any agent may write a status, and each keeps all. */
function readConditions(raw: unknown): readonly JsonObject[] | undefined {
  const conditions = listAt(raw, 'status', 'conditions').filter(isJsonObject);
  const isKept = conditions.length <= mostConditions && JSON.stringify(conditions).length <= longestConditions;
  return isKept ? conditions : undefined;
}
