import type { Family } from '../model/address.ts';
import { startApiServer } from './api/server.ts';
import type { ApiServer } from './api/server.ts';
import type { ApiObject, JsonObject, ObjectKey } from './api/object.ts';
import type { ResourceName } from './api/resources.ts';
import { Store } from './api/store.ts';
import { applyObjects } from './apply-objects.ts';
import { followedResources } from './cluster-api.ts';
import type { ClusterEvent, ControlPlane, FollowedResource } from './cluster-api.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { relayUrl } from './relay.ts';
import { ServiceAllocator } from './services.ts';
import { WorkloadController } from './workloads.ts';

export interface BuiltInOptions {
  readonly families: readonly Family[];
  readonly apiSocket: string;
  /** Also serve the API on loopback TCP. */
  readonly tcp: boolean;
  readonly log: (message: string) => void;
}

/** The control plane in this process: objects in memory, an API server, and the controllers of a controller manager. */
export class BuiltInCluster implements ControlPlane {
  readonly store: Store;
  readonly agentKubeconfig = kubeconfigText(relayUrl('http:'));
  readonly #options: BuiltInOptions;
  readonly #workloads: WorkloadController;
  #server: ApiServer | undefined;

  constructor(options: BuiltInOptions) {
    this.#options = options;
    const allocator = new ServiceAllocator(options.families);
    this.store = new Store({ admit: (resource, object) => allocator.admit(resource, object) });
    this.#workloads = new WorkloadController(this.store, options.log);
  }

  /** URL of the API server on loopback TCP. */
  get url(): string | undefined {
    return this.#server?.url;
  }

  known(resource: FollowedResource, namespace?: string): readonly ApiObject[] {
    return this.store.list(resource, { namespace }).items;
  }

  find(resource: FollowedResource, key: ObjectKey): ApiObject | undefined {
    return this.store.find(resource, key);
  }

  async list(resource: ResourceName): Promise<readonly ApiObject[]> {
    return this.store.list(resource).items;
  }

  async bindPod({ metadata: { namespace, name } }: ApiObject, nodeName: string): Promise<void> {
    this.store.bind({ namespace, name: name! }, nodeName);
  }

  async writePodStatus(pod: ApiObject, status: JsonObject): Promise<void> {
    this.store.updateStatus('pods', { ...pod, status });
  }

  async removePod({ metadata: { namespace, name, uid } }: ApiObject): Promise<void> {
    const key = { namespace, name: name! };
    if (this.store.find('pods', key)?.metadata.uid !== uid) return;
    this.store.delete('pods', key, { gracePeriodSeconds: 0 });
  }

  async start(): Promise<void> {
    this.store.watch((event) => this.#workloads.onEvent(event));
    const { apiSocket: socketPath, tcp } = this.#options;
    this.#server = await startApiServer({
      store: this.store,
      socketPath,
      ...(tcp && { tcp: { host: '127.0.0.1', port: 0 } }),
    });
  }

  async addNode(node: ApiObject): Promise<void> {
    this.store.create('nodes', node);
  }

  async follow(listener: (event: ClusterEvent) => void): Promise<void> {
    this.store.watch(listener);
    for (const resource of followedResources) {
      for (const object of this.known(resource)) listener({ type: 'ADDED', resource, object });
    }
  }

  async apply(objects: readonly ApiObject[]): Promise<readonly string[]> {
    return applyObjects(this.store, objects);
  }

  idle(): Promise<void> {
    return this.#workloads.idle();
  }

  async stop(): Promise<void> {
    await this.#workloads.stop();
    await this.#server?.close();
  }
}
