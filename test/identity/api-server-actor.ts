import assert from 'node:assert/strict';
import { once } from 'node:events';
import type http from 'node:http';
import https from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { decodePod, readIdentity } from '../../src/watch/decode.ts';
import { watchedResources } from '../../src/watch/resources.ts';
import { keyOf, resourceOf, type ApiObject } from '../support/pipeline.ts';
import { cutObject } from './cut-object.ts';
import type { FactLine, OrderLine } from './order.ts';

export interface SandboxFields {
  readonly id: string;
  readonly addresses: readonly string[];
  readonly order: number;
  /** Not so what a reboot has left behind. */
  readonly live?: boolean;
}

const ownNamespaces = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

/**
 * Plays scheduler, kubelet, users and controllers towards a real API server, and writes down what its watches say of it. Lines stand in
 * the order of their commits.
 */
export class ApiServerActor {
  readonly lines: OrderLine[] = [];
  readonly #config: KubeConfig;
  /** Of each resource, the version up to which all is written down. */
  readonly #versions = new Map<string, string>();

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  async create(object: ApiObject): Promise<void> {
    const { path } = watchedResources.find(({ resource }) => resource === resourceOf(object))!;
    const { namespace } = object.metadata;
    const space = namespace === undefined ? '' : `/namespaces/${namespace}`;
    await this.#send('POST', path.replace(/\/([a-z]+)$/, `${space}/$1`), object);
  }

