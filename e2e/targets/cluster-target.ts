import { execa } from 'execa';
import { setTimeout as delay } from 'node:timers/promises';
import { fieldAt, listAt, objectAt } from '../../src/lab/api/object.ts';
import type { ApiObject } from '../../src/lab/api/object.ts';
import { PodProcess, pythonOptions } from '../../src/lab/pod-process.ts';
import { isTerminal, nodeNameOf, podAddresses, servedPorts } from '../../src/lab/pod-spec.ts';
import { RealClient } from '../../src/lab/real/client.ts';
import type { Station } from '../../src/lab/station.ts';
import { programPath } from '../cluster/cast.ts';
import { Objects } from '../cluster/objects.ts';
import { Canary } from './canary.ts';
import type { Target } from './target.ts';

export interface ClusterOptions {
  readonly kubeconfig: string;
  /** Image of the suite's pods; needs python3. */
  readonly image: string;
  /** The DaemonSet of Postern: `namespace/name`. */
  readonly daemonSet: string;
  /** Image of another version of Postern, for the upgrade test. */
  readonly otherImage: string | undefined;
  /** Shell command that uninstalls Postern, for the uninstall test. */
  readonly uninstall: string | undefined;
  readonly ownNamespaces: () => readonly string[];
}

interface Running {
  readonly uid: string;
  readonly station: Station;
}

const startSeconds = 120;
const rolloutSeconds = 180;

/** A cluster with Postern. The suite controls pods through `kubectl exec`, which policies do not affect. */
export async function openClusterTarget(options: ClusterOptions): Promise<Target> {
  const api = await RealClient.load(options.kubeconfig);
  const objects = new Objects(api);
  const nodes = await chooseNodes(objects);
  const canary = new Canary(objects, nodes);
  const pods = new Pods(objects, nodes, options);
  const station = (key: string): Station => pods.station(key);
  let isInstalled = true;
  const { daemonSet, otherImage } = options;
  const found = await findDaemonSet(objects, daemonSet);
  const images = [found && agentImage(found), otherImage];
  return {
    name: `the cluster at ${api.server.href}`,
    api,
    nodes,
    hasKubelet: true,
    async prepare() {
      for (const pod of canary.pods(options.image)) await objects.apply(pod);
    },
    async settle() {
      await pods.running();
      if (isInstalled) await canary.wait(station);
    },
    station,
    restartAgents: found && (() => rollOut(objects, daemonSet, restarted())),
    changeVersion:
      found && otherImage
        ? async () => {
            images.reverse();
            const current = (await findDaemonSet(objects, daemonSet))!;
            // A merge patch replaces the whole list.
            const containers = listAt(current, 'spec', 'template', 'spec', 'containers').map((each) =>
              fieldAt(each, 'name') === 'agent' ? { ...(each as object), image: images[0] } : each,
            );
            await rollOut(objects, daemonSet, { spec: { containers } });
          }
        : undefined,
    uninstall:
      options.uninstall === undefined
        ? undefined
        : async () => {
            await shell(options.uninstall!, options.kubeconfig);
            isInstalled = false;
          },
    end: () => pods.end(),
  };
}

/** The pods of the suite with their probe programs. */
class Pods {
  readonly #objects: Objects;
  readonly #options: ClusterOptions;
  readonly #nodes: readonly string[];
  readonly #running = new Map<string, Running>();

  constructor(objects: Objects, nodes: readonly string[], options: ClusterOptions) {
    this.#objects = objects;
    this.#nodes = nodes;
    this.#options = options;
  }

  station(key: string): Station {
    const running = this.#running.get(key);
    if (!running) throw new Error(`pod ${key} does not run`);
    return running.station;
  }

