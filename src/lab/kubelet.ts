import { randomBytes } from 'node:crypto';
import type { ApiObject } from './api/object.ts';
import type { NodePlan } from './addressing.ts';
import type { ClusterApi, ClusterEvent } from './cluster-api.ts';
import type { CniAttachment, CniNetwork, CniResult } from './cni.ts';
import { messageOf } from '../lib/message-of.ts';
import { createNamespace, deleteNamespace, namespacePath } from './network-namespace.ts';
import type { LabNames } from './names.ts';
import { PodProcess } from './pod-process.ts';
import {
  bandwidthOf,
  containerPorts,
  isHostNetwork,
  isTerminal,
  nodeNameOf,
  objectKey,
  podKey,
  servedPorts,
} from './pod-spec.ts';
import { Reconciler } from './reconciler.ts';

export interface KubeletOptions {
  readonly node: NodePlan;
  readonly names: LabNames;
  readonly cluster: ClusterApi;
  readonly network: CniNetwork;
  /** Called with each pod's new network namespace before CNI ADD, so that it can start a process first. */
  readonly onSandbox?: ((pod: ApiObject, namespace: string) => Promise<void>) | undefined;
  /** Called right after ADD: what a container does with its first instruction. */
  readonly onAdded?: ((pod: ApiObject, namespace: string) => Promise<void>) | undefined;
  readonly log: (message: string) => void;
}

export interface RunningPod {
  readonly uid: string;
  readonly process: PodProcess;
  readonly addresses: readonly string[];
  /** Missing for a hostNetwork pod. */
  readonly attachment: CniAttachment | undefined;
}

/** Runs the pods of one node: network namespace, CNI and the program in `pod/`. */
export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #pods = new Map<string, RunningPod>();
  readonly #reconciler: Reconciler;

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#reconciler = new Reconciler({
      reconcile: (key) => this.#reconcile(key),
      onError: (key, error) => this.#report(key, error),
    });
  }

  get network(): CniNetwork {
    return this.#options.network;
  }

  get pods(): ReadonlyMap<string, RunningPod> {
    return this.#pods;
  }

  onEvent({ resource, type, object, previous }: ClusterEvent): void {
    if (resource !== 'pods' || (type === 'MODIFIED' && !concernsKubelet(previous!, object))) return;
    const key = podKey(object);
    if (nodeNameOf(object) === this.#options.node.name || this.#pods.has(key)) this.#reconciler.add(key);
  }

  idle(): Promise<void> {
    return this.#reconciler.idle();
  }

  /** Stops the processes. The lab removes the namespaces. */
  async stop(): Promise<void> {
    await this.#reconciler.stop();
    await Promise.all([...this.#pods.values()].map((pod) => pod.process.stop()));
  }

  async #reconcile(key: string): Promise<void> {
    const pod = this.#find(key);
    const running = this.#pods.get(key);
    const isWanted = pod && pod.metadata.deletionTimestamp === undefined && !isTerminal(pod);
    if (running && (!isWanted || running.uid !== pod.metadata.uid)) await this.#end(key, running);
    if (!pod) return;
    if (isWanted && !this.#pods.has(key)) await this.#start(key, pod);
    else if (pod.metadata.deletionTimestamp !== undefined) await this.#options.cluster.removePod(pod);
  }

  async #start(key: string, pod: ApiObject): Promise<void> {
    const running = isHostNetwork(pod) ? this.#startOnNode(pod) : await this.#startInSandbox(pod);
    this.#pods.set(key, running);
    try {
      await running.process.serve(key, servedPorts(pod));
      await this.#writeStatus(key, running);
    } catch (error) {
      await this.#end(key, running);
      throw error;
    }
  }

  #startOnNode(pod: ApiObject): RunningPod {
    const { names, node } = this.#options;
    const process = new PodProcess(names.node(node.name));
    return { uid: pod.metadata.uid!, process, addresses: node.addresses, attachment: undefined };
  }

  async #startInSandbox(pod: ApiObject): Promise<RunningPod> {
    const { names, network, onSandbox, onAdded } = this.#options;
    const namespace = names.pod(pod.metadata.namespace!, pod.metadata.name!);
    const attachment = attachmentOf(pod, namespace);
    await createNamespace(namespace);
    try {
      await onSandbox?.(pod, namespace);
      const result = await network.add(attachment);
      await onAdded?.(pod, namespace);
      if (canCheck(attachment, result)) await network.check(attachment);
      const addresses = (result.ips ?? []).map(({ address }) => address.replace(/\/.*/, ''));
      return { uid: pod.metadata.uid!, process: new PodProcess(namespace), addresses, attachment };
    } catch (error) {
      await network.delete(attachment);
      await deleteNamespace(namespace);
      throw error;
    }
  }

  async #end(key: string, { process, attachment }: RunningPod): Promise<void> {
    await process.stop();
    if (attachment) {
      await this.#options.network.delete(attachment);
      await deleteNamespace(process.namespace);
    }
    this.#pods.delete(key);
  }

  #find(key: string): ApiObject | undefined {
    const pod = this.#options.cluster.find('pods', objectKey(key));
    return pod && nodeNameOf(pod) === this.#options.node.name ? pod : undefined;
  }

  async #writeStatus(key: string, { uid, addresses }: RunningPod): Promise<void> {
    const { node, cluster } = this.#options;
    const pod = this.#find(key);
    if (!pod || pod.metadata.uid !== uid) return;
    const now = new Date().toISOString().replace(/\.\d+/, '');
    const ready = ['Initialized', 'PodScheduled', 'ContainersReady', 'Ready'];
    const containers = (pod['spec'] as { containers: { name: string; image?: string }[] }).containers;
    const status = {
      ...(pod['status'] as object),
      phase: 'Running',
      hostIP: node.addresses[0],
      hostIPs: node.addresses.map((ip) => ({ ip })),
      podIP: addresses[0],
      podIPs: addresses.map((ip) => ({ ip })),
      startTime: now,
      conditions: ready.map((type) => ({ type, status: 'True', lastTransitionTime: now })),
      containerStatuses: containers.map(({ name, image }) => ({
        name,
        image: image ?? '',
        imageID: '',
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: now } },
      })),
    };
    await cluster.writePodStatus(pod, status);
  }

  #report(key: string, error: unknown): void {
    const { log, node, cluster } = this.#options;
    const message = messageOf(error);
    log(`${node.name}: pod ${key}: ${message}`);
    const pod = this.#find(key);
    if (!pod) return;
    const status = { ...(pod['status'] as object), phase: 'Pending', reason: 'FailedToStart', message };
    // If this write fails, the next attempt writes the status.
    cluster.writePodStatus(pod, status).catch((cause: unknown) => log(`${node.name}: pod ${key}: ${messageOf(cause)}`));
  }
}

