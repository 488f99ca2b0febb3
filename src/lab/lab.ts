import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { prepareCluster } from '../evaluator/cluster.ts';
import type { Family } from '../model/address.ts';
import { planAddresses } from './addressing.ts';
import type { AddressPlan, LabFamily, NodePlan } from './addressing.ts';
import { AgentProcess } from './agent-process.ts';
import type { StartOptions } from './agent-process.ts';
import type { ApiObject } from './api/object.ts';
import { startApiServer } from './api/server.ts';
import type { ApiServer } from './api/server.ts';
import { Store } from './api/store.ts';
import { applyObjects } from './apply-objects.ts';
import { readClusterState } from './cluster-state.ts';
import { CniNetwork } from './cni.ts';
import { networkConfig } from './cni-config.ts';
import type { LabCni } from './cni-config.ts';
import { LabError } from './error.ts';
import { Fabric } from './fabric.ts';
import { Flow } from './flow.ts';
import type { OpenFlow } from './flow.ts';
import { isHost, readHost } from './host.ts';
import { Kubelet } from './kubelet.ts';
import type { LabNames } from './names.ts';
import { enterNamespace } from './network-namespace.ts';
import { pluginDirectory } from './preflight.ts';
import { explainDenials, planProbes, runProbes } from './reachability.ts';
import type { Denial, ProbeResult } from './reachability.ts';
import { Scheduler } from './scheduler.ts';
import { ServiceProxy } from './service-proxy.ts';
import { ServiceAllocator } from './services.ts';
import { defaultLabName, LabState } from './state.ts';
import type { Station } from './station.ts';
import { Stations } from './stations.ts';
import { findUnsettled } from './unsettled.ts';
import { WorkloadController } from './workloads.ts';

export interface LabOptions {
  /** Two labs at once need two names. */
  readonly name?: string;
  readonly nodes?: number;
  readonly cni?: LabCni;
  readonly family?: LabFamily;
  readonly stateRoot?: string;
  /** API objects, and hosts outside (host.ts). */
  readonly objects?: readonly ApiObject[];
  /** How to start the agents; false for none. */
  readonly agents?: StartOptions | false;
  /** Serve the API on loopback TCP too, for kubectl. */
  readonly tcp?: boolean;
  readonly log?: (message: string) => void;
}

export interface ProbeOptions {
  /** Keys of stations (station.ts); by default all pods and hosts. */
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  /** `TCP/80` or `icmp`; by default every declared port. */
  readonly ports?: readonly string[] | undefined;
  readonly families?: readonly Family[] | undefined;
}

export interface ProbeReport {
  readonly results: readonly ProbeResult[];
  readonly denials: readonly Denial[];
}

/** A cluster in network namespaces, run by this process. */
export class Lab {
  readonly store: Store;
  readonly plan: AddressPlan;
  readonly names: LabNames;
  readonly state: LabState;
  readonly agents: ReadonlyMap<string, AgentProcess>;
  readonly #log: (message: string) => void;
  readonly #fabric: Fabric;
  readonly #kubelets: readonly Kubelet[];
  readonly #proxy: ServiceProxy;
  readonly #workloads: WorkloadController;
  readonly #stations: Stations;
  #api: ApiServer | undefined;

