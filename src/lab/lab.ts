import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { prepareCluster } from '../evaluator/cluster.ts';
import type { Family } from '../model/address.ts';
import { pluginEntry, pluginType, type PluginSettings } from '../cni/plugin-entry.ts';
import { planAddresses } from './addressing.ts';
import type { AddressPlan, LabFamily, NodePlan } from './addressing.ts';
import { AgentProcess } from './agent-process.ts';
import type { StartOptions } from './agent-process.ts';
import type { ApiObject } from './api/object.ts';
import type { ResourceName } from './api/resources.ts';
import type { Store } from './api/store.ts';
import { applyObjects } from './apply-objects.ts';
import { BuiltInCluster } from './built-in-cluster.ts';
import type { ControlPlane } from './cluster-api.ts';
import { readClusterState } from './cluster-state.ts';
import type { ClusterState } from './cluster-state.ts';
import { CniNetwork, type CniAttachment } from './cni.ts';
import { dhcpBridgeOf, networkConfig, pluginsOf, podLinksOf } from './cni-config.ts';
import type { LabNetwork } from './cni-config.ts';
import { dhcpSocket, startDhcp } from './dhcp.ts';
import { LabError } from './error.ts';
import { Fabric } from './fabric.ts';
import type { FabricOptions } from './fabric.ts';
import { flannelFolder, writeSubnetFile } from './flannel.ts';
import { Flow } from './flow.ts';
import type { OpenFlow } from './flow.ts';
import { isHost, readHost } from './host.ts';
import { Kubelet } from './kubelet.ts';
import type { LabNames } from './names.ts';
import { enterNamespace } from './network-namespace.ts';
import { podMtu } from './node-network.ts';
import { pluginDirectory } from './preflight.ts';
import { explainDenials, look, planProbes, readConnection, runProbes } from './reachability.ts';
import type { AskedConnection, Denial, ProbeResult, Seen } from './reachability.ts';
import { RealClient } from './real/client.ts';
import { RealCluster } from './real/real-cluster.ts';
import { releaseObjects } from './real/release-objects.ts';
import { Scheduler } from './scheduler.ts';
import { ServiceProxy } from './service-proxy.ts';
import { defaultLabName, LabState } from './state.ts';
import type { Station } from './station.ts';
import { Stations } from './stations.ts';
import { findUnsettled } from './unsettled.ts';

export interface LabOptions extends FabricOptions {
  /** Must be unique among running labs. */
  readonly name?: string;
  readonly nodes?: number;
  /** Default: bridge. */
  readonly cni?: LabNetwork;
  readonly family?: LabFamily;
  readonly stateRoot?: string;
  /** API objects and outside hosts (host.ts). */
  readonly objects?: readonly ApiObject[];
  /** Limit of pod addresses per range; default: all. */
  readonly podAddresses?: number;
  /** Called with each pod's new network namespace before CNI ADD (kubelet.ts). */
  readonly onSandbox?: (pod: ApiObject, namespace: string) => Promise<void>;
  /** Called right after the CNI ADD of each pod (kubelet.ts). */
  readonly onAdded?: (pod: ApiObject, namespace: string) => Promise<void>;
  /** Runs the CNI plugin of Postern last, and lets the agents serve it. */
  readonly cniPlugin?: LabCniPlugin;
  /** Options of the agents; false for no agents. */
  readonly agents?: StartOptions | false;
  /** Kubeconfig file of a real API server, which replaces the built-in one. */
  readonly kubeconfig?: string;
  /** Also serve the built-in API on loopback TCP, for kubectl. */
  readonly tcp?: boolean;
  /** The time limit of `settle` and `probe` (90 s: a busy machine with cold caches starts an agent in more than 30 s). */
  readonly settleMs?: number;
  readonly log?: (message: string) => void;
  /** `up` rejects soon after this is aborted. */
  readonly ending?: AbortSignal;
}

export interface LabCniPlugin extends Omit<PluginSettings, 'socket'> {
  /** The built program, `src/cni/postern-cni.c`. */
  readonly program: string;
}

