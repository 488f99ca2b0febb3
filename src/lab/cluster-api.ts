import type { ApiObject, JsonObject, ObjectKey } from './api/object.ts';
import type { ResourceName } from './api/resources.ts';

/** What the lab's controllers work from; the rest of a cluster is only ever listed. */
export const followedResources = ['pods', 'services', 'nodes'] as const satisfies readonly ResourceName[];
export type FollowedResource = (typeof followedResources)[number];

export interface ClusterEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: ResourceName;
  /** After the change; of a deleted object the last state. */
  readonly object: ApiObject;
  /** Before the change; absent for ADDED. */
  readonly previous?: ApiObject;
}

/**
 * The cluster as the lab's controllers see it, whoever serves it. What they read is in memory and may be a little behind; what they
 * write goes to the server, and comes back as an event.
 */
export interface ClusterApi {
  /** In the order of namespace and name. */
  known(resource: FollowedResource, namespace?: string): readonly ApiObject[];
  find(resource: FollowedResource, key: ObjectKey): ApiObject | undefined;
  /** What the server holds now. */
  list(resource: ResourceName): Promise<readonly ApiObject[]>;
  bindPod(pod: ApiObject, nodeName: string): Promise<void>;
  writePodStatus(pod: ApiObject, status: JsonObject): Promise<void>;
  /** Removes a pod that has ended; it may be gone, and another may have its name. */
  removePod(pod: ApiObject): Promise<void>;
}

/** A cluster that a lab runs on, with what differs by who serves it. */
export interface ControlPlane extends ClusterApi {
  /** For agents, which reach the server through a relay on the loopback of their node. */
  readonly agentKubeconfig: string;
  /** Begins to serve on the lab's API socket. */
  start(): Promise<void>;
  /** Throws where there is a node of that name. */
  addNode(node: ApiObject): Promise<void>;
  /** Tells of every followed object that there is, as ADDED, and from then on of every change. Nothing is known before. */
  follow(listener: (event: ClusterEvent) => void): Promise<void>;
  /** Creates or replaces; returns what was left out, as the lab does not know its kind (plan-apply.ts). */
  apply(objects: readonly ApiObject[]): Promise<readonly string[]>;
  /** Resolves when controllers of its own have nothing underway. */
  idle(): Promise<void>;
  /** Ends everything; what the lab created is gone after. */
  stop(): Promise<void>;
}