  /** Resolves when every pod of the suite runs and answers on its declared ports. */
  async running(): Promise<void> {
    const deadline = Date.now() + startSeconds * 1000;
    for (;;) {
      const lists = await Promise.all(
        this.#options.ownNamespaces().map((namespace) => this.#objects.list('Pod', namespace)),
      );
      const pods = lists.flat().filter((pod) => isExpected(pod, this.#nodes));
      const waiting = pods.find((pod) => fieldAt(pod, 'status', 'phase') !== 'Running');
      if (waiting === undefined) return this.#follow(pods);
      if (Date.now() > deadline) {
        const { namespace, name } = waiting.metadata;
        throw new Error(`pod ${namespace}/${name} does not run: ${JSON.stringify(waiting['status'])}`);
      }
      await delay(100);
    }
  }

  async end(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ station }) => station.process.stop()));
    this.#running.clear();
  }

  async #follow(pods: readonly ApiObject[]): Promise<void> {
    const wanted = new Map(pods.map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod]));
    for (const [key, { uid, station }] of this.#running) {
      if (wanted.get(key)?.metadata.uid === uid) continue;
      this.#running.delete(key);
      await station.process.stop();
    }
    await Promise.all(
      [...wanted].map(async ([key, pod]) => {
        if (this.#running.has(key)) return;
        const process = new PodProcess(key, this.#command(key));
        const station = { key, endpoint: () => ({ pod: key }), addresses: podAddresses(pod), ports: servedPorts(pod) };
        this.#running.set(key, { uid: pod.metadata.uid!, station: { ...station, process } });
        await process.serve(key, station.ports);
      }),
    );
  }

  #command(key: string): [string, string[]] {
    const [namespace, name] = key.split('/') as [string, string];
    const exec = ['exec', '--stdin', '--quiet', `--namespace=${namespace}`, name, '--'];
    return ['kubectl', [`--kubeconfig=${this.#options.kubeconfig}`, ...exec, 'python3', ...pythonOptions, programPath]];
  }
}

/** False for finished pods, and for pods that a test bound to a node that does not exist. */
function isExpected(pod: ApiObject, nodes: readonly string[]): boolean {
  return pod.metadata.deletionTimestamp === undefined && !isTerminal(pod) && nodes.includes(nodeNameOf(pod) ?? '');
}

/** Chooses two ready, schedulable nodes, sorted by name. Prefers workers. */
async function chooseNodes(objects: Objects): Promise<[string, string]> {
  const ready = (await objects.list('Node')).filter((node) =>
    listAt(node, 'status', 'conditions').some(
      (each) => fieldAt(each, 'type') === 'Ready' && fieldAt(each, 'status') === 'True',
    ),
  );
  const isControlPlane = ({ metadata: { labels } }: ApiObject): boolean =>
    labels?.['node-role.kubernetes.io/control-plane'] !== undefined;
  const names = ready
    .sort((one, other) => Number(isControlPlane(one)) - Number(isControlPlane(other)))
    .map(({ metadata }) => metadata.name!);
  if (names.length < 2)
    throw new Error(`the suite needs two nodes that are ready, and the cluster has ${names.length}`);
  return [names[0]!, names[1]!];
}

function findDaemonSet(objects: Objects, key: string): Promise<ApiObject | undefined> {
  const [namespace, name] = key.split('/') as [string, string];
  return objects.find('DaemonSet', { namespace, name });
}

/** The patch of `kubectl rollout restart`. */
function restarted(): object {
  return { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() } } };
}

function agentImage(daemonSet: ApiObject): string | undefined {
  const containers = listAt(daemonSet, 'spec', 'template', 'spec', 'containers');
  const image = fieldAt(containers.find((each) => fieldAt(each, 'name') === 'agent') ?? {}, 'image');
  return typeof image === 'string' ? image : undefined;
}

/** Patches the pod template of a DaemonSet and waits as `kubectl rollout status`. */
async function rollOut(objects: Objects, key: string, template: object): Promise<void> {
  const [namespace, name] = key.split('/') as [string, string];
  await objects.patch('DaemonSet', { namespace, name }, { spec: { template } });
  const deadline = Date.now() + rolloutSeconds * 1000;
  for (;;) {
    const found = (await findDaemonSet(objects, key))!;
    const status = (objectAt(found, 'status') ?? {}) as Record<string, number | undefined>;
    const wanted = status['desiredNumberScheduled'];
    const isCurrent = status['observedGeneration'] === found.metadata.generation;
    if (isCurrent && status['updatedNumberScheduled'] === wanted && status['numberAvailable'] === wanted) return;
    if (Date.now() > deadline) throw new Error(`DaemonSet ${key} is not rolled out: ${JSON.stringify(status)}`);
    await delay(200);
  }
}

async function shell(command: string, kubeconfig: string): Promise<void> {
  await execa('sh', ['-c', command], { env: { KUBECONFIG: kubeconfig } });
}
