import type { ClusterApi, ClusterEvent } from './cluster-api.ts';
import { runInNamespace } from './network-namespace.ts';
import { Reconciler } from './reconciler.ts';
import { renderServices } from './service-rules.ts';
import { servicePorts } from './services.ts';

/** Replaces kube-proxy: loads the same table into each node's namespace when Services or endpoints change. */
export class ServiceProxy {
  readonly #cluster: ClusterApi;
  readonly #reconciler: Reconciler;
  readonly #nodes: readonly string[];
  readonly #loaded = new Map<string, string>();

  /** `nodes` are network namespaces. */
  constructor(cluster: ClusterApi, nodes: readonly string[], log: (message: string) => void) {
    this.#cluster = cluster;
    this.#nodes = nodes;
    this.#reconciler = new Reconciler({
      reconcile: (node) => this.#load(node),
      onError: (node, error) => log(`services of ${node}: ${String(error)}`),
    });
  }

  onEvent({ resource }: ClusterEvent): void {
    if (resource === 'services' || resource === 'pods') for (const node of this.#nodes) this.#reconciler.add(node);
  }

  idle(): Promise<void> {
    return this.#reconciler.idle();
  }

  stop(): Promise<void> {
    return this.#reconciler.stop();
  }

  async #load(node: string): Promise<void> {
    const ports = servicePorts(this.#cluster);
    const script = renderServices(ports);
    // A node that never had a Service has no service table, and so no address translation.
    if ((this.#loaded.get(node) ?? renderServices([])) === script) return;
    await runInNamespace(node, 'nft', ['-f', '-'], { input: script });
    this.#loaded.set(node, script);
  }
}