export interface ProbeOptions {
  /** Keys of stations (station.ts); default: all pods and hosts. */
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  /** `TCP/80` or `icmp`; default: all declared ports. */
  readonly ports?: readonly string[] | undefined;
  readonly families?: readonly Family[] | undefined;
}

export interface ProbeReport {
  readonly results: readonly ProbeResult[];
  readonly denials: readonly Denial[];
}

const silent = (): void => {};

/** A cluster in network namespaces, run by this process. */
export class Lab {
  readonly plan: AddressPlan;
  readonly names: LabNames;
  readonly state: LabState;
  readonly agents: ReadonlyMap<string, AgentProcess>;
  readonly #log: (message: string) => void;
  readonly #settleMs: number;
  readonly #cluster: ControlPlane;
  readonly #fabric: Fabric;
  readonly #scheduler: Scheduler;
  readonly #kubelets: readonly Kubelet[];
  readonly #proxy: ServiceProxy;
  readonly #stations: Stations;

  private constructor(state: LabState, plan: AddressPlan, cluster: ControlPlane, options: LabOptions) {
    const { log = silent, settleMs = 90_000 } = options;
    this.#settleMs = settleMs;
    this.state = state;
    this.names = state.names;
    this.plan = plan;
    this.#log = log;
    this.#cluster = cluster;
    const podLinks = podLinksOf(options.cni ?? 'bridge');
    this.#fabric = new Fabric(this.names, this.plan, options, podLinks);
    this.#kubelets = this.plan.nodes.map((node) => this.#kubelet(node, options));
    const namespaces = this.plan.nodes.map((node) => this.names.node(node.name));
    this.#proxy = new ServiceProxy(cluster, namespaces, log);
    this.#stations = new Stations({ names: this.names, plan, cluster, kubelets: this.#kubelets });
    const nodes = plan.nodes.map(({ name }) => name);
    this.#scheduler = new Scheduler(cluster, nodes, log);
    const env = {
      ...(podLinks.way !== 'routed' && { POSTERN_POD_NETWORKS: 'true' }),
      // On a server of the user, the Leases of the agents would stay.
      ...(options.kubeconfig === undefined && { POSTERN_STATUS_NAMESPACE: 'kube-system' }),
    };
    this.agents = new Map(this.plan.nodes.map((node) => [node.name, this.#agent(node, env, options.cniPlugin)]));
  }

  /** Starts nodes, hosts and agents, and creates `objects`. Does not wait for pods (`settle`). */
  static async up(options: LabOptions = {}): Promise<Lab> {
    const { name = defaultLabName, nodes = 2, family = 'dual', log = silent } = options;
    const state = new LabState(name, options.stateRoot);
    const left = (await state.owner()) === undefined ? await state.kubeconfig() : undefined;
    if (left !== undefined) await releaseObjects(await RealClient.load(left), name, log);
    const plan = planAddresses(nodes, family);
    const cluster = await openCluster(name, state, plan, options);
    await state.claim();
    const lab = new Lab(state, plan, cluster, options);
    try {
      if (options.kubeconfig !== undefined) await state.rememberKubeconfig(resolve(options.kubeconfig));
      await lab.#start(options);
    } catch (error) {
      await lab.down();
      throw error;
    }
    return lab;
  }

  /** URL of the built-in API server on loopback TCP. */
  get apiUrl(): string | undefined {
    return this.#builtIn.url;
  }

  /** Store of the built-in API server. */
  get store(): Store {
    return this.#builtIn.store;
  }

  /** The current objects of the API server. */
  list(resource: ResourceName): Promise<readonly ApiObject[]> {
    return this.#cluster.list(resource);
  }

  /** Creates or replaces API objects of the built-in server, and creates namespaces that they name. */
  apply(objects: readonly ApiObject[]): void {
    this.#report(applyObjects(this.store, objects));
  }

  /** Waits until all pods run, and until all agents have applied the current objects (except agents after `stop`). */
  async settle(timeoutMs?: number): Promise<void> {
    await this.#settle(timeoutMs);
  }

  /** Returns the state that all agents have applied. */
  async #settle(timeoutMs = this.#settleMs): Promise<ClusterState> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const start = Date.now();
      await Promise.all([this.#cluster, ...this.#controllers].map((each) => each.idle()));
      const state = await readClusterState(this.#cluster);
      const unsettled = await findUnsettled(state, this.agents);
      if (unsettled === undefined) return state;
      if (Date.now() > deadline) {
        const { what, agent } = unsettled;
        const log = agent ? `\n${await agent.logTail()}` : '';
        throw new LabError('timeout', `not settled after ${timeoutMs / 1000} s: ${what}${log}`);
      }
      // On a slow machine, questions must not take the time that the agents need.
      await delay(Math.max(10, 2 * (Date.now() - start)));
    }
  }

  /** Settles, then sends real packets. */
  async probe({ from, to, ports, families = this.plan.families }: ProbeOptions = {}): Promise<ProbeReport> {
    const { objects } = await this.#settle();
    const stations = this.stations();
    const chosen = (keys: readonly string[] | undefined): Station[] =>
      keys ? keys.map((key) => this.station(key)) : stations;
    const cluster = prepareCluster(objects);
    const probes = planProbes(chosen(from), chosen(to), { ports, families });
    return { results: await runProbes(cluster, probes), denials: explainDenials(cluster, probes) };
  }

  /** Settles, then tries these connections. Returns what came of each. Throws LabError `input` for a station that does not exist. */
  async look(asked: readonly AskedConnection[]): Promise<Seen[]> {
    await this.#settle();
    return look(asked.map((each) => readConnection(each, (key) => this.station(key))));
  }

  /** The objects that all agents have applied, with Services and Host objects. */
  async settledObjects(): Promise<ApiObject[]> {
    const { objects } = await this.#settle();
    return [...objects, ...(await this.#cluster.list('services')), ...this.#stations.hostObjects()];
  }

  /** All running pods, sorted by name, then all hosts. */
  stations(): Station[] {
    return this.#stations.all();
  }

  /** `namespace/name`, `host/NAME` or `node/NAME`. Throws LabError `input` if there is none. */
  station(key: string): Station {
    return this.#stations.get(key);
  }

  /** The network of a node's pods, as its container runtime uses it. */
  network(node: string): CniNetwork {
    return this.#kubeletOf(node).network;
  }

  /** What the runtime of its node knows of a running pod's network. Throws LabError `input` if there is no such pod. */
  attachment(key: string): CniAttachment {
    const found = this.#kubelets.flatMap(({ pods }) => pods.get(key)?.attachment ?? [])[0];
    if (!found) throw new LabError('input', `no pod ${key} runs on a network of its own`);
    return found;
  }

  #kubeletOf(node: string): Kubelet {
    const index = this.plan.nodes.findIndex(({ name }) => name === node);
    if (index < 0) throw new LabError('input', `there is no node ${node}`);
    return this.#kubelets[index]!;
  }

  /** Opens a long connection between two stations. */
  openFlow(from: string, to: string, options: OpenFlow): Promise<Flow> {
    return Flow.open(this.station(from), this.station(to), options);
  }

  /** Runs a program in the network namespace of a station, and returns its stdout. Rejects with an ExecaError. */
  async exec(key: string, file: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await execa(...enterNamespace(this.station(key).process.namespace, file, args));
    return stdout;
  }

  /** Stops everything and removes all of the lab. */
  async down(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.end()));
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    try {
      await this.#cluster.stop();
    } finally {
      await this.state.remove();
    }
  }

  async #start({ objects = [], agents = {}, cni = 'bridge', network = 'routed', ending }: LabOptions): Promise<void> {
    await this.#cluster.start();
    // Nodes first: a lab runs the pods of its nodes, so another lab must not have them.
    for (const node of this.plan.nodes) await this.#cluster.addNode(nodeObject(node));
    await this.#fabric.create();
    await Promise.all(
      this.plan.nodes.map(async (node) => {
        ending?.throwIfAborted();
        await this.#fabric.addNode(node);
        const directory = this.state.nodeDirectory(node.name);
        const bridge = dhcpBridgeOf(cni);
        if (bridge !== undefined) await startDhcp(this.names.node(node.name), node, bridge, directory);
        if (pluginsOf(cni).includes('flannel')) {
          await writeSubnetFile(node, podMtu(network, this.plan.families), flannelFolder(directory));
        }
        ending?.throwIfAborted();
        if (agents !== false) await this.agents.get(node.name)!.start(agents);
      }),
    );
    for (const host of objects.filter(isHost).map(readHost)) {
      ending?.throwIfAborted();
      await this.#fabric.addHost(host.name, host.addresses);
      await this.#stations.addHost(host);
    }
    ending?.throwIfAborted();
    await this.#cluster.follow((event) => {
      for (const controller of this.#controllers) controller.onEvent(event);
    });
    this.#report(await this.#cluster.apply(objects.filter((object) => !isHost(object))));
  }

  get #controllers(): readonly (Scheduler | Kubelet | ServiceProxy)[] {
    return [this.#scheduler, ...this.#kubelets, this.#proxy];
  }

  get #builtIn(): BuiltInCluster {
    if (this.#cluster instanceof BuiltInCluster) return this.#cluster;
    throw new LabError('state', 'this lab uses a real API server: use its clients');
  }

  #report(ignored: readonly string[]): void {
    if (ignored.length > 0) this.#log(`skipped, because the lab does not serve this kind: ${ignored.join(', ')}`);
  }