  private constructor(state: LabState, options: LabOptions) {
    const { nodes = 2, cni = 'bridge', family = 'dual', log = () => {} } = options;
    this.state = state;
    this.names = state.names;
    this.plan = planAddresses(nodes, family);
    this.#log = log;
    const allocator = new ServiceAllocator(this.plan.families);
    this.store = new Store({ admit: (resource, object) => allocator.admit(resource, object) });
    this.#fabric = new Fabric(this.names, this.plan);
    this.#kubelets = this.plan.nodes.map((node) => this.#kubelet(node, cni));
    const namespaces = this.plan.nodes.map((node) => this.names.node(node.name));
    this.#proxy = new ServiceProxy(this.store, namespaces, log);
    this.#stations = new Stations({ names: this.names, plan: this.plan, store: this.store, kubelets: this.#kubelets });
    this.#workloads = new WorkloadController(this.store, log);
    this.agents = new Map(this.plan.nodes.map((node) => [node.name, this.#agent(node)]));
  }

  /** Brings up nodes, hosts, agents and what `objects` ask for; does not wait for pods (`settle`). */
  static async up(options: LabOptions = {}): Promise<Lab> {
    const state = new LabState(options.name ?? defaultLabName, options.stateRoot);
    await state.claim();
    const lab = new Lab(state, options);
    try {
      await lab.#start(options);
    } catch (error) {
      await lab.down();
      throw error;
    }
    return lab;
  }

  /** Of the API server on loopback TCP. */
  get apiUrl(): string | undefined {
    return this.#api?.url;
  }

  /** Creates or replaces API objects; namespaces that they name and that do not exist are created. */
  apply(objects: readonly ApiObject[]): void {
    const ignored = applyObjects(this.store, objects);
    if (ignored.length > 0) this.#log(`left out, as the lab does not serve their kind: ${ignored.join(', ')}`);
  }

  /** Waits until all pods run and all agents that were not stopped have applied the newest objects. */
  async settle(timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      await Promise.all(this.#controllers.map((controller) => controller.idle()));
      const unsettled = await findUnsettled(this.store, this.agents);
      if (unsettled === undefined) return;
      if (Date.now() > deadline) {
        const { what, agent } = unsettled;
        const log = agent ? `\n${await agent.logTail()}` : '';
        throw new LabError('timeout', `not settled after ${timeoutMs / 1000} s: ${what}${log}`);
      }
      await delay(10);
    }
  }

  /** Settles, then sends real packets. */
  async probe({ from, to, ports, families = this.plan.families }: ProbeOptions = {}): Promise<ProbeReport> {
    await this.settle();
    const stations = this.stations();
    const chosen = (keys: readonly string[] | undefined): Station[] =>
      keys ? keys.map((key) => this.station(key)) : stations;
    const cluster = prepareCluster(readClusterState(this.store).objects);
    const probes = planProbes(chosen(from), chosen(to), { ports, families });
    return { results: await runProbes(cluster, probes), denials: explainDenials(cluster, probes) };
  }

  /** All running pods, in the order of their names, then all hosts. */
  stations(): Station[] {
    return this.#stations.all();
  }

  /** `namespace/name`, `host/NAME` or `node/NAME`. Throws LabError `input` if there is none. */
  station(key: string): Station {
    return this.#stations.get(key);
  }

  /** Opens a long connection between two stations. */
  openFlow(from: string, to: string, options: OpenFlow): Promise<Flow> {
    return Flow.open(this.station(from), this.station(to), options);
  }

  /** Runs a program in the network namespace of a station, and returns its stdout. Throws what execa throws. */
  async exec(key: string, file: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await execa(...enterNamespace(this.station(key).process.namespace, file, args));
    return stdout;
  }

  /** Ends everything and leaves nothing. */
  async down(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.end()));
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    await this.#api?.close();
    await this.state.remove();
  }

  async #start({ objects = [], agents = {}, tcp = false }: LabOptions): Promise<void> {
    const scheduler = new Scheduler(this.store);
    this.store.watch((event) => {
      for (const controller of [scheduler, ...this.#controllers]) controller.onEvent(event);
    });
    const { apiSocket: socketPath } = this.state;
    this.#api = await startApiServer({
      store: this.store,
      socketPath,
      ...(tcp && { tcp: { host: '127.0.0.1', port: 0 } }),
    });
    await this.#fabric.create();
    await Promise.all(
      this.plan.nodes.map(async (node) => {
        await this.#fabric.addNode(node);
        if (agents !== false) await this.agents.get(node.name)!.start(agents);
      }),
    );
    for (const host of objects.filter(isHost).map(readHost)) {
      await this.#fabric.addHost(host.name, host.addresses);
      await this.#stations.addHost(host);
    }
    for (const node of this.plan.nodes) this.store.create('nodes', nodeObject(node));
    this.apply(objects.filter((object) => !isHost(object)));
  }

  get #controllers(): readonly (Kubelet | ServiceProxy | WorkloadController)[] {
    return [this.#workloads, ...this.#kubelets, this.#proxy];
  }

  #kubelet(node: NodePlan, cni: LabCni): Kubelet {
    const { names, store } = this;
    const directory = this.state.nodeDirectory(node.name);
    const network = new CniNetwork({
      config: networkConfig(cni, node.podCidrs, `${directory}/ipam`),
      pluginDirectory,
      cacheDirectory: `${directory}/cni`,
      enter: (file, args) => enterNamespace(names.node(node.name), file, args),
    });
    return new Kubelet({ node, names, store, network, log: this.#log });
  }

  #agent({ name }: NodePlan): AgentProcess {
    return new AgentProcess({
      node: name,
      namespace: this.names.node(name),
      directory: this.state.nodeDirectory(name),
      apiSocket: this.state.apiSocket,
    });
  }
}

function nodeObject({ name, addresses, podCidrs }: NodePlan): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
    spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
    status: {
      addresses: [
        ...addresses.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: name },
      ],
      conditions: [{ type: 'Ready', status: 'True', reason: 'PosternLab' }],
    },
  };
}
