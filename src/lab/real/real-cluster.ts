import { ApiError } from '../../watch/api-error.ts';
import type { ApiObject, JsonObject, ObjectKey } from '../api/object.ts';
import { apiVersionOf, resources } from '../api/resources.ts';
import type { ResourceName } from '../api/resources.ts';
import type { ClusterEvent, ControlPlane, FollowedResource } from '../cluster-api.ts';
import { LabError } from '../error.ts';
import { describeObject, planApply } from '../plan-apply.ts';
import type { ApplyStep } from '../plan-apply.ts';
import { SocketRelay } from '../relay.ts';
import { isRefusal, RealClient } from './client.ts';
import { Mirror } from './mirror.ts';
import { collectionPath, objectPath } from './paths.ts';
import { relayedKubeconfig } from './relayed-kubeconfig.ts';
import { labLabel, releaseObjects } from './release-objects.ts';

export interface RealClusterOptions {
  /** Kubeconfig file; the lab uses its current context. */
  readonly kubeconfig: string;
  /** Name of the lab, which is the label value of its objects. */
  readonly lab: string;
  readonly nodes: readonly string[];
  readonly apiSocket: string;
  readonly log: (message: string) => void;
}

/** An existing control plane. The lab labels the objects that it creates and deletes them at the end. */
export class RealCluster implements ControlPlane {
  readonly agentKubeconfig: string;
  readonly #options: RealClusterOptions;
  readonly #client: RealClient;
  readonly #mirror: Mirror;
  readonly #relay: SocketRelay;

  private constructor(client: RealClient, options: RealClusterOptions) {
    this.#options = options;
    this.#client = client;
    this.agentKubeconfig = relayedKubeconfig(client.config);
    const { hostname, port, protocol } = this.#client.server;
    const host = hostname.replace(/^\[|\]$/g, '');
    this.#relay = new SocketRelay({ host, port: Number(port || (protocol === 'https:' ? 443 : 80)) });
    this.#mirror = new Mirror(options.log);
  }

  /** Rejects with LabError `input` for an unusable kubeconfig. Sends no request. */
  static async load(options: RealClusterOptions): Promise<RealCluster> {
    return new RealCluster(await RealClient.load(options.kubeconfig), options);
  }

  known(resource: FollowedResource, namespace?: string): readonly ApiObject[] {
    return this.#mirror.known(resource, namespace);
  }

  find(resource: FollowedResource, { namespace, name }: ObjectKey): ApiObject | undefined {
    return this.#mirror.find(resource, namespace === undefined ? name : `${namespace}/${name}`);
  }

  async list(resource: ResourceName): Promise<readonly ApiObject[]> {
    // Items of a list have no kind and apiVersion.
    const type = { apiVersion: apiVersionOf(resources[resource]), kind: resources[resource].kind };
    const objects = await this.#client.list<ApiObject>(collectionPath(resource));
    return objects.map((object) => ({ ...object, ...type }));
  }

  async bindPod({ metadata: { namespace, name, uid } }: ApiObject, nodeName: string): Promise<void> {
    const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
    const body = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name, uid }, target };
    const path = objectPath('pods', { namespace, name: name! }, 'binding');
    await this.#client.request({ method: 'POST', path, body });
  }

  async writePodStatus({ metadata: { namespace, name, uid } }: ApiObject, status: JsonObject): Promise<void> {
    // The uid is a precondition: another pod may have the name by now.
    const path = objectPath('pods', { namespace, name: name! }, 'status');
    const mediaType = 'application/merge-patch+json';
    await this.#client.request({ method: 'PATCH', path, body: { metadata: { uid }, status }, mediaType });
  }

  async removePod({ metadata: { namespace, name, uid } }: ApiObject): Promise<void> {
    const path = objectPath('pods', { namespace, name: name! });
    try {
      await this.#client.request({ method: 'DELETE', path, body: { gracePeriodSeconds: 0, preconditions: { uid } } });
    } catch (error) {
      if (!isRefusal(error, 404, 409)) throw error;
    }
  }

  /** Also deletes the remains of a crashed lab of this name. */
  async start(): Promise<void> {
    await this.#release();
    await this.#relay.listen(this.#options.apiSocket);
  }

  async addNode(node: ApiObject): Promise<void> {
    await this.#write(node, () => this.#create('nodes', node));
  }

  follow(listener: (event: ClusterEvent) => void): Promise<void> {
    return this.#mirror.follow(this.#client.reader, listener);
  }

  async apply(objects: readonly ApiObject[]): Promise<readonly string[]> {
    const { steps, ignored } = planApply(objects, new Set(this.#options.nodes));
    for (const step of steps) await this.#put(step);
    return ignored;
  }

  async idle(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#mirror.stop();
    await this.#relay.close();
    await this.#release();
  }

  #release(): Promise<void> {
    return releaseObjects(this.#client, this.#options.lab, this.#options.log);
  }

  #put({ resource, object, onlyCreate }: ApplyStep): Promise<void> {
    return this.#write(object, async () => {
      try {
        await this.#create(resource, object);
      } catch (error) {
        if (!isRefusal(error, 409)) throw error;
        if (onlyCreate) return;
        const { namespace, name } = object.metadata;
        // Without the label: objects that existed before the lab stay.
        const mediaType = 'application/strategic-merge-patch+json';
        const path = objectPath(resource, { namespace, name: name! });
        await this.#client.request({ method: 'PATCH', path, body: object, mediaType });
      }
    });
  }

  async #create(resource: ResourceName, object: ApiObject): Promise<void> {
    const { metadata } = object;
    const labels = { ...metadata.labels, [labLabel]: this.#options.lab };
    const body = { ...object, metadata: { ...metadata, labels } };
    await this.#client.request({ method: 'POST', path: collectionPath(resource, metadata.namespace), body });
  }

  async #write(object: ApiObject, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (cause) {
      if (!(cause instanceof ApiError)) throw cause;
      throw new LabError('input', `${describeObject(object)}: ${cause.message}`, { cause });
    }
  }
}