  #kubelet(node: NodePlan, options: LabOptions): Kubelet {
    const { cni = 'bridge', cniPlugin, network: between = 'routed', podAddresses, onSandbox, onAdded } = options;
    const { names, plan } = this;
    const directory = this.state.nodeDirectory(node.name);
    const config = networkConfig(cni, {
      podCidrs: node.podCidrs,
      ipamDirectory: `${directory}/ipam`,
      dhcpSocket: dhcpSocket(directory),
      flannelDirectory: flannelFolder(directory),
      podAddresses,
      mtu: podMtu(between, plan.families),
    });
    const last = cniPlugin ? [{ ...pluginEntry({ ...cniPlugin, socket: this.#cniSocket(node) }) }] : [];
    const network = new CniNetwork({
      config: { ...config, plugins: [...config.plugins, ...last] },
      pluginDirectory,
      programs: cniPlugin ? { [pluginType]: cniPlugin.program } : {},
      cacheDirectory: this.state.cniDirectory(node.name),
      enter: (file, args) => enterNamespace(names.node(node.name), file, args),
    });
    return new Kubelet({ node, names, cluster: this.#cluster, network, onSandbox, onAdded, log: this.#log });
  }

  /** In a directory of its own, which the agent closes to all but root. */
  #cniSocket({ name }: NodePlan): string {
    return join(this.state.nodeDirectory(name), 'plugin', 'cni.sock');
  }

  #agent(node: NodePlan, env: Readonly<Record<string, string>>, cniPlugin: LabCniPlugin | undefined): AgentProcess {
    const { name } = node;
    return new AgentProcess({
      env,
      node: name,
      cniSocket: cniPlugin && this.#cniSocket(node),
      namespace: this.names.node(name),
      directory: this.state.nodeDirectory(name),
      cniCacheDirectory: join(this.state.cniDirectory(name), 'results'),
      apiSocket: this.state.apiSocket,
      kubeconfig: this.#cluster.agentKubeconfig,
    });
  }
}

async function openCluster(
  lab: string,
  { apiSocket }: LabState,
  { families, nodes }: AddressPlan,
  { kubeconfig, tcp = false, log = silent }: LabOptions,
): Promise<ControlPlane> {
  if (kubeconfig === undefined) return new BuiltInCluster({ families, apiSocket, tcp, log });
  return RealCluster.load({ kubeconfig, lab, nodes: nodes.map(({ name }) => name), apiSocket, log });
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
