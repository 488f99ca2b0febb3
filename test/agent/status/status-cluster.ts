import { KubeConfig } from '@kubernetes/client-node';
import type { ApiObject, JsonObject } from '../../../src/lab/api/object.ts';
import type { PolicyId } from '../../../src/model/policy.ts';
import type { Issue } from '../../../src/model/issue.ts';
import { emptySnapshot } from '../../../src/model/snapshot.ts';
import { ClusterPolicies } from '../../../src/agent/status/cluster-policies.ts';
import { HeldPolicies } from '../../../src/agent/status/held-policies.ts';
import { HeldWriter } from '../../../src/agent/status/held-writer.ts';
import { LeaseClient } from '../../../src/agent/status/lease-client.ts';
import { StatusWriter } from '../../../src/agent/status/status-writer.ts';
import { createApiClient, type ApiClient } from '../../../src/watch/api-client.ts';
import type { ApiError } from '../../../src/watch/api-error.ts';
import { readIdentity } from '../../../src/watch/decode.ts';
import { optionalResources } from '../../../src/watch/resources.ts';
import { RunningServer } from '../../lab/api/running-server.ts';

export const namespace = 'postern-system';
const collection = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';

/** A request of an agent: `node-1 merge /apis/…`. */
interface Sent {
  readonly at: number;
  readonly node: string;
  readonly verb: string;
  readonly path: string;
}

/** A condition without its time. */
export type Shown = Readonly<Record<'type' | 'status' | 'reason' | 'message', string>> & {
  readonly observedGeneration: number;
};

/** Agents that report and write statuses, on the lab's API server and on a clock that only `run` moves. They know at once what the API server holds. */
export class StatusCluster {
  readonly server: RunningServer;
  readonly sent: Sent[] = [];
  readonly agents: StatusAgent[] = [];
  /** Milliseconds. */
  now = 0;
  /** Answers a request instead of the API server. */
  refuse: (sent: Sent) => ApiError | undefined = () => undefined;
  readonly #client: ApiClient;

  private constructor(server: RunningServer) {
    this.server = server;
    const config = new KubeConfig();
    config.loadFromClusterAndUser({ name: 'lab', server: server.url, skipTLSVerify: false }, { name: 'agent' });
    this.#client = createApiClient(config);
  }

  static async start(): Promise<StatusCluster> {
    const server = await RunningServer.start();
    server.store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    return new StatusCluster(server);
  }

  /** Adds nodes, each with an agent unless it says otherwise. */
  addNodes(names: readonly string[], withAgents = true): void {
    for (const name of names) {
      this.server.store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } });
      if (withAgents) this.agents.push(new StatusAgent(this, name));
    }
  }

  addPolicy(name: string, spec: JsonObject = {}): ApiObject {
    const kind = { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy' };
    return this.server.store.create('clusternetworkpolicies', {
      ...kind,
      metadata: { name },
      spec: { tier: 'Admin', priority: 10, subject: { namespaces: {} }, ...spec },
    });
  }

  changePolicy(name: string, spec: JsonObject): void {
    const patch = { type: 'merge', body: { spec } } as const;
    this.server.store.patch('clusternetworkpolicies', { name }, patch);
  }

  /** The client of one agent, which notes what it sends. */
  clientOf(node: string): ApiClient {
    const note = (verb: string, path: string): void => {
      const sent = { at: this.now, node, verb, path };
      this.sent.push(sent);
      const error = this.refuse(sent);
      if (error) throw error;
    };
    return {
      get: async (path, options) => {
        note('get', path);
        return this.#client.get(path, options);
      },
      write: async (verb, path, body, options) => {
        note(verb, path);
        return this.#client.write(verb, path, body, options);
      },
    };
  }

  /** Runs all looks that are due in the next milliseconds. */
  async run(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      const loops = this.agents.flatMap(({ loops }) => loops);
      const next = loops.sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      await next.run();
    }
    this.now = end;
  }

  /** Writes that the API server was asked for: all, or those whose path has the text. */
  writes(part = ''): Sent[] {
    return this.sent.filter(({ verb, path }) => verb !== 'get' && path.includes(part));
  }

  get statusWrites(): Sent[] {
    return this.writes('/status');
  }

  get elected(): string[] {
    return this.agents.filter(({ writer }) => writer.isElected).map(({ node }) => node);
  }

  conditions(name: string): readonly (Shown & { readonly lastTransitionTime: string })[] {
    const { status } = this.server.store.get('clusternetworkpolicies', { name });
    return ((status as JsonObject | undefined)?.['conditions'] ?? []) as never;
  }

  /** `True Programmed on all 2 nodes` */
  programmed(name: string): string {
    const found = this.conditions(name).find(({ type }) => type === 'Programmed');
    return found ? `${found.observedGeneration} ${found.status} ${found.message}` : 'none';
  }

  /** What the API server holds. */
  deliver(policies: ClusterPolicies): void {
    const { resource, decode } = optionalResources[0]!;
    const { items } = this.server.store.list('clusternetworkpolicies');
    for (const raw of items) {
      const identity = readIdentity(raw)!;
      const known = policies.all.get(identity.name);
      if (known?.resourceVersion === identity.resourceVersion) continue;
      const { uid, resourceVersion, generation, name: key } = identity;
      policies.receive({
        op: 'upsert',
        resource,
        key,
        uid,
        resourceVersion,
        generation,
        ...decode(raw, identity),
      } as never);
    }
    const names = new Set(items.map(({ metadata }) => metadata.name));
    for (const key of policies.all.keys()) if (!names.has(key)) policies.receive({ op: 'remove', resource, key });
  }
}

