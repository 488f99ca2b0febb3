import { podRules } from './kinds/pod.ts';
import { namespaceRules } from './kinds/namespace.ts';
import { clusterNetworkPolicyRules } from './kinds/cluster-network-policy.ts';
import { networkPolicyRules } from './kinds/network-policy.ts';
import { serviceRules } from './kinds/service.ts';
import { controllerRules, jobRules } from './kinds/workload.ts';
import type { KindRules } from './kinds/kind-rules.ts';
import * as core from './schema/core.ts';
import { clusterNetworkPolicy } from './schema/cluster-network-policy.ts';
import { networkPolicy } from './schema/network-policy.ts';
import { pod } from './schema/pod.ts';
import type { ObjectSchema } from './schema/schema.ts';
import * as workloads from './schema/workloads.ts';

/** One served type. This table drives routing, discovery, OpenAPI paths and the store. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  /** For example `all` in `kubectl get all`. */
  readonly categories: readonly string[];
  readonly subresources: readonly Subresource[];
  /** `metadata.generation` counts changes of the spec. */
  readonly generation: boolean;
  /** Defined by a CustomResourceDefinition: it has no strategic merge patch. */
  readonly isCustom: boolean;
  /** Fields besides `metadata.name` and `metadata.namespace` that a field selector may name. */
  readonly selectableFields: readonly string[];
  readonly schema: ObjectSchema;
  readonly rules: KindRules;
}

export type Subresource = keyof typeof subresourceVerbs;

export const subresourceVerbs = {
  status: ['get', 'patch', 'update'],
  finalize: ['update'],
  binding: ['create'],
} as const satisfies Record<string, readonly string[]>;

export type ResourceName = keyof typeof table;

const replicated = controllerRules({ replicas: true });

const table = {
  pods: {
    ...served('', 'pods', pod, ['po']),
    categories: ['all'],
    subresources: ['status', 'binding'],
    selectableFields: ['spec.nodeName', 'spec.restartPolicy', 'spec.hostNetwork', 'status.phase', 'status.podIP'],
    rules: podRules,
  },
  namespaces: {
    ...served('', 'namespaces', core.namespace, ['ns']),
    namespaced: false,
    subresources: ['status', 'finalize'],
    selectableFields: ['status.phase'],
    rules: namespaceRules,
  },
  nodes: {
    ...served('', 'nodes', core.node, ['no']),
    namespaced: false,
    subresources: ['status'],
    selectableFields: ['spec.unschedulable'],
  },
  services: {
    ...served('', 'services', core.service, ['svc']),
    categories: ['all'],
    subresources: ['status'],
    selectableFields: ['spec.clusterIP', 'spec.type'],
    rules: serviceRules,
  },
  endpoints: served('', 'endpoints', core.endpoints, ['ep']),
  events: {
    ...served('', 'events', core.coreEvent, ['ev']),
    selectableFields: [
      ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
        (field) => `involvedObject.${field}`,
      ),
      ...['reason', 'reportingComponent', 'source', 'type'],
    ],
  },
  configmaps: served('', 'configmaps', core.configMap, ['cm']),
  serviceaccounts: served('', 'serviceaccounts', core.serviceAccount, ['sa']),
  deployments: workload('apps', 'deployments', workloads.deployment, replicated, ['deploy']),
  replicasets: workload('apps', 'replicasets', workloads.replicaSet, replicated, ['rs']),
  statefulsets: workload('apps', 'statefulsets', workloads.statefulSet, replicated, ['sts']),
  daemonsets: workload('apps', 'daemonsets', workloads.daemonSet, controllerRules({ replicas: false }), ['ds']),
  jobs: workload('batch', 'jobs', workloads.job, jobRules(['spec']), []),
  cronjobs: workload('batch', 'cronjobs', workloads.cronJob, jobRules(['spec', 'jobTemplate', 'spec']), ['cj']),
  leases: served('coordination.k8s.io', 'leases', core.lease),
  endpointslices: { ...served('discovery.k8s.io', 'endpointslices', core.endpointSlice), generation: true },
  networkpolicies: {
    ...served('networking.k8s.io', 'networkpolicies', networkPolicy, ['netpol']),
    generation: true,
    rules: networkPolicyRules,
  },
  clusternetworkpolicies: {
    ...served('policy.networking.k8s.io', 'clusternetworkpolicies', clusterNetworkPolicy, ['cnp']),
    version: 'v1alpha2',
    namespaced: false,
    isCustom: true,
    subresources: ['status'],
    generation: true,
    rules: clusterNetworkPolicyRules,
  },
  'events.events.k8s.io': {
    ...served('events.k8s.io', 'events', core.event, ['ev']),
    selectableFields: ['regarding.kind', 'regarding.name', 'regarding.namespace', 'reason', 'type'],
  },
} satisfies Record<string, Resource>;

export const resources: Readonly<Record<ResourceName, Resource>> = table;
export const resourceNames = Object.keys(table) as ResourceName[];

/** The resource at `/apis/GROUP/VERSION/PLURAL` (`/api/VERSION/PLURAL` for the group ''). */
export function findResource(group: string, version: string, plural: string): ResourceName | undefined {
  return resourceNames.find((name) => {
    const each = resources[name];
    return each.group === group && each.version === version && each.plural === plural;
  });
}

export function apiVersionOf({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

function served(group: string, plural: string, schema: ObjectSchema, shortNames: readonly string[] = []): Resource {
  return {
    group,
    version: 'v1',
    plural,
    singular: schema.name.toLowerCase(),
    kind: schema.name,
    namespaced: true,
    shortNames,
    categories: [],
    subresources: [],
    generation: false,
    isCustom: false,
    selectableFields: [],
    schema,
    rules: {},
  };
}

function workload(
  group: string,
  plural: string,
  schema: ObjectSchema,
  rules: KindRules,
  shortNames: readonly string[],
): Resource {
  const base = served(group, plural, schema, shortNames);
  return { ...base, categories: ['all'], subresources: ['status'], generation: true, rules };
}
