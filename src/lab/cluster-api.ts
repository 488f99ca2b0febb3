import type { ApiObject, JsonObject, ObjectKey } from './api/object.ts';
import type { ResourceName } from './api/resources.ts';

/** Resources that the lab's controllers watch. */
export const followedResources = ['pods', 'services', 'nodes'] as const satisfies readonly ResourceName[];
export type FollowedResource = (typeof followedResources)[number];

export interface ClusterEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: ResourceName;
  /** After the change; for a deleted object its last state. */
  readonly object: ApiObject;
  /** Before the change; absent for ADDED. */
  readonly previous?: ApiObject;
}

/**
 * The cluster as the lab's controllers see it, with either API server. They read from memory, which may be slightly stale. They write
 * to the server and get their writes back as events.
 */
export interface ClusterApi {
  /** From memory, sorted by namespace and name. */
  known(resource: FollowedResource, namespace?: string): readonly ApiObject[];
  find(resource: FollowedResource, key: ObjectKey): ApiObject | undefined;
  /** The current objects of the server. */
  list(resource: ResourceName): Promise<readonly ApiObject[]>;
  bindPod(pod: ApiObject, nodeName: string): Promise<void>;
  writePodStatus(pod: ApiObject, status: JsonObject): Promise<void>;
  /** Removes a finished pod, by its uid: another pod may have its name by now. */
  removePod(pod: ApiObject): Promise<void>;
}

/** The control plane of a lab: the built-in one or a real API server. */
export interface ControlPlane extends ClusterApi {
  /** Kubeconfig for agents, which reach the server through the relay on their node. */
  readonly agentKubeconfig: string;
  /** Starts to serve on the lab's API socket. */
  start(): Promise<void>;
  /** Rejects if a node of that name exists. */
  addNode(node: ApiObject): Promise<void>;
  /** Reports every followed object as ADDED, then every change. `known` returns nothing before. */
  follow(listener: (event: ClusterEvent) => void): Promise<void>;
  /** Creates or replaces objects; returns skipped objects of kinds that the lab does not serve (plan-apply.ts). */
  apply(objects: readonly ApiObject[]): Promise<readonly string[]>;
  /** Resolves when its own controllers are idle. */
  idle(): Promise<void>;
  /** Stops everything and deletes the objects that the lab created. */
  stop(): Promise<void>;
}