/** The parts of an agent that are about statuses. */
export class StatusAgent {
  readonly node: string;
  readonly policies = new ClusterPolicies();
  readonly held = new HeldPolicies({
    clusterPolicies: this.policies,
    snapshot: () => emptySnapshot,
    versionOf: () => undefined,
    isSettled: () => true,
  });
  readonly writer: StatusWriter;
  readonly heldWriter: HeldWriter;
  readonly failures: unknown[] = [];
  readonly refused: string[] = [];
  tied: ReadonlyMap<PolicyId, readonly Issue[]> = new Map();
  /** Whether the kernel takes what the agent has received. */
  isStuck = false;
  /** The watch delivers nothing. */
  isBlind = false;
  leftOut: readonly PolicyId[] = [];
  loops: { at: number; run: () => Promise<void> }[];

  constructor(cluster: StatusCluster, node: string) {
    this.node = node;
    const client = cluster.clientOf(node);
    const { signal } = new AbortController();
    const leases = new LeaseClient(client, namespace, signal);
    const { store } = cluster.server;
    const nodes = () =>
      new Map(store.list('nodes').items.map(({ metadata }) => [metadata.name!, { uid: metadata.uid! }]));
    const sources = {
      ...{ node, leases, client, signal, nodes, policies: this.policies },
      now: () => cluster.now,
      wallTime: () => Date.UTC(2026, 11, 1) + cluster.now,
      random: () => 0.5,
      observer: { wrote: () => {}, refused: (policy: string) => void this.refused.push(policy), elected: () => {} },
    };
    this.policies.served(collection);
    this.writer = new StatusWriter({
      ...sources,
      nextTurn: async () => {},
      isReady: () => true,
      tied: (issues) => (this.tied = issues),
    });
    this.heldWriter = new HeldWriter({
      ...sources,
      nodes: () => nodes().size,
      nodeUid: () => nodes().get(node)?.uid,
      report: () => (this.policies.all.size > 0 ? this.held.report : undefined),
    });
    const loop = (look: () => Promise<number>) => {
      const entry = {
        at: cluster.now,
        run: async () => {
          if (!this.isBlind) cluster.deliver(this.policies);
          if (!this.isStuck) {
            this.held.planned(String(this.policies.changes));
            this.held.applied({ refused: new Set(this.leftOut), oversized: [] });
          }
          entry.at =
            cluster.now + Math.max(1, await look().catch((error: unknown) => this.failures.push(error) * 1000));
        },
      };
      return entry;
    };
    this.loops = [loop(() => this.heldWriter.look()), loop(() => this.writer.look())];
  }

  /** It runs no more. */
  die(): void {
    this.loops = [];
  }
}