  /** As the scheduler does. */
  async bind(pod: string, node: string): Promise<void> {
    const [namespace, name] = pod.split('/') as [string, string];
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name } };
    await this.#send('POST', `${podPath(pod)}/binding`, { ...binding, target: { kind: 'Node', name: node } });
  }

  /** As the kubelet does: the fields that are given, lists as a whole. */
  async setStatus(pod: string, phase: string, addresses: readonly string[], more: object = {}): Promise<void> {
    const podIPs = addresses.map((ip) => ({ ip }));
    const status = { phase, podIP: addresses[0] ?? null, podIPs, ...more };
    await this.#send('PATCH', `${podPath(pod)}/status`, { status });
  }

  async setNodeAddresses(node: string, ...addresses: readonly string[]): Promise<void> {
    const status = { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) };
    await this.#send('PATCH', `/api/v1/nodes/${node}/status`, { status });
  }

  async labelPod(pod: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
    await this.#send('PATCH', podPath(pod), { metadata: { labels } });
  }

  async labelNamespace(name: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
    await this.#send('PATCH', `/api/v1/namespaces/${name}`, { metadata: { labels } });
  }

  /** Zero seconds are what the kubelet asks for when all is stopped, and a user who forces it. */
  async deletePod(pod: string, gracePeriodSeconds: number): Promise<void> {
    await this.#send('DELETE', podPath(pod), { gracePeriodSeconds });
  }

  async deleteNode(name: string): Promise<void> {
    await this.#send('DELETE', `/api/v1/nodes/${name}`);
  }

  async deleteNamespace(name: string): Promise<void> {
    await this.#send('DELETE', `/api/v1/namespaces/${name}`);
  }

  /** As the namespace controller does when nothing is left in it. */
  async finalizeNamespace(name: string): Promise<void> {
    const path = `/api/v1/namespaces/${name}`;
    const object = JSON.parse(await this.#send('GET', path)) as object;
    await this.#send('PUT', `${path}/finalize`, { ...object, spec: { finalizers: [] } });
  }

  /**
   * As the container runtime's record shows it on the node. `seen`: after what the watches have said so far, and not before.
   */
  async sandbox(
    pod: string,
    node: string,
    { id, addresses, order, live = true }: SandboxFields,
    seen = true,
  ): Promise<void> {
    const [namespace, name] = pod.split('/') as [string, string];
    const { metadata } = JSON.parse(await this.#send('GET', podPath(pod))) as ApiObject;
    const { annotations = {} } = metadata as { annotations?: Record<string, string> };
    const uid = annotations['kubernetes.io/config.mirror'] ?? metadata.uid!;
    const value = { id, namespace, name, uid, addresses, link: undefined, live, order };
    await this.fact(node, { op: 'sandbox', id, value }, seen);
  }

  /** As the agent asks for the pod of a sandbox that the watch has not brought. */
  async fetch(pod: string, node: string): Promise<void> {
    const raw: unknown = JSON.parse(await this.#send('GET', podPath(pod)));
    await this.fact(node, { op: 'fetched', key: pod, value: decodePod(raw, readIdentity(raw)!).value }, false);
  }

  async fact(node: string, fact: FactLine['fact'], seen = true): Promise<void> {
    if (seen) await this.watch();
    this.lines.push({ type: 'FACT', node, fact });
  }

  /** Writes all down as a client sees it that has just come, or whose version is no longer kept. */
  async list(): Promise<void> {
    for (const { resource, path } of watchedResources) {
      const list = JSON.parse(await this.#send('GET', path)) as { kind: string; metadata: object; items: ApiObject[] };
      this.#versions.set(resource, (list.metadata as { resourceVersion: string }).resourceVersion);
      const kind = list.kind.replace(/List$/, '');
      const items = list.items.map((item) => ({ ...item, kind })).filter((item) => !isServersOwn(item));
      this.lines.push({ type: 'LIST', object: { kind: list.kind, items: items.map(cutObject) } });
    }
  }

  /** Writes down what the watches say since the last time. */
  async watch(): Promise<void> {
    const events: { version: number; line: OrderLine }[] = [];
    const streams = watchedResources.map(async ({ resource, path }) => {
      const query = new URLSearchParams({
        watch: '1',
        resourceVersion: this.#versions.get(resource)!,
        timeoutSeconds: '1',
      });
      const text = await this.#send('GET', `${path}?${query.toString()}`);
      for (const line of text.split('\n').filter((each) => each !== '')) {
        const { type, object } = JSON.parse(line) as { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: ApiObject };
        assert.ok(['ADDED', 'MODIFIED', 'DELETED'].includes(type), line);
        const version = String(object.metadata['resourceVersion']);
        this.#versions.set(resource, version);
        if (!isServersOwn(object)) events.push({ version: Number(version), line: { type, object: cutObject(object) } });
      }
    });
    await Promise.all(streams);
    for (const { line } of events.sort((a, b) => a.version - b.version)) this.lines.push(line);
  }

  /** What happens while no watch is open, as the next list shows it. */
  async unseen(happen: () => Promise<void>): Promise<void> {
    await this.watch();
    await happen();
    await this.list();
  }

  async deleteEverything(): Promise<void> {
    for (const { resource, path } of watchedResources) {
      if (resource === 'namespaces') continue;
      const { items } = JSON.parse(await this.#send('GET', path)) as { items: ApiObject[] };
      for (const item of items) {
        const { name, namespace } = item.metadata;
        const space = namespace === undefined ? '' : `/namespaces/${namespace}`;
        const body = resource === 'pods' ? { gracePeriodSeconds: 0 } : undefined;
        await this.#send('DELETE', `${path.replace(/\/([a-z]+)$/, `${space}/$1`)}/${name}`, body);
      }
    }
    const { items } = JSON.parse(await this.#send('GET', '/api/v1/namespaces')) as { items: ApiObject[] };
    for (const { metadata } of items) {
      if (ownNamespaces.has(metadata.name)) continue;
      await this.deleteNamespace(metadata.name);
      await this.finalizeNamespace(metadata.name);
    }
  }

  async #send(method: string, path: string, body?: object): Promise<string> {
    const { hostname, port } = new URL(this.#config.getCurrentCluster()!.server);
    const options: https.RequestOptions = { hostname, port, path, method };
    await this.#config.applyToHTTPSOptions(options);
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const content = body ? JSON.stringify(body) : '';
    options.headers = {
      ...(options.headers as http.OutgoingHttpHeaders | undefined),
      'content-type': type,
      // Node sends no length of its own with a DELETE.
      'content-length': Buffer.byteLength(content),
    };
    const request = https.request(options).end(content);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const text = Buffer.concat(await response.toArray()).toString();
    assert.ok(response.statusCode! < 300, `${method} ${path}: ${text}`);
    return text;
  }
}

function podPath(pod: string): string {
  const [namespace, name] = pod.split('/') as [string, string];
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

/** What the server makes for itself, at some time of its own. */
function isServersOwn(object: ApiObject): boolean {
  return ownNamespaces.has(object.metadata.namespace ?? keyOf(object));
}
