import { familyOf } from '../model/address.ts';
import type { Family } from '../model/address.ts';
import type { AddressPlan, NodePlan } from './addressing.ts';
import type { ApiObject } from './api/object.ts';
import type { ClusterApi } from './cluster-api.ts';
import { closestName } from '../lib/closest-name.ts';
import { LabError } from './error.ts';
import { hostObject } from './host.ts';
import type { Host } from './host.ts';
import type { Kubelet } from './kubelet.ts';
import type { LabNames } from './names.ts';
import { PodProcess } from './pod-process.ts';
import { podKey, servedPorts } from './pod-spec.ts';
import type { Station } from './station.ts';

interface StationsOptions {
  readonly names: LabNames;
  readonly plan: AddressPlan;
  readonly cluster: ClusterApi;
  readonly kubelets: readonly Kubelet[];
}

/** All stations of a lab: running pods, outside hosts, nodes. */
export class Stations {
  readonly #options: StationsOptions;
  readonly #hosts = new Map<string, Station>();
  readonly #nodes = new Map<string, Station>();

  constructor(options: StationsOptions) {
    this.#options = options;
  }

  async addHost({ name, addresses, ports }: Host): Promise<void> {
    const key = `host/${name}`;
    const process = new PodProcess(this.#options.names.host(name));
    const endpoint = (family: Family) => ({ address: addresses.find((each) => familyOf(each) === family) ?? '' });
    this.#hosts.set(name, { key, endpoint, addresses, ports, process });
    await process.serve(key, ports);
  }

  /** Running pods sorted by name, then hosts. */
  all(): Station[] {
    const pods = this.#options.cluster.known('pods').flatMap((pod) => this.#podStation(pod) ?? []);
    return [...pods, ...this.#hosts.values()];
  }

  /** Host objects of the lab's input (host.ts). */
  hostObjects(): ApiObject[] {
    return [...this.#hosts].map(([name, { addresses, ports }]) => hostObject({ name, addresses, ports }));
  }

  /** `namespace/name`, `host/NAME` or `node/NAME`, in this order. Throws LabError `input` if there is none. */
  get(key: string): Station {
    const [first, name = ''] = key.split('/') as [string, string?];
    const pod = this.#options.cluster.find('pods', { namespace: first, name });
    const node = this.#options.plan.nodes.find((each) => each.name === name);
    const found =
      (pod && this.#podStation(pod)) ??
      (first === 'host' ? this.#hosts.get(name) : undefined) ??
      (first === 'node' && node ? this.#nodeStation(node) : undefined);
    if (found) return found;
    const near = closestName(key, [
      ...this.all().map((each) => each.key),
      ...this.#options.plan.nodes.map((each) => `node/${each.name}`),
    ]);
    const hint = near === undefined ? 'it is not host/NAME or node/NAME of this lab either' : `did you mean ${near}?`;
    throw new LabError('input', `${key}: no running pod has this name; ${hint}`);
  }

  #podStation(pod: ApiObject): Station | undefined {
    const key = podKey(pod);
    const running = this.#options.kubelets.map(({ pods }) => pods.get(key)).find((each) => each !== undefined);
    if (!running || running.uid !== pod.metadata.uid) return undefined;
    const { addresses, process } = running;
    return { key, endpoint: () => ({ pod: key }), addresses, ports: servedPorts(pod), process };
  }

  /** Starts the process of the node at the first call. */
  #nodeStation({ name, addresses }: NodePlan): Station {
    const known = this.#nodes.get(name);
    if (known) return known;
    const process = new PodProcess(this.#options.names.node(name));
    const station = { key: `node/${name}`, endpoint: () => ({ node: name }), addresses, ports: [], process };
    this.#nodes.set(name, station);
    return station;
  }
}