/** Ignores status changes: the kubelet writes a status after each failure and would retry in a loop. */
function concernsKubelet(previous: ApiObject, pod: ApiObject): boolean {
  return (
    nodeNameOf(previous) !== nodeNameOf(pod) ||
    isTerminal(previous) !== isTerminal(pod) ||
    previous.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp ||
    previous.metadata.uid !== pod.metadata.uid
  );
}

/** portmap (1.1.1) looks for the rules of the first family in the second, so its CHECK of a dual-stack pod with a host port fails. */
function canCheck({ capabilityArgs }: CniAttachment, { ips = [] }: CniResult): boolean {
  return ips.length < 2 || (capabilityArgs['portMappings'] as unknown[]).length === 0;
}

function attachmentOf(pod: ApiObject, namespace: string): CniAttachment {
  const containerId = randomBytes(32).toString('hex');
  const mappings = containerPorts(pod).filter(({ hostPort }) => hostPort !== undefined);
  const bandwidth = bandwidthOf(pod);
  return {
    containerId,
    netns: namespacePath(namespace),
    ifName: 'eth0',
    args: [
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAMESPACE', pod.metadata.namespace!],
      ['K8S_POD_NAME', pod.metadata.name!],
      ['K8S_POD_INFRA_CONTAINER_ID', containerId],
      ['K8S_POD_UID', pod.metadata.uid!],
    ],
    capabilityArgs: {
      portMappings: mappings.map(({ hostPort, hostIP, port, protocol }) => ({
        hostPort,
        containerPort: port,
        protocol: protocol.toLowerCase(),
        ...(hostIP && { hostIP }),
      })),
      ...(bandwidth && { bandwidth }),
    },
  };
}
